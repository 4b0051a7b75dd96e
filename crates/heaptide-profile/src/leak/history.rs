//! The history of each call stack of one process: its bytes at each profile, and its growth.
//!
//! Live and allocated bytes are known at each profile, growth with its sampling error. Separate
//! from `stats` so that lining up profiles and drawing conclusions stay apart: here nothing is
//! judged.

use std::collections::HashMap;

use super::frame::StackFrame;
use super::interner::StackInterner;
use crate::{Estimate, Population};

/// The share of the span, counted from its end, that is its later part. A stack that stops growing
/// by the middle of the span does not leak, and half of the span still holds half of a leak's
/// growth.
pub(super) const LATE_SHARE: f64 = 0.5;

/// Live and allocated bytes of a stack at each profile; empty for a stack of another process.
#[derive(Clone, Debug, Default)]
pub(super) struct ByteSeries {
    pub(super) inuse_space: Vec<i64>,
    pub(super) alloc_space: Vec<i64>,
}

/// One population at the marks and at the last profile.
#[derive(Debug)]
pub(super) struct PopulationSeries {
    pub(super) path: u32,
    pub(super) at_marks: Vec<Population>,
    pub(super) last: Population,
}

/// Every call stack of the profiles of one process, lined up.
#[derive(Debug)]
pub(super) struct ProcessHistory {
    /// When each profile was taken, in seconds after the first.
    pub(super) seconds: Vec<f64>,
    /// Positions of the profiles between which drifts are known: the marks and the last profile.
    pub(super) points: Vec<usize>,
    /// Position of the profile where the later part begins.
    pub(super) late_start: usize,
    /// The sample interval in bytes.
    pub(super) interval_bytes: i64,
    pub(super) stacks: Vec<StackHistory>,
}

impl ProcessHistory {
    /// Position of the profile nearest to where the last `share` of the span begins; never the
    /// last.
    pub(super) fn start_of_last(&self, share: f64) -> usize {
        start_of_last(&self.seconds, share)
    }

    /// Seconds from the profile at a position to the last one.
    pub(super) fn seconds_from(&self, position: usize) -> f64 {
        let last = self.seconds.last().copied().unwrap_or_default();
        last - self.seconds.get(position).copied().unwrap_or_default()
    }
}

/// Position of the time nearest to where the last `share` of the span begins; never the last.
pub(super) fn start_of_last(seconds: &[f64], share: f64) -> usize {
    let Some((last, earlier)) = seconds.split_last() else {
        return 0;
    };
    let start = last * (1.0 - share);
    let distances = earlier.iter().map(|t| (t - start).abs()).enumerate();
    distances
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(0, |(position, _)| position)
}

/// One rolled-up call stack.
#[derive(Debug)]
pub(super) struct StackHistory {
    /// Its number in the interner.
    pub(super) number: u32,
    /// The whole stack that grew most, leaf first.
    pub(super) frames: Vec<StackFrame>,
    /// Position in `frames` of the frame where the rolled-up stack begins.
    pub(super) skipped: usize,
    /// Live bytes at each profile.
    pub(super) inuse_space: Vec<i64>,
    /// Bytes ever allocated at each profile.
    pub(super) alloc_space: Vec<i64>,
    /// Live bytes at the last profile.
    pub(super) live: Estimate,
    /// The live bytes in blocks so large that sampling misses one in three thousand.
    pub(super) live_in_large_blocks: i64,
    /// Growth of the live bytes from the first profile to the last.
    pub(super) growth: Estimate,
    /// The same growth as evidence of a trend, see [`Population::drift_since`].
    pub(super) drift: Estimate,
    /// The drift from the profile where the later part starts.
    pub(super) late_drift: Estimate,
    /// The largest rise between any two points.
    pub(super) rise: Swing,
    /// The largest fall between any two points.
    pub(super) fall: Swing,
}

