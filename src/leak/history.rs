//! What became of each call stack of one process over its profiles: its live and allocated bytes at each of
//! them, and its growth with the sampling error.
//!
//! Separate from `judge` so that lining up profiles and drawing conclusions stay two things. It has no
//! opinion on growth, nor on which profiles are of one process.
//!
//! Sums by stack are kept for every profile; what errors are computed from, by path and size group, at the
//! last profile and at a few marks that are spread over the time evenly, however long it gets and whenever profiles
//! are taken.

use std::collections::HashMap;
use std::sync::Arc;

use super::stack::{Names, StackFrame};
use crate::profile::{Estimate, Population};
use crate::{Profile, Result};

/// Share of the span, counted from its end, that is its later part: what has stopped growing by
/// the middle of the watch is no leak, and half of the span still holds half of a leak's growth.
const LATE_SHARE: f64 = 0.5;

/// Most marks. When there are more, those go that are too close to the one before: in time, since profiles that are
/// taken as memory grows may all be of one minute of a day.
const MARKS: usize = 32;

/// The least time from mark to mark, once some had to go: such a part of the time so far. A little less than two of
/// the 32 steps, so that of profiles at even times every second stays. Any time for which there is a profile is then
/// met within an eighth of the span, and of even ones within a sixteenth.
const STEPS: i64 = 18;

const NANOS_PER_SECOND: f64 = 1e9;

/// A population's key: path, largest block, sample interval. The finer, the tighter its error's bound.
type Key = (u32, i64, i64);

/// One profile, by numbers.
#[derive(Debug)]
pub(super) struct Measure {
    populations: Vec<(Key, Population)>,
    /// Live and allocated bytes by rolled-up stack.
    sums: Vec<(i64, i64)>,
}

impl Measure {
    /// The samples of a profile.
    pub(super) fn of(profile: &Profile, names: &mut Names) -> Result<Self> {
        let mut keyed = Vec::with_capacity(profile.samples.len());
        let mut numbering = names.number(profile);
        for sample in &profile.samples {
            let population = profile.population(sample)?;
            let key = (
                numbering.path(sample)?,
                population.largest_block,
                population.interval_bytes,
            );
            keyed.push((key, population));
        }
        keyed.sort_by_key(|(key, _)| *key);
        let mut sums = vec![(0_i64, 0_i64); names.stacks()];
        let mut populations: Vec<(Key, Population)> = Vec::with_capacity(keyed.len());
        for (key, population) in keyed {
            if let Some(sum) = sums.get_mut(names.stack_of(key.0) as usize) {
                sum.0 = sum.0.saturating_add(population.inuse_space);
                sum.1 = sum.1.saturating_add(population.alloc_space);
            }
            match populations.last_mut().filter(|last| last.0 == key) {
                Some(last) => last.1 += population,
                None => populations.push((key, population)),
            }
        }
        Ok(Self { populations, sums })
    }
}

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

/// Live and allocated bytes of a stack at each profile; empty for a stack of another process.
#[derive(Clone, Debug, Default)]
struct Series {
    inuse_space: Vec<i64>,
    alloc_space: Vec<i64>,
}

/// One population at the marks and at the last profile.
#[derive(Debug)]
struct Cell {
    path: u32,
    at_marks: Vec<Population>,
    last: Population,
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

fn start_of_last(seconds: &[f64], share: f64) -> usize {
    let Some((last, earlier)) = seconds.split_last() else {
        return 0;
    };
    let start = last * (1.0 - share);
    let distances = earlier.iter().map(|t| (t - start).abs()).enumerate();
    distances
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(0, |(position, _)| position)
}

/// Every call stack of the profiles of one process, lined up.
#[derive(Debug)]
pub(super) struct History {
    /// When each profile was taken, in seconds after the first.
    pub(super) seconds: Vec<f64>,
    /// Positions of the profiles that drifts are known between: marks, and the last one.
    pub(super) points: Vec<usize>,
    /// Position of the profile where the later part begins.
    pub(super) late_start: usize,
    /// The sample interval in bytes.
    pub(super) interval_bytes: i64,
    pub(super) stacks: Vec<StackHistory>,
}

impl History {
    /// Position of the profile nearest to where the last `share` of the span begins; never the last.
    pub(super) fn start_of_last(&self, share: f64) -> usize {
        start_of_last(&self.seconds, share)
    }

