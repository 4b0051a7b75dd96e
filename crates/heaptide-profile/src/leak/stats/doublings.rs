//! Lists that grow by doubling, as `Vec`, `VecDeque`, `String` and `HashMap` do.
//!
//! Such a list grows in few steps, each of them sure: sampling misses no block as large, so a
//! doubling is not a matter of chance. At the moment of a doubling the list is exactly full, which
//! tells its length just then. Growth in many small parts is for `slope` and `steadiness`.

use std::ops::RangeInclusive;

use super::swings::largest_fall;
use super::{ProfileTimes, Turnover};
use crate::leak::history::StackHistory;
use crate::leak::rules::{IN_LARGE_BLOCKS, KEPT_WHILE_RISING, LAST_SHARE, STILL_GROWING};

/// Live bytes before a doubling, relative to those after it: a half, less if the list doubled twice
/// between two profiles, and a little of whatever else the stack keeps.
const BEFORE: RangeInclusive<f64> = 0.25..=0.6;

/// How far the live bytes may be off the level that they stand still at, relative to it.
const WAVER: f64 = 0.1;

/// Fewest doublings of a list that keeps doubling: it is at least sixteen times as large as it was.
const HABIT: usize = 4;

/// Least part of the time that the doublings are spread over. A list that fills evenly makes its
/// last four doublings in seven eighths of its life; a burst makes them in no time.
const SPREAD: f64 = 0.5;

/// Whether a stack is a list that grows by doubling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Doublings {
    /// How often it doubled and stood still in between, up to the last profile.
    pub count: usize,
    /// Whether its last large step was a doubling, and less time has passed since than before it.
    pub is_recent: bool,
    /// Whether it is made of few blocks, too large for sampling to miss, and gave nothing back.
    pub is_one_list: bool,
    /// Whether its doublings make it a list that grows without end.
    pub keeps_doubling: bool,
}

impl Doublings {
    /// With the rate at which a list that keeps doubling is filled, and its range.
    pub(super) fn of(
        times: &ProfileTimes,
        stack: &StackHistory,
        turnover: &Turnover,
    ) -> (Self, Option<(f64, RangeInclusive<f64>)>) {
        let (seconds, values) = (&times.seconds, &stack.inuse_space);
        let steps = DoublingSteps::of(seconds, values);
        let live = values.last().copied().unwrap_or_default() as f64;
        let is_one_list = stack.live_in_large_blocks as f64 >= live * IN_LARGE_BLOCKS
            && largest_fall(values) <= WAVER * live
            && turnover.retention >= KEPT_WHILE_RISING;
        let keeps_doubling = is_one_list && steps.go_on(LAST_SHARE, STILL_GROWING);
        let doublings = Self {
            count: steps.count(),
            is_recent: doubled_lately(seconds, values),
            is_one_list,
            keeps_doubling,
        };
        (doublings, steps.rate().filter(|_| keeps_doubling))
    }
}

/// One doubling.
#[derive(Clone, Copy, Debug, PartialEq)]
struct DoublingStep {
    /// Seconds of the profiles before and after it.
    between: (f64, f64),
    /// The bytes that the list was full with.
    full: f64,
}

impl DoublingStep {
    fn time(&self) -> f64 {
        f64::midpoint(self.between.0, self.between.1)
    }
}

/// The doublings at the end of a series of live bytes, between which it stood still.
#[derive(Debug)]
struct DoublingSteps {
    /// In order of time.
    steps: Vec<DoublingStep>,
    /// Seconds from the first profile to the last.
    span: f64,
}

impl DoublingSteps {
    fn of(seconds: &[f64], values: &[i64]) -> Self {
        let mut steps = Vec::new();
        let mut level = values.last().copied().unwrap_or_default() as f64;
        let intervals = seconds.windows(2).zip(values.windows(2));
        for (times, pair) in intervals.rev() {
            let (&[from, to], &[before, after]) = (times, pair) else {
                break;
            };
            let (before, after) = (before as f64, after as f64);
            let stands_at = |value: f64| (value - level).abs() <= WAVER * level;
            if level <= 0.0 || !stands_at(after) {
                break;
            }
            if BEFORE.contains(&(before / after)) {
                steps.push(DoublingStep {
                    between: (from, to),
                    full: before,
                });
                level = before;
            }
        }
        steps.reverse();
        let span = seconds.last().copied().unwrap_or_default();
        Self { steps, span }
    }

    fn count(&self) -> usize {
        self.steps.len()
    }

    /// Whether the list keeps doubling.
    ///
    /// It does if it doubled often enough, spread over the time, and for the last time in the last
    /// `share` of the time. Besides, between the last two doublings it was filled at least `still`
    /// times as fast as between those before.
    fn go_on(&self, share: f64, still: f64) -> bool {
        let [first, .., before, last] = self.steps.as_slice() else {
            return false;
        };
        let rate = |from: &DoublingStep, to: &DoublingStep| {
            (to.full - from.full) / (to.time() - from.time())
        };
        self.steps.len() >= HABIT
            && last.time() >= self.span * (1.0 - share)
            && last.time() - first.time() >= self.span * SPREAD
            && rate(before, last) >= rate(first, before) * still
    }

