//! What became of each call stack over the profiles: its live and allocated bytes at each of them,
//! and its growth with the sampling error.
//!
//! Separate from `judge` so that lining up profiles and drawing conclusions stay two things. It
//! refuses profiles that cannot be lined up; it has no opinion on growth.

use std::collections::BTreeMap;

use super::stack::{Call, Names, StackFrame};
use crate::profile::{Estimate, Population};
use crate::units::Bytes;
use crate::{Error, Profile, Result};

/// Share of the span, counted from its end, that is its later part: what has stopped growing by
/// the middle of the watch is no leak, and half of the span still holds half of a leak's growth.
const LATE_SHARE: f64 = 0.5;

const NANOS_PER_SECOND: f64 = 1e9;

/// Every call stack of the profiles, lined up.
#[derive(Debug)]
pub(super) struct History {
    /// When each profile was taken, in seconds after the first.
    pub(super) seconds: Vec<f64>,
    /// The sample interval of the last profile in bytes; the largest among the samples if it states
    /// none.
    pub(super) interval_bytes: i64,
    pub(super) stacks: Vec<StackHistory>,
}

/// One rolled-up call stack.
#[derive(Debug)]
pub(super) struct StackHistory {
    /// The frame to blame, at the line that grew most.
    pub(super) blamed: StackFrame,
    /// The whole stack that grew most, leaf first.
    pub(super) frames: Vec<StackFrame>,
    /// Live bytes at each profile.
    pub(super) inuse_space: Vec<i64>,
    /// Bytes ever allocated at each profile.
    pub(super) alloc_space: Vec<i64>,
    /// Live bytes at the last profile.
    pub(super) live: Estimate,
    /// Growth of the live bytes from the first profile to the last.
    pub(super) growth: Estimate,
    /// The same growth as evidence of a trend, see [`Population::drift_since`].
    pub(super) drift: Estimate,
    /// The drift from the profile where the later part starts.
    pub(super) late_drift: Estimate,
}

impl History {
    /// Position of the profile nearest to where the last `share` of the span begins; never the last.
    pub(super) fn start_of_last(&self, share: f64) -> usize {
        start_of_last(&self.seconds, share)
    }

    /// Position of the profile where the later part begins.
    pub(super) fn start_of_late(&self) -> usize {
        start_of_last(&self.seconds, LATE_SHARE)
    }

    /// Seconds from the profile at a position to the last one.
    pub(super) fn seconds_from(&self, position: usize) -> f64 {
        let last = self.seconds.last().copied().unwrap_or_default();
        last - self.seconds.get(position).copied().unwrap_or_default()
    }
}

/// Lines up the profiles.
pub(super) fn collect(profiles: &[Profile]) -> Result<History> {
    let seconds = times(profiles)?;
    let late = start_of_last(&seconds, LATE_SHARE);
    let last = profiles.len().saturating_sub(1);
    let mut names = Names::default();
    let mut rolled: BTreeMap<Vec<usize>, Rolled> = BTreeMap::new();
    let mut largest_interval = 1;
    for (at, profile) in profiles.iter().enumerate() {
        for sample in &profile.samples {
            let population = profile.population(sample)?;
            largest_interval = population.interval_bytes.max(largest_interval);
            let calls = names.calls(profile, sample);
            let skipped = names.skipped(&calls);
            let functions = calls.iter().skip(skipped).map(|call| call.0).collect();
            let stack = rolled
                .entry(functions)
                .or_insert_with(|| Rolled::new(profiles.len()));
            stack.add(at, population);
            let group = (population.largest_block, population.interval_bytes);
            let marks = stack
                .paths
                .entry(calls)
                .or_default()
                .entry(group)
                .or_default();
            if at == 0 {
                marks.first += population;
            }
            if at == late {
                marks.late += population;
            }
            if at == last {
                marks.last += population;
            }
        }
        for stack in rolled.values() {
            stack.check_same_process(at, &names)?;
        }
    }
    Ok(History {
        seconds,
        interval_bytes: profiles
            .last()
            .map(|profile| profile.period)
            .filter(|&interval| interval > 0)
            .unwrap_or(largest_interval),
        stacks: rolled.into_values().map(|s| s.finish(&names)).collect(),
    })
}

