//! Lists that grow by doubling, as `Vec`, `VecDeque`, `String` and `HashMap` do: few steps, each of them sure.
//!
//! Separate from `trend`, which is about growth in many small parts. Of a large block sampling misses nothing,
//! so a doubling is no matter of chance; and at the moment of one the list was exactly full, which
//! tells how long it was just then. What that means for the list's stack is for `rules`.

use std::ops::RangeInclusive;

/// What a list had before a doubling, relative to what it has after: a half, less if it doubled twice
/// between two profiles, and a little of whatever else the stack keeps.
const BEFORE: RangeInclusive<f64> = 0.25..=0.6;

/// How far the live bytes may be off a level that they stand still at.
const WAVER: f64 = 0.1;

/// Doublings that make a habit: the list is at least sixteen times as large as it was.
const HABIT: usize = 4;

/// The least part of the time that the doublings are spread over. A list that fills evenly makes its last
/// four in seven eighths of its life; a burst makes them in no time.
const SPREAD: f64 = 0.5;

/// One doubling.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Doubling {
    /// Seconds of the profiles before and after it.
    between: (f64, f64),
    /// The bytes that the list was full with.
    full: f64,
}

impl Doubling {
    fn time(&self) -> f64 {
        f64::midpoint(self.between.0, self.between.1)
    }
}

/// The doublings at the end of a series of live bytes, between which it stood still.
#[derive(Debug)]
pub(super) struct Doublings {
    /// In order of time.
    steps: Vec<Doubling>,
    span: f64,
}

impl Doublings {
    pub(super) fn of(seconds: &[f64], values: &[i64]) -> Self {
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
                steps.push(Doubling {
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

    pub(super) fn count(&self) -> usize {
        self.steps.len()
    }

    /// Whether the list doubled often enough, spread over the time, for the last time in the last `share`
    /// of it, and was filled between the last two doublings no slower than `still` times as fast as between
    /// those before.
    pub(super) fn go_on(&self, share: f64, still: f64) -> bool {
        let [first, .., before, last] = self.steps.as_slice() else {
            return false;
        };
        let rate =
            |from: &Doubling, to: &Doubling| (to.full - from.full) / (to.time() - from.time());
        self.steps.len() >= HABIT
            && last.time() >= self.span * (1.0 - share)
            && last.time() - first.time() >= self.span * SPREAD
            && rate(before, last) >= rate(first, before) * still
    }

    /// How fast the list is filled in bytes per second, with the range that the time between profiles leaves
    /// open; `None` for fewer than two doublings, or if they may have come at once.
    pub(super) fn rate(&self) -> Option<(f64, RangeInclusive<f64>)> {
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

/// Whether the series' last large step was about a doubling, and is no longer past than it took to come: what
/// grows by doubling, as a list without room for more does, stands still as long before the next one.
pub(super) fn doubled_lately(seconds: &[f64], values: &[i64]) -> bool {
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

/// The largest fall that still counts as standing still, of a series that ends at so many bytes.
pub(super) fn waver(end: f64) -> f64 {
    WAVER * end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(count: u32) -> Vec<f64> {
        (0..count).map(|at| f64::from(at) * 10.0).collect()
    }

    /// What a list holds that is given one element in every ten seconds.
    fn list(count: i64) -> Vec<i64> {
        (0..count)
            .map(|at| (at.cast_unsigned().next_power_of_two()).cast_signed() << 20)
            .collect()
    }

    #[test]
    fn the_last_doubling_is_late_or_long_ago() {
        let doubled = |values: &[i64]| doubled_lately(&times(9), values);
        assert!(doubled(&[1, 2, 4, 4, 8, 8, 8, 8, 8]));
        assert!(!doubled(&[1, 2, 4, 8, 8, 8, 8, 8, 8]));
        assert!(!doubled(&[0, 0, 0, 0, 0, 8, 8, 8, 8]));
        assert!(!doubled(&[4, 5, 6, 6, 7, 7, 8, 8, 8]));
        assert!(!doubled(&[4, 4, 4, 4, 4, 8, 8, 8, 4]));
        assert!(!doubled(&[0; 9]) && !doubled(&[]));
    }

    #[test]
    fn a_list_that_fills_evenly_is_known_after_each_doubling_until_it_is_a_third_older() {
        let goes_on = |count: u32| {
            let doublings = Doublings::of(&times(count), &list(i64::from(count)));
            doublings.go_on(0.25, 0.5)
        };
        // Doubles at 3, 5, 9, 17 and 33.
        assert!(!goes_on(16), "too few doublings");
        assert!(goes_on(18) && goes_on(22));
        assert!(
            !goes_on(26) && !goes_on(33),
            "the next one is not there yet"
        );
        assert!(goes_on(34) && goes_on(43));
        let (rate, range) = Doublings::of(&times(34), &list(34)).rate().unwrap();
        assert!((rate / 104_857.6 - 1.0).abs() < 0.01, "{rate}");
        assert!(range.contains(&104_857.6), "{range:?}");
    }

    #[test]
    fn a_burst_a_slowdown_and_a_fall_are_no_habit() {
        let goes_on = |values: &[i64]| {
            let count = u32::try_from(values.len()).unwrap();
            Doublings::of(&times(count), values).go_on(0.25, 0.5)
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
