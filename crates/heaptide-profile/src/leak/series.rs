//! The profiles of one process as they come in: the sums that are kept until the last one is there.
//!
//! Sums by stack are kept for every profile. Errors are computed from sums by path and size group,
//! which are kept for the last profile and for a few marks. The marks are spread over the time
//! evenly, however long it gets and whenever profiles are taken. Nothing here judges growth, or
//! decides which profiles are of one process.

use std::collections::HashMap;
use std::sync::Arc;

use super::history::{
    ByteSeries, LATE_SHARE, PopulationSeries, ProcessHistory, StackHistory, start_of_last,
};
use super::interner::StackInterner;
use super::sample_sums::{PopulationKey, SampleSums};
use crate::Population;
use crate::Profile;

/// Most marks. When there are more, those too close in time to the mark before are dropped. Time
/// counts, since profiles that are taken as memory grows may all be of one minute of a day.
const MARKS: usize = 32;

/// Once marks had to be dropped, the least time from mark to mark is this part of the time so far.
///
/// That is a little less than two of the 32 steps, so that every second one of evenly spaced
/// profiles stays. Any time for which there is a profile then has a mark within an eighth of the
/// span, and within a sixteenth if profiles are evenly spaced.
const STEPS: i64 = 18;

const NANOS_PER_SECOND: f64 = 1e9;

/// The profiles of one process so far.
#[derive(Debug, Default)]
pub(super) struct ProcessSeries {
    /// The number of the first profile, counted from 1 over all processes.
    first_number: usize,
    /// When each profile was taken, in nanoseconds.
    times: Vec<i64>,
    /// The sample interval of the last profile; the largest among the samples if it states none.
    interval_bytes: i64,
    /// The largest sample interval of any sample so far.
    largest_interval: i64,
    /// The comments of the last profile.
    comments: Vec<Arc<str>>,
    /// Bytes at each profile, by number of the rolled-up stack.
    stacks: Vec<ByteSeries>,
    /// Positions of the marks among the profiles.
    marks: Vec<usize>,
    /// The least time between two marks.
    step_nanos: i64,
    /// Each population at the marks.
    populations: Vec<PopulationSeries>,
    /// Positions in `populations` by key.
    positions: HashMap<PopulationKey, usize>,
}

impl ProcessSeries {
    pub(super) fn snapshots(&self) -> usize {
        self.times.len()
    }

    pub(super) fn last_time(&self) -> Option<i64> {
        self.times.last().copied()
    }

    /// Time from the first profile to the last.
    pub(super) fn nanos(&self) -> i64 {
        let first = self.times.first().copied().unwrap_or_default();
        self.last_time().unwrap_or_default().saturating_sub(first)
    }

    /// Numbers of the first and the last profile.
    pub(super) fn numbers(&self) -> (usize, usize) {
        let more = self.times.len().saturating_sub(1);
        (self.first_number, self.first_number + more)
    }

    /// The profiler's own remarks on the last profile, such as losses.
    pub(super) fn remarks(&self) -> impl Iterator<Item = String> {
        let remarks = self.comments.iter().filter(|comment| {
            comment.starts_with("heaptide ") && !comment.starts_with("heaptide snapshot")
        });
        remarks.map(ToString::to_string)
    }

    /// The stack whose allocated bytes fell most since the last profile, with the bytes before and
    /// now. Within one process they never fall.
    pub(super) fn largest_loss(&self, sums: &SampleSums) -> Option<(u32, i64, i64)> {
        let losses = (0..).zip(&self.stacks).filter_map(|(stack, series)| {
            let before = *series.alloc_space.last()?;
            let now = sums.stacks.get(stack as usize).map_or(0, |sum| sum.1);
            (now < before).then_some((stack, before, now))
        });
        losses.reduce(|worst, next| {
            let loss = |(_, before, now): &(u32, i64, i64)| before.saturating_sub(*now);
            if loss(&next) > loss(&worst) {
                next
            } else {
                worst
            }
        })
    }

    /// Whether any stack has allocated more than at the last profile.
    pub(super) fn has_gained(&self, sums: &SampleSums) -> bool {
        let before = |stack: usize| self.stacks.get(stack)?.alloc_space.last().copied();
        let mut stacks = sums.stacks.iter().enumerate();
        stacks.any(|(stack, sum)| sum.1 > before(stack).unwrap_or(0))
    }

    /// Adds a profile.
    pub(super) fn add(&mut self, number: usize, profile: &Profile, sums: SampleSums) {
        let at = self.times.len();
        if at == 0 {
            (self.first_number, self.largest_interval) = (number, 1);
        }
        self.times.push(profile.time_nanos);
        self.comments.clone_from(&profile.comments);
        self.stacks.resize(sums.stacks.len(), ByteSeries::default());
        for (series, (inuse, alloc)) in self.stacks.iter_mut().zip(&sums.stacks) {
            if series.inuse_space.is_empty() {
                if (*inuse, *alloc) == (0, 0) {
                    continue;
                }
                series.inuse_space = vec![0; at];
                series.alloc_space = vec![0; at];
            }
            series.inuse_space.push(*inuse);
            series.alloc_space.push(*alloc);
        }
        self.add_populations(sums.populations);
        self.interval_bytes = match profile.period {
            interval if interval > 0 => interval,
            _ => self.largest_interval,
        };
        let last_mark = self.marks.last().map(|&mark| self.nanos_between(mark, at));
        if last_mark.is_none_or(|nanos| nanos >= self.step_nanos) {
            self.mark(at);
        }
    }

