//! The largest rise and the largest fall of a stack's live bytes.

use super::ProfileTimes;
use super::growth_tests::chance_of_drift;
use crate::leak::history::{StackHistory, Swing};

/// The largest rise and the largest fall of the live bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Swings {
    /// The largest fall from an earlier peak, in bytes.
    pub largest_fall: f64,
    /// The largest rise divided by the bytes allocated during it.
    pub kept_while_rising: f64,
    /// Chance that noise alone shows a rise and a fall as large as the largest ones.
    pub p_value: f64,
}

impl Swings {
    pub(super) fn of(times: &ProfileTimes, stack: &StackHistory) -> Self {
        // Any two points could have been the ends of the largest swing (Bonferroni).
        let points = times.points.len();
        let pairs = (points * points.saturating_sub(1) / 2).max(1) as f64;
        let rise = (chance_of_drift(stack.rise.drift) * pairs).min(1.0);
        let fall = (chance_of_drift(stack.fall.drift * -1.0) * pairs).min(1.0);
        Self {
            largest_fall: largest_fall(&stack.inuse_space),
            kept_while_rising: kept_share(times, stack, stack.rise),
            p_value: rise.max(fall),
        }
    }
}

/// The largest fall from an earlier value.
pub(super) fn largest_fall(series: &[i64]) -> f64 {
    let mut peak = i64::MIN;
    let falls = series.iter().map(|&value| {
        peak = peak.max(value);
        peak.saturating_sub(value)
    });
    falls.max().unwrap_or_default() as f64
}

/// The share kept of the allocations during a swing; 0 if nothing was allocated.
fn kept_share(times: &ProfileTimes, stack: &StackHistory, swing: Swing) -> f64 {
    let allocated_at = |point: usize| {
        let at = times.points.get(point)?;
        stack.alloc_space.get(*at).map(|&bytes| bytes as f64)
    };
    match (allocated_at(swing.from), allocated_at(swing.to)) {
        (Some(from), Some(to)) if to > from => swing.drift.value / (to - from),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::largest_fall;

    #[test]
    fn the_largest_fall_is_from_an_earlier_peak() {
        assert_eq!(largest_fall(&[5, 9, 3, 20, 15]), 6.0);
        assert_eq!(largest_fall(&[]), 0.0);
    }
}
