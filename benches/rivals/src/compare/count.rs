//! Instructions per operation, counted by valgrind's callgrind: the same in every run but for the sampling
//! seed and, with two threads, their order.

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

/// jemalloc's collection of thread caches and its giving back of memory go by the clock, and under valgrind
/// fifty times more of it passes: without these its own count varies by 1 %. Programs as short as these
/// see next to nothing of either at full speed.
const JEMALLOC: &str = "experimental_tcache_gc:false,dirty_decay_ms:-1,muzzy_decay_ms:-1";

/// One cell of the table: a contender at one workload, once for each seed.
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

/// The instructions of three times the work less those of the work, by operation: a program's start is
/// not in it.
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
            .ok_or_else(|| format!("{run:?}: callgrind said no count: {said}"))
    };
    Ok((instructions(3 * once)? - instructions(once)?) / (2 * once) as f64)
}

impl Counted {
    /// The mean of the seeds.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.slopes.iter().sum::<f64>() / self.slopes.len() as f64
    }

    /// How many times the instructions of `base`: of the means, and the least and the most of any seed.
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