/// The profiles' times in seconds after the first.
fn times(profiles: &[Profile]) -> Result<Vec<f64>> {
    let [first, _, ..] = profiles else {
        return Err(Error::mismatch(format!(
            "a leak is growth from one profile to a later one: two or more are needed, given {}",
            profiles.len()
        )));
    };
    for (profile, number) in profiles.iter().zip(1..) {
        if profile.duration_nanos != 0 {
            return Err(Error::mismatch(format!(
                "profile {number} is a delta over {:.1} s: leaks are looked for in profiles that \
                 count from the start of the process",
                profile.duration_nanos as f64 / NANOS_PER_SECOND
            )));
        }
    }
    for (pair, number) in profiles.windows(2).zip(2..) {
        if let [before, after] = pair
            && after.time_nanos <= before.time_nanos
        {
            return Err(Error::mismatch(format!(
                "profile {number} is not later than profile {}: give the profiles in the order \
                 they were taken",
                number - 1
            )));
        }
    }
    let since = |p: &Profile| p.time_nanos.saturating_sub(first.time_nanos) as f64;
    Ok(profiles
        .iter()
        .map(|p| since(p) / NANOS_PER_SECOND)
        .collect())
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

/// A rolled-up stack while it is being collected.
#[derive(Debug)]
struct Rolled {
    inuse_space: Vec<i64>,
    alloc_space: Vec<i64>,
    /// Noise is estimated per full path, size group and interval: the finer, the tighter its bound.
    paths: BTreeMap<Vec<Call>, BTreeMap<(i64, i64), Marks>>,
}

/// A population at the three profiles that growth is measured between.
#[derive(Debug, Default)]
struct Marks {
    first: Population,
    late: Population,
    last: Population,
}

impl Rolled {
    fn new(profiles: usize) -> Self {
        Self {
            inuse_space: vec![0; profiles],
            alloc_space: vec![0; profiles],
            paths: BTreeMap::new(),
        }
    }

    fn add(&mut self, at: usize, population: Population) {
        let inuse = self.inuse_space.get_mut(at);
        let alloc = self.alloc_space.get_mut(at);
        for (sum, value) in inuse
            .map(|sum| (sum, population.inuse_space))
            .into_iter()
            .chain(alloc.map(|sum| (sum, population.alloc_space)))
        {
            *sum = sum.saturating_add(value);
        }
    }

    /// What was ever allocated cannot fall within one process. It is checked per stack: a restarted
    /// program may well have allocated more in total than the one before it.
    fn check_same_process(&self, at: usize, names: &Names) -> Result<()> {
        let now = self.alloc_space.get(at);
        let before = at.checked_sub(1).and_then(|at| self.alloc_space.get(at));
        match (before, now) {
            (Some(&before), Some(&now)) if now < before => Err(Error::mismatch(format!(
                "profile {} is not of the same process as profile {at}: what {} ever allocated fell \
                 from {} to {}; was the program restarted in between, or only one of the two \
                 profiles symbolized? compare profiles of one process",
                at + 1,
                self.blamed(names),
                Bytes(before),
                Bytes(now),
            ))),
            _ => Ok(()),
        }
    }

    fn blamed(&self, names: &Names) -> StackFrame {
        let calls = self.hottest_path(names);
        names.frame(calls.get(names.skipped(calls)))
    }

    /// The path that grew most among those through the line that grew most; the first in the order
    /// they were met, if several are alike.
    fn hottest_path(&self, names: &Names) -> &[Call] {
        let mut lines: BTreeMap<Option<Call>, i64> = BTreeMap::new();
        let blamed = |calls: &[Call]| calls.get(names.skipped(calls)).copied();
        let growths = || {
            self.paths.iter().map(|(calls, groups)| {
                let growth = groups
                    .values()
                    .map(|m| m.last.inuse_space.saturating_sub(m.first.inuse_space))
                    .fold(0, i64::saturating_add);
                (calls.as_slice(), growth)
            })
        };
        for (calls, growth) in growths() {
            let line = lines.entry(blamed(calls)).or_default();
            *line = line.saturating_add(growth);
        }
        let rank = |(calls, growth): &(&[Call], i64)| (lines.get(&blamed(calls)).copied(), *growth);
        let hottest = growths().reduce(|best, next| {
            if rank(&next) > rank(&best) {
                next
            } else {
                best
            }
        });
        hottest.map_or(&[], |(calls, _)| calls)
    }

    fn finish(self, names: &Names) -> StackHistory {
        let marks = || self.paths.values().flat_map(BTreeMap::values);
        let hottest = self.hottest_path(names);
        StackHistory {
            blamed: self.blamed(names),
            frames: hottest.iter().map(|call| names.frame(Some(call))).collect(),
            live: marks().map(|m| m.last.live()).sum(),
            growth: marks().map(|m| m.last.growth_since(&m.first)).sum(),
            drift: marks().map(|m| m.last.drift_since(&m.first)).sum(),
            late_drift: marks().map(|m| m.last.drift_since(&m.late)).sum(),
            inuse_space: self.inuse_space,
            alloc_space: self.alloc_space,
        }
    }
}
