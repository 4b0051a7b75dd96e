//! Counts instructions per operation with valgrind's callgrind.
//!
//! The count is the same in every run, except for the sampling seed and the order of two threads.

use super::{contender::Contender, run::Run};
use crate::workload::Workload;
use std::{
    num::NonZero,
    sync::{Mutex, PoisonError},
    thread,
};

const CALLGRIND: &[&str] = &[
    "/usr/bin/valgrind",
    "--tool=callgrind",
    "--callgrind-out-file=/dev/null",
];

/// Settings that stop jemalloc's timed work: the collection of thread caches and the return of
/// memory.
///
/// Under valgrind fifty times more time passes, and without these settings jemalloc's own count
/// varies by 1 %. At full speed, programs as short as these do almost none of this work.
const JEMALLOC: &str = "experimental_tcache_gc:false,dirty_decay_ms:-1,muzzy_decay_ms:-1";

/// One cell of the table: the counts of a contender at one workload, one for each seed.
#[derive(Clone, Debug)]
pub struct Counted {
    pub contender: Contender,
    pub workload: Workload,
    /// Instructions per operation, by seed.
    pub slopes: Vec<f64>,
}

/// Counts every contender at every workload, with `seeds` seeds.
///
/// # Errors
///
/// The first failure of any run.
pub fn count(
    contenders: &[Contender],
    workloads: &[Workload],
    seeds: u64,
) -> Result<Vec<Counted>, String> {
    let mut cells = Vec::new();
    for &workload in workloads {
        for &contender in contenders {
            let slopes = Vec::new();
            cells.push(Counted {
                contender,
                workload,
                slopes,
            });
        }
    }
    let queue = Mutex::new(cells.iter_mut());
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let outcomes = thread::scope(|scope| {
        let work = || -> Result<(), String> {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(cell) = next else { return Ok(()) };
                for seed in 1..=seeds {
                    cell.slopes
                        .push(slope(cell.contender, cell.workload, seed)?);
                }
            }
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let outcomes = workers.into_iter().map(|worker| worker.join());
        outcomes.collect::<Vec<_>>()
    });
    for outcome in outcomes {
        outcome.map_err(|_| "a worker panicked".to_owned())??;
    }
    Ok(cells)
}

/// The instructions per operation: those of three times the work, less those of the work.
///
/// The difference removes the start of the program.
fn slope(contender: Contender, workload: Workload, seed: u64) -> Result<f64, String> {
    let once = workload.operations() / contender.slowness;
    let instructions = |operations| {
        let run = Run {
            contender,
            workload,
            operations,
            seed,
        };
        let output = run.output(CALLGRIND, JEMALLOC)?;
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        line.and_then(|(_, number)| number.trim().parse::<f64>().ok())
            .ok_or_else(|| format!("{run:?}: callgrind printed no count: {said}"))
    };
    Ok((instructions(3 * once)? - instructions(once)?) / (2 * once) as f64)
}

impl Counted {
    /// The mean over the seeds.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.slopes.iter().sum::<f64>() / self.slopes.len() as f64
    }

    /// The ratio of the instructions to those of `base`: of the means, and the least and the
    /// greatest of any seed.
    #[must_use]
    pub fn over(&self, base: &Self) -> [f64; 3] {
        let ratios = self
            .slopes
            .iter()
            .zip(&base.slopes)
            .map(|(of, base)| of / base);
        let least = ratios.clone().fold(f64::INFINITY, f64::min);
        let most = ratios.fold(0.0, f64::max);
        [self.mean() / base.mean(), least, most]
    }
}