    /// How fast the list is filled in bytes per second, with the range that the time between
    /// profiles leaves open. `None` for fewer than two doublings, or if they may have come at once.
    fn rate(&self) -> Option<(f64, RangeInclusive<f64>)> {
        let [first, .., last] = self.steps.as_slice() else {
            return None;
        };
        let filled = last.full - first.full;
        let longest = last.between.1 - first.between.0;
        let shortest = last.between.0 - first.between.1;
        (shortest > 0.0).then(|| {
            let likely = filled / (last.time() - first.time());
            (likely, filled / longest..=filled / shortest)
        })
    }
}

/// Whether the last large step of a series was about a doubling, and as much time as before it has
/// not passed since.
///
/// A list that grows by doubling stands still that long before it doubles again.
fn doubled_lately(seconds: &[f64], values: &[i64]) -> bool {
    let end = values.last().copied().unwrap_or_default() as f64;
    let steps = seconds.iter().skip(1).zip(values.windows(2));
    let is_jump = |pair: &[i64]| match pair {
        [before, after] => {
            let (before, after) = (*before as f64 / end, *after as f64 / end);
            BEFORE.contains(&before) && after >= 1.0 - WAVER
        }
        _ => false,
    };
    let jump = steps
        .filter(|(_, pair)| is_jump(pair))
        .map(|(time, _)| *time);
    let last = seconds.last().copied().unwrap_or_default();
    jump.reduce(f64::max)
        .is_some_and(|jump| last - jump <= jump)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(count: u32) -> Vec<f64> {
        (0..count).map(|at| f64::from(at) * 10.0).collect()
    }

    /// The bytes of a list that is given one element every ten seconds.
    fn list(count: i64) -> Vec<i64> {
        (0..count)
            .map(|at| (at.cast_unsigned().next_power_of_two()).cast_signed() << 20)
            .collect()
    }

    #[test]
    fn a_doubling_is_recent_or_long_ago() {
        let doubled = |values: &[i64]| doubled_lately(&times(9), values);
        assert!(doubled(&[1, 2, 4, 4, 8, 8, 8, 8, 8]));
        assert!(!doubled(&[1, 2, 4, 8, 8, 8, 8, 8, 8]));
        assert!(!doubled(&[0, 0, 0, 0, 0, 8, 8, 8, 8]));
        assert!(!doubled(&[4, 5, 6, 6, 7, 7, 8, 8, 8]));
        assert!(!doubled(&[4, 4, 4, 4, 4, 8, 8, 8, 4]));
        assert!(!doubled(&[0; 9]) && !doubled(&[]));
    }

    #[test]
    fn a_list_that_fills_evenly_keeps_doubling_for_a_third_of_its_age_after_each_doubling() {
        let goes_on = |count: u32| {
            let doublings = DoublingSteps::of(&times(count), &list(i64::from(count)));
            doublings.go_on(0.25, 0.5)
        };
        // Doubles at 3, 5, 9, 17 and 33.
        assert!(!goes_on(16), "too few doublings");
        assert!(goes_on(18) && goes_on(22));
        assert!(
            !goes_on(26) && !goes_on(33),
            "the next doubling has not come yet"
        );
        assert!(goes_on(34) && goes_on(43));
        let (rate, range) = DoublingSteps::of(&times(34), &list(34)).rate().unwrap();
        assert!((rate / 104_857.6 - 1.0).abs() < 0.01, "{rate}");
        assert!(range.contains(&104_857.6), "{range:?}");
    }

    #[test]
    fn a_burst_a_slowdown_and_a_fall_do_not_keep_doubling() {
        let goes_on = |values: &[i64]| {
            let count = u32::try_from(values.len()).unwrap();
            DoublingSteps::of(&times(count), values).go_on(0.25, 0.5)
        };
        assert!(goes_on(&[1, 2, 4, 8, 8, 8, 8, 16, 16]));
        assert!(!goes_on(&[1, 1, 1, 1, 1, 2, 4, 8, 16]), "a burst");
        assert!(!goes_on(&[1, 2, 4, 8, 16, 16, 16, 16, 16]), "over");
        assert!(!goes_on(&[1, 2, 4, 8, 8, 2, 4, 8, 16]), "a fall");
        assert!(!goes_on(&[4, 8, 16, 16, 16, 16, 16, 32, 32]), "three");
        // 7 in fifty seconds, and 8 in the two minutes after that.
        assert!(!goes_on(&[
            1, 2, 2, 4, 4, 8, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 32, 32
        ]));
        assert!(!goes_on(&[0; 9]) && !goes_on(&[]) && !goes_on(&[1]));
    }
}