    /// Takes the populations of a profile as the last ones.
    fn add_populations(&mut self, populations: Vec<(PopulationKey, Population)>) {
        for series in &mut self.populations {
            series.last = Population::default();
        }
        for (key, population) in populations {
            self.largest_interval = population.interval_bytes.max(self.largest_interval);
            let next = self.populations.len();
            let at = *self.positions.entry(key).or_insert(next);
            match self.populations.get_mut(at) {
                Some(series) => series.last = population,
                None => self.populations.push(PopulationSeries {
                    path: key.0,
                    at_marks: Vec::new(),
                    last: population,
                }),
            }
        }
    }

    fn nanos_between(&self, from: usize, to: usize) -> i64 {
        let time = |at: usize| self.times.get(at).copied().unwrap_or_default();
        time(to).saturating_sub(time(from))
    }

    /// Makes the last profile a mark, and drops marks if there are too many.
    fn mark(&mut self, at: usize) {
        let before = self.marks.len();
        self.marks.push(at);
        for series in &mut self.populations {
            series.at_marks.resize(before, Population::default());
            series.at_marks.push(series.last);
        }
        if self.marks.len() > MARKS {
            self.step_nanos = self.nanos() / STEPS;
            let mut kept = Vec::with_capacity(self.marks.len());
            let mut before = None;
            for &mark in &self.marks {
                let nanos = before.map(|before| self.nanos_between(before, mark));
                let stays = nanos.is_none_or(|nanos| nanos >= self.step_nanos);
                kept.push(stays);
                if stays {
                    before = Some(mark);
                }
            }
            keep(&mut self.marks, &kept);
            for series in &mut self.populations {
                keep(&mut series.at_marks, &kept);
            }
        }
    }

    /// The history of each stack, lined up.
    pub(super) fn finish(self, interner: &StackInterner) -> ProcessHistory {
        let first = self.times.first().copied().unwrap_or_default();
        let since = |time: &i64| time.saturating_sub(first) as f64 / NANOS_PER_SECOND;
        let seconds: Vec<f64> = self.times.iter().map(since).collect();
        let last = seconds.len().saturating_sub(1);
        let marks: Vec<usize> = self.marks.into_iter().filter(|&at| at < last).collect();
        let times: Vec<f64> = marks
            .iter()
            .chain([&last])
            .filter_map(|&at| seconds.get(at).copied())
            .collect();
        let late = start_of_last(&times, LATE_SHARE);
        let populations = by_stack(self.populations, marks.len(), interner);
        let stacks = (0..).zip(self.stacks).zip(populations);
        // Stacks of another process are empty.
        let stacks = stacks.filter(|((_, series), populations)| {
            !(series.inuse_space.is_empty() && populations.is_empty())
        });
        let late_start = marks.get(late).copied().unwrap_or_default();
        let points: Vec<usize> = marks.into_iter().chain([last]).collect();
        ProcessHistory {
            stacks: stacks
                .map(|((number, mut series), populations)| {
                    series.inuse_space.resize(seconds.len(), 0);
                    series.alloc_space.resize(seconds.len(), 0);
                    StackHistory::new(number, series, &populations, late, interner)
                })
                .collect(),
            seconds,
            points,
            late_start,
            interval_bytes: self.interval_bytes,
        }
    }
}

/// The populations of each rolled-up stack, each with its last profile as one more mark.
fn by_stack(
    populations: Vec<PopulationSeries>,
    marks: usize,
    interner: &StackInterner,
) -> Vec<Vec<PopulationSeries>> {
    let mut by_stack: Vec<Vec<PopulationSeries>> = Vec::new();
    by_stack.resize_with(interner.stacks(), Vec::new);
    for mut series in populations {
        series.at_marks.resize(marks, Population::default());
        series.at_marks.push(series.last);
        if let Some(stack) = by_stack.get_mut(interner.stack_of(series.path) as usize) {
            stack.push(series);
        }
    }
    by_stack
}

/// Drops the values that are not kept.
fn keep<T>(values: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    values.retain(|_| kept.next().copied().unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the later part of profiles taken at these seconds begins, as a share of the time.
    fn late_start(seconds: impl Iterator<Item = i64>) -> f64 {
        let mut interner = StackInterner::default();
        let mut series = ProcessSeries::default();
        for (number, second) in (1..).zip(seconds) {
            let profile = Profile {
                time_nanos: second * 1_000_000_000,
                ..Profile::default()
            };
            let sums = SampleSums::of(&profile, &mut interner).unwrap();
            series.add(number, &profile, sums);
        }
        let history = series.finish(&interner);
        assert!(history.points.len() <= MARKS + 1);
        history.seconds_from(history.late_start) / history.seconds_from(0)
    }

    #[test]
    fn marks_are_spread_over_the_time_evenly_whenever_profiles_are_taken() {
        for count in [2, 3, 32, 33, 34, 64, 65, 100, 1000, 1001] {
            let late = late_start(0..count);
            let most = if count < 9 { 1.0 } else { 0.5625 };
            assert!((0.4375..=most).contains(&late), "{count}: {late}");
        }
        // One an hour, and then a thousand in the last quarter of an hour, or in the first.
        let calm = || (0..40).map(|hour| hour * 3600);
        let busy = || 1..=1000;
        let late = late_start(calm().chain(busy().map(|at| 39 * 3600 + at)));
        assert!((0.375..=0.625).contains(&late), "{late}");
        let late = late_start(busy().chain(calm().map(|time| 3600 + time)));
        assert!((0.375..=0.625).contains(&late), "{late}");
    }
}
