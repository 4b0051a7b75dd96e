//! The profiles of one process as they come in, and what is kept of them until the last one is there.
//!
//! Separate from `history`, which is what became of each stack when all is known. It has no opinion on growth, nor
//! on which profiles are of one process.
//!
//! Sums by stack are kept for every profile; what errors are computed from, by path and size group, at the
//! last profile and at a few marks that are spread over the time evenly, however long it gets and whenever profiles
//! are taken.

use std::collections::HashMap;
use std::sync::Arc;

use super::history::{Cell, History, LATE_SHARE, Series, StackHistory, start_of_last};
use super::measure::{Key, Measure};
use super::stack::Names;
use crate::Profile;
use crate::profile::Population;

/// Most marks. When there are more, those go that are too close to the one before: in time, since profiles that are
/// taken as memory grows may all be of one minute of a day.
const MARKS: usize = 32;

/// The least time from mark to mark, once some had to go: such a part of the time so far. A little less than two of
/// the 32 steps, so that of profiles at even times every second stays. Any time for which there is a profile is then
/// met within an eighth of the span, and of even ones within a sixteenth.
const STEPS: i64 = 18;

const NANOS_PER_SECOND: f64 = 1e9;

/// The profiles of one process so far.
#[derive(Debug, Default)]
pub(super) struct Run {
    first_number: usize,
    times: Vec<i64>,
    /// Of the last profile; the largest among the samples if it states none.
    interval_bytes: i64,
    largest_interval: i64,
    comments: Vec<Arc<str>>,
    series: Vec<Series>,
    /// Positions of the marks, and the least time between two.
    marks: Vec<usize>,
    step_nanos: i64,
    cells: Vec<Cell>,
    cell_numbers: HashMap<Key, usize>,
}

impl Run {
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

    /// What the profiler says of its own last profile: what was lost, what was not sampled.
    pub(super) fn remarks(&self) -> impl Iterator<Item = String> {
        let remarks = self.comments.iter().filter(|comment| {
            comment.starts_with("heaptide ") && !comment.starts_with("heaptide snapshot")
        });
        remarks.map(ToString::to_string)
    }

    /// The stack whose allocated bytes fell most, with what they were and are. They never do in one process.
    pub(super) fn largest_loss(&self, measure: &Measure) -> Option<(u32, i64, i64)> {
        let losses = (0..).zip(&self.series).filter_map(|(stack, series)| {
            let before = *series.alloc_space.last()?;
            let now = measure.sums.get(stack as usize).map_or(0, |sum| sum.1);
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
    pub(super) fn has_gained(&self, measure: &Measure) -> bool {
        let before = |stack: usize| self.series.get(stack)?.alloc_space.last().copied();
        let mut sums = measure.sums.iter().enumerate();
        sums.any(|(stack, sum)| sum.1 > before(stack).unwrap_or(0))
    }

    /// Adds a profile.
    pub(super) fn add(&mut self, number: usize, profile: &Profile, measure: Measure) {
        let at = self.times.len();
        if at == 0 {
            (self.first_number, self.largest_interval) = (number, 1);
        }
        self.times.push(profile.time_nanos);
        self.comments.clone_from(&profile.comments);
        self.series.resize(measure.sums.len(), Series::default());
        for (series, (inuse, alloc)) in self.series.iter_mut().zip(&measure.sums) {
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
        for cell in &mut self.cells {
            cell.last = Population::default();
        }
        for (key, population) in measure.populations {
            self.largest_interval = population.interval_bytes.max(self.largest_interval);
            let next = self.cells.len();
            let cell = *self.cell_numbers.entry(key).or_insert(next);
            if cell == next {
                self.cells.push(Cell {
                    path: key.0,
                    at_marks: Vec::new(),
                    last: population,
                });
            } else if let Some(cell) = self.cells.get_mut(cell) {
                cell.last = population;
            }
        }
        self.interval_bytes = match profile.period {
            interval if interval > 0 => interval,
            _ => self.largest_interval,
        };
        let last_mark = self.marks.last().map(|&mark| self.nanos_between(mark, at));
        if last_mark.is_none_or(|nanos| nanos >= self.step_nanos) {
            self.mark(at);
        }
    }

    fn nanos_between(&self, from: usize, to: usize) -> i64 {
        let time = |at: usize| self.times.get(at).copied().unwrap_or_default();
        time(to).saturating_sub(time(from))
    }

    fn mark(&mut self, at: usize) {
        let before = self.marks.len();
        self.marks.push(at);
        for cell in &mut self.cells {
            cell.at_marks.resize(before, Population::default());
            cell.at_marks.push(cell.last);
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
            for cell in &mut self.cells {
                keep(&mut cell.at_marks, &kept);
            }
        }
    }

    /// Lines everything up.
    pub(super) fn finish(self, names: &Names) -> History {
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
        let mut cells: Vec<Vec<Cell>> = Vec::new();
        cells.resize_with(names.stacks(), Vec::new);
        for mut cell in self.cells {
            cell.at_marks.resize(marks.len(), Population::default());
            cell.at_marks.push(cell.last);
            if let Some(cells) = cells.get_mut(names.stack_of(cell.path) as usize) {
                cells.push(cell);
            }
        }
        let stacks = (0..).zip(self.series).zip(cells);
        let stacks = stacks
            .filter(|((_, series), cells)| !(series.inuse_space.is_empty() && cells.is_empty()));
        let late_start = marks.get(late).copied().unwrap_or_default();
        let points: Vec<usize> = marks.into_iter().chain([last]).collect();
        History {
            stacks: stacks
                .map(|((number, mut series), cells)| {
                    series.inuse_space.resize(seconds.len(), 0);
                    series.alloc_space.resize(seconds.len(), 0);
                    StackHistory::new(number, series, &cells, late, names)
                })
                .collect(),
            seconds,
            points,
            late_start,
            interval_bytes: self.interval_bytes,
        }
    }
}

/// Those that stay.
fn keep<T>(values: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    values.retain(|_| kept.next().copied().unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the later part begins, as a share of the time, of profiles taken at these seconds.
    fn late_start(seconds: impl Iterator<Item = i64>) -> f64 {
        let mut names = Names::default();
        let mut run = Run::default();
        for (number, second) in (1..).zip(seconds) {
            let profile = Profile {
                time_nanos: second * 1_000_000_000,
                ..Profile::default()
            };
            let measure = Measure::of(&profile, &mut names).unwrap();
            run.add(number, &profile, measure);
        }
        let history = run.finish(&names);
        assert!(history.points.len() <= MARKS + 1);
        history.seconds_from(history.late_start) / history.seconds_from(0)
    }

    #[test]
    fn marks_are_spread_over_the_time_however_the_profiles_are() {
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
