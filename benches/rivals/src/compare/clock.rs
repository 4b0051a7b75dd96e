//! Measures seconds and peak memory, in rounds.
//!
//! In each round every contender does the same work once, one after the other on one processor. So
//! a disturbance of the machine affects all of them.

use super::{contender::Contender, run::Run};
use crate::workload::Workload;

/// The measurements of one contender at one workload, one for each round.
#[derive(Clone, Debug)]
pub struct Timed {
    pub contender: Contender,
    pub workload: Workload,
    /// Seconds per operation, by round.
    pub seconds: Vec<f64>,
    /// The most memory of any round, in MiB.
    pub peak_mib: f64,
}

/// Times every contender at every workload.
///
/// # Errors
///
/// The first failure of any run.
pub fn time(
    contenders: &[Contender],
    workloads: &[Workload],
    rounds: u64,
) -> Result<Vec<Timed>, String> {
    let mut cells = Vec::new();
    for &workload in workloads {
        let first = cells.len();
        for &contender in contenders {
            cells.push(Timed {
                contender,
                workload,
                seconds: Vec::new(),
                peak_mib: 0.0,
            });
        }
        for seed in 1..=rounds {
            for cell in &mut cells[first..] {
                cell.run(seed)?;
            }
        }
    }
    Ok(cells)
}

impl Timed {
    fn run(&mut self, seed: u64) -> Result<(), String> {
        let operations = self.workload.timed_operations() / self.contender.slowness;
        let run = Run {
            contender: self.contender,
            workload: self.workload,
            operations,
            seed,
        };
        // Two threads get both processors; a single thread stays on one.
        let processors = if self.workload.threads() == 1 {
            "1"
        } else {
            "0,1"
        };
        let output = run.output(&["taskset", "-c", processors], "")?;
        let line = String::from_utf8_lossy(&output.stdout);
        let mut words = line.split_whitespace();
        let mut number = || words.next().and_then(|word| word.parse::<f64>().ok());
        let (Some(seconds), Some(kib)) = (number(), number()) else {
            return Err(format!("{run:?} printed {line:?}"));
        };
        self.seconds.push(seconds / operations as f64);
        self.peak_mib = self.peak_mib.max(kib / 1024.0);
        Ok(())
    }

    /// Nanoseconds per operation, of the fastest round.
    #[must_use]
    pub fn least_nanoseconds(&self) -> f64 {
        self.seconds.iter().copied().fold(f64::INFINITY, f64::min) * 1e9
    }

    /// The time relative to `base` in the same round: the quartiles over the rounds.
    #[must_use]
    pub fn over(&self, base: &Self) -> [f64; 3] {
        let mut ratios: Vec<f64> = self
            .seconds
            .iter()
            .zip(&base.seconds)
            .map(|(of, base)| of / base)
            .collect();
        ratios.sort_by(f64::total_cmp);
        let at = |quarter: usize| {
            let place = (ratios.len().saturating_sub(1) * quarter + 2) / 4;
            ratios.get(place).copied().unwrap_or(f64::NAN)
        };
        [at(2), at(1), at(3)]
    }
}
