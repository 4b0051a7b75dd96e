//! What became of each call stack of one process over its profiles: its live and allocated bytes at each of
//! them, and its growth with the sampling error.
//!
//! Separate from `evidence` so that lining up profiles and drawing conclusions stay two things. It has no
//! opinion on growth.

use std::collections::HashMap;

use super::frame::StackFrame;
use super::stack::Names;
use crate::profile::{Estimate, Population};

/// Share of the span, counted from its end, that is its later part: what has stopped growing by
/// the middle of the watch is no leak, and half of the span still holds half of a leak's growth.
pub(super) const LATE_SHARE: f64 = 0.5;

/// Live and allocated bytes of a stack at each profile; empty for a stack of another process.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    pub(super) inuse_space: Vec<i64>,
    pub(super) alloc_space: Vec<i64>,
}

/// One population at the marks and at the last profile.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) path: u32,
    pub(super) at_marks: Vec<Population>,
    pub(super) last: Population,
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
    pub(super) fn new(
        number: u32,
        series: Series,
        cells: &[Cell],
        late: usize,
        names: &Names,
    ) -> Self {
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