    /// Seconds from the profile at a position to the last one.
    pub(super) fn seconds_from(&self, position: usize) -> f64 {
        let last = self.seconds.last().copied().unwrap_or_default();
        last - self.seconds.get(position).copied().unwrap_or_default()
    }
}

/// One rolled-up call stack.
#[derive(Debug)]
pub(super) struct StackHistory {
    /// Its number among the names.
    pub(super) number: u32,
    /// The whole stack that grew most, leaf first.
    pub(super) frames: Vec<StackFrame>,
    /// Position in it of the frame where the rolled-up stack begins.
    pub(super) skipped: usize,
    /// Live bytes at each profile.
    pub(super) inuse_space: Vec<i64>,
    /// Bytes ever allocated at each profile.
    pub(super) alloc_space: Vec<i64>,
    /// Live bytes at the last profile.
    pub(super) live: Estimate,
    /// Those of them in blocks of which sampling misses one in three thousand.
    pub(super) live_in_large_blocks: i64,
    /// Growth of the live bytes from the first profile to the last.
    pub(super) growth: Estimate,
    /// The same growth as evidence of a trend, see [`Population::drift_since`].
    pub(super) drift: Estimate,
    /// The drift from the profile where the later part starts.
    pub(super) late_drift: Estimate,
    /// The drift over the largest rise between any two points, which it begins and ends with.
    pub(super) rise: Swing,
    /// The same for the largest fall.
    pub(super) fall: Swing,
}

/// What a stack gained from one point to another.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Swing {
    /// Positions among [`History::points`].
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) drift: Estimate,
}

impl StackHistory {
    fn new(number: u32, series: Series, cells: &[Cell], late: usize, names: &Names) -> Self {
        let hottest = hottest_path(cells, names);
        let between = |measure: fn(&Population, &Population) -> Estimate, from: usize| {
            let changes = cells.iter().filter_map(|cell| {
                let (from, to) = (cell.at_marks.get(from)?, cell.at_marks.last()?);
                Some(measure(to, from))
            });
            changes.sum::<Estimate>()
        };
        let swing = |(from, to): (usize, usize)| Swing {
            from,
            to,
            drift: cells
                .iter()
                .filter_map(|cell| {
                    Some(cell.at_marks.get(to)?.drift_since(cell.at_marks.get(from)?))
                })
                .sum(),
        };
        let points = cells.iter().map(|cell| cell.at_marks.len()).max();
        let at = |point: usize| {
            let values = cells.iter().filter_map(|cell| cell.at_marks.get(point));
            let live = values.map(|population| i128::from(population.inuse_space));
            live.sum::<i128>()
        };
        let values: Vec<i128> = (0..points.unwrap_or(0)).map(at).collect();
        let turned: Vec<i128> = values.iter().map(|value| -value).collect();
        Self {
            number,
            frames: hottest.map_or_else(Vec::new, |path| names.frames(path)),
            skipped: hottest.map_or(0, |path| names.skipped(path)),
            live: cells.iter().map(|cell| cell.last.live()).sum(),
            live_in_large_blocks: cells
                .iter()
                .map(|cell| in_large_blocks(&cell.last))
                .fold(0, i64::saturating_add),
            growth: between(Population::growth_since, 0),
            drift: between(Population::drift_since, 0),
            late_drift: between(Population::drift_since, late),
            rise: swing(largest_rise(&values)),
            fall: swing(largest_rise(&turned)),
            inuse_space: series.inuse_space,
            alloc_space: series.alloc_space,
        }
    }
}

/// The live bytes of a population if its blocks are large: at eight sample intervals `exp(-8)` are missed.
fn in_large_blocks(population: &Population) -> i64 {
    const INTERVALS: i64 = 8;
    let blocks = population.inuse_objects.max(1);
    let least = population
        .interval_bytes
        .saturating_mul(INTERVALS)
        .saturating_mul(blocks);
    if population.inuse_space >= least {
        population.inuse_space
    } else {
        0
    }
}

/// The positions of the two values, in order, whose difference is largest; the first such two.
fn largest_rise(values: &[i128]) -> (usize, usize) {
    let (mut lowest, mut best, mut most) = ((0, i128::MAX), (0, 0), 0);
    for (at, &value) in values.iter().enumerate() {
        if value < lowest.1 {
            lowest = (at, value);
        }
        if value - lowest.1 > most {
            (best, most) = ((lowest.0, at), value - lowest.1);
        }
    }
    best
}

/// The path that grew most among those through the line that grew most; the first in the order they
/// were met, if several are alike.
fn hottest_path(cells: &[Cell], names: &Names) -> Option<u32> {
    let mut paths: Vec<(u32, i64)> = Vec::new();
    let mut numbers: HashMap<u32, usize> = HashMap::new();
    for cell in cells {
        let first = cell.at_marks.first().map_or(0, |first| first.inuse_space);
        let growth = cell.last.inuse_space.saturating_sub(first);
        let next = paths.len();
        let at = *numbers.entry(cell.path).or_insert(next);
        match paths.get_mut(at) {
            Some(path) => path.1 = path.1.saturating_add(growth),
            None => paths.push((cell.path, growth)),
        }
    }
    let mut lines: HashMap<_, i64> = HashMap::new();
    let sites: Vec<_> = paths.iter().map(|path| names.site(path.0)).collect();
    for (site, (_, growth)) in sites.iter().zip(&paths) {
        let line = lines.entry(*site).or_default();
        *line = line.saturating_add(*growth);
    }
    let ranked = sites
        .iter()
        .zip(&paths)
        .map(|(site, path)| ((lines.get(site).copied(), path.1), path.0));
    let hottest = ranked.reduce(|best, next| if next.0 > best.0 { next } else { best });
    hottest.map(|(_, path)| path)
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