/// The gain of a stack from one point to another.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Swing {
    /// Its first point, as a position in [`ProcessHistory::points`].
    pub(super) from: usize,
    /// Its last point, in the same way.
    pub(super) to: usize,
    /// The drift between the two.
    pub(super) drift: Estimate,
}

impl StackHistory {
    pub(super) fn new(
        number: u32,
        series: ByteSeries,
        populations: &[PopulationSeries],
        late: usize,
        interner: &StackInterner,
    ) -> Self {
        let hottest = hottest_path(populations, interner);
        let last = populations.iter().map(|population| &population.last);
        let (rise, fall) = swings(populations);
        Self {
            number,
            frames: hottest.map_or_else(Vec::new, |path| interner.frames(path)),
            skipped: hottest.map_or(0, |path| interner.skipped(path)),
            live: last.clone().map(Population::live).sum(),
            live_in_large_blocks: last.map(in_large_blocks).fold(0, i64::saturating_add),
            growth: change_since(populations, Population::growth_since, 0),
            drift: change_since(populations, Population::drift_since, 0),
            late_drift: change_since(populations, Population::drift_since, late),
            rise,
            fall,
            inuse_space: series.inuse_space,
            alloc_space: series.alloc_space,
        }
    }

    /// The frame that the rolled-up stack begins with.
    pub(super) fn site(&self) -> StackFrame {
        let site = self.frames.get(self.skipped).cloned();
        site.unwrap_or_else(StackFrame::none)
    }
}

/// The sum over all populations of a change from a point to the last one.
fn change_since(
    populations: &[PopulationSeries],
    change: fn(&Population, &Population) -> Estimate,
    from: usize,
) -> Estimate {
    let changes = populations.iter().filter_map(|population| {
        let (from, to) = (population.at_marks.get(from)?, population.at_marks.last()?);
        Some(change(to, from))
    });
    changes.sum()
}

/// The largest rise and the largest fall of the live bytes of all populations together.
fn swings(populations: &[PopulationSeries]) -> (Swing, Swing) {
    let points = populations.iter().map(|series| series.at_marks.len()).max();
    let live = |point: usize| {
        let values = populations
            .iter()
            .filter_map(|series| series.at_marks.get(point));
        let live = values.map(|population| i128::from(population.inuse_space));
        live.sum::<i128>()
    };
    let values: Vec<i128> = (0..points.unwrap_or(0)).map(live).collect();
    let turned: Vec<i128> = values.iter().map(|value| -value).collect();
    let swing = |(from, to): (usize, usize)| {
        let drifts = populations.iter().filter_map(|series| {
            let (before, after) = (series.at_marks.get(from)?, series.at_marks.get(to)?);
            Some(after.drift_since(before))
        });
        Swing {
            from,
            to,
            drift: drifts.sum(),
        }
    };
    (swing(largest_rise(&values)), swing(largest_rise(&turned)))
}

/// The live bytes of a population if its blocks are large, else 0. Of blocks of eight sample
/// intervals a share of `exp(-8)` is missed.
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

/// The positions of the two values, in order, with the largest rise from one to the other; the
/// first such two.
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

/// The path that grew most among those through the line that grew most. If several grew alike, it
/// is the first in the order in which they were met.
fn hottest_path(populations: &[PopulationSeries], interner: &StackInterner) -> Option<u32> {
    let mut paths: Vec<(u32, i64)> = Vec::new();
    let mut numbers: HashMap<u32, usize> = HashMap::new();
    for population in populations {
        let first = population.at_marks.first();
        let first = first.map_or(0, |first| first.inuse_space);
        let growth = population.last.inuse_space.saturating_sub(first);
        let next = paths.len();
        let at = *numbers.entry(population.path).or_insert(next);
        match paths.get_mut(at) {
            Some(path) => path.1 = path.1.saturating_add(growth),
            None => paths.push((population.path, growth)),
        }
    }
    let mut lines: HashMap<_, i64> = HashMap::new();
    let sites: Vec<_> = paths.iter().map(|path| interner.site(path.0)).collect();
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
