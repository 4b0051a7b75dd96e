//! Decides when to take a snapshot, and at which live bytes to wake the watcher.
//!
//! The decisions are pure: their inputs are the time, the live bytes and the memory used.

use super::{limit_share::LimitShare, memory::Memory, reason::Reason};
use std::{collections::BTreeMap, time::Duration};

/// How often to look if a rule watches more than the clock: memory from outside of the allocator,
/// or a fall of the live bytes.
const POLL: Duration = Duration::from_secs(1);
/// The least time between two snapshots for growth, and between two peaks: a program that fills its
/// memory in a second must not cause dozens of files. Shares of the limit do not wait.
const GAP: Duration = Duration::from_secs(1);
/// The least time between two snapshots for panics: a service may catch thousands of panics.
const PANIC_GAP: Duration = Duration::from_secs(60);
/// A new peak is at least this factor above the last, as in tcmalloc's peak heap tracker.
const PEAK_FACTOR: f64 = 1.1;
/// Below this size a factor means nothing: at the default interval the standard error of 4 MiB is
/// 35 %.
const SMALLEST_BASE: u64 = 4 << 20;
/// How far the use must fall below a share of the limit before the share can be reached again, in
/// thousandths of the limit.
const HYSTERESIS: u16 = 50;
/// The least growth that wakes the watcher on the way to the limit is the larger of this number of
/// bytes and the limit divided by `SMALLEST_PART`.
const SMALLEST_STEP: u64 = 1 << 20;
const SMALLEST_PART: u64 = 256;

/// When the program wants snapshots.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rules {
    pub(super) every: Option<Duration>,
    pub(super) growth_bytes: Option<u64>,
    pub(super) growth_factor: Option<f64>,
    pub(super) peak: bool,
    /// In ascending order, without duplicates.
    pub(super) limits: Vec<LimitShare>,
}

/// The measured state of the process.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    /// The time since a fixed instant.
    pub(super) now: Duration,
    pub(super) live_bytes: u64,
    /// The limits on the process's memory, each with its use.
    pub(super) memory: Vec<Memory>,
}

/// The rules, and the state that decides which snapshot comes next.
#[derive(Debug)]
pub(super) struct Triggers {
    rules: Rules,
    next_tick: Option<Duration>,
    /// The minimum of the live bytes since the last file of the series, from which growth counts.
    ///
    /// The live bytes at that file are not enough: after a spike they would hide all growth below
    /// it.
    base: u64,
    peak: u64,
    growth_from: Duration,
    peak_from: Duration,
    panic_from: Duration,
    /// How many shares each limit has reached, by the number of the limit.
    over: BTreeMap<usize, usize>,
}

impl Rules {
    /// Whether a rule watches more than the clock.
    fn watches(&self) -> bool {
        let growth = self.growth_bytes.is_some() || self.growth_factor.is_some();
        growth || self.peak || !self.limits.is_empty()
    }
}

impl Triggers {
    pub(super) fn new(rules: Rules, start: &Measured) -> Self {
        Self {
            next_tick: rules.every.map(|every| start.now.saturating_add(every)),
            base: start.live_bytes,
            peak: 0,
            growth_from: start.now,
            peak_from: start.now,
            panic_from: start.now,
            over: BTreeMap::new(),
            rules,
        }
    }

    /// The next snapshot to take now, which then counts as taken. Call it until it returns `None`.
    pub(super) fn due(&mut self, measured: &Measured) -> Option<Reason> {
        let Measured {
            now, live_bytes, ..
        } = *measured;
        self.base = self.base.min(live_bytes);
        if let Some(fraction) = self.crossed(&measured.memory) {
            self.note(measured);
            return Some(Reason::Limit(fraction));
        }
        if now >= self.peak_from && self.peak_level().is_some_and(|level| live_bytes >= level) {
            // A peak is not part of the series, since the next peak replaces it.
            self.peak = live_bytes;
            self.peak_from = now.saturating_add(GAP);
            return Some(Reason::Peak);
        }
        if self.next_tick.is_some_and(|tick| now >= tick) {
            self.note(measured);
            return Some(Reason::Interval);
        }
        if now >= self.growth_from && self.growth_level().is_some_and(|level| live_bytes >= level) {
            self.note(measured);
            return Some(Reason::Growth);
        }
        None
    }

    /// Whether a requested snapshot may be taken now, which then counts as taken.
    ///
    /// False if there were too many of its kind.
    pub(super) fn admit(&mut self, reason: &Reason, measured: &Measured) -> bool {
        if *reason == Reason::Panic {
            if measured.now < self.panic_from {
                return false;
            }
            self.panic_from = measured.now.saturating_add(PANIC_GAP);
        }
        self.note(measured);
        true
    }

    /// The live bytes, above the present ones, at which to wake the watcher.
    ///
    /// `None` if no level would lead to a snapshot.
    pub(super) fn level(&self, measured: &Measured) -> Option<u64> {
        let now = measured.now;
        let growth = self.growth_level().filter(|_| now >= self.growth_from);
        let peak = self.peak_level().filter(|_| now >= self.peak_from);
        let limit = self.limit_level(measured);
        [growth, peak, limit].into_iter().flatten().min()
    }

    /// How long the watcher may sleep, unless the live bytes reach the level; `None` for no bound.
    pub(super) fn quiet(&self, now: Duration) -> Option<Duration> {
        let poll = self.rules.watches().then(|| now.saturating_add(POLL));
        let next = [self.next_tick, poll].into_iter().flatten().min();
        next.map(|next| next.saturating_sub(now))
    }

    /// Notes that a file of the series is taken now.
    fn note(&mut self, measured: &Measured) {
        self.base = measured.live_bytes;
        self.growth_from = measured.now.saturating_add(GAP);
        if let (Some(every), Some(tick)) = (self.rules.every, self.next_tick)
            && measured.now >= tick
        {
            // Ticks stay on the grid of the first one. Missed ticks are skipped.
            let late = (measured.now - tick).as_nanos() % every.as_nanos().max(1);
            let late = Duration::from_nanos(u64::try_from(late).unwrap_or_default());
            self.next_tick = Some((measured.now - late).saturating_add(every));
        }
    }

    fn growth_level(&self) -> Option<u64> {
        let bytes = self.rules.growth_bytes;
        let step = bytes.map(|bytes| self.base.saturating_add(bytes));
        let factor = self.rules.growth_factor;
        let factor = factor.map(|factor| scaled(self.base.max(SMALLEST_BASE), factor));
        [step, factor].into_iter().flatten().min()
    }

    fn peak_level(&self) -> Option<u64> {
        let level = || scaled(self.peak.max(SMALLEST_BASE), PEAK_FACTOR);
        self.rules.peak.then(level)
    }

    /// The live bytes at half of the distance to the next share.
    ///
    /// Allocated memory need not be used memory, so the use is read again on the way. The distance
    /// is halved each time, down to a smallest step.
    fn limit_level(&self, measured: &Measured) -> Option<u64> {
        let step = |memory: &Memory| {
            let over = self.over.get(&memory.number).copied().unwrap_or(0);
            let next = self.rules.limits.get(over)?.of(memory.limit);
            let smallest = SMALLEST_STEP.max(memory.limit / SMALLEST_PART);
            Some((next.saturating_sub(memory.used) / 2).max(smallest))
        };
        let step = measured.memory.iter().filter_map(step).min()?;
        Some(measured.live_bytes.saturating_add(step))
    }

    /// The highest share of any limit that was reached since the last call.
    fn crossed(&mut self, memory: &[Memory]) -> Option<LimitShare> {
        let limits = &self.rules.limits;
        let mut highest = None;
        for memory in memory {
            let over = self.over.entry(memory.number).or_default();
            let reached = limits
                .iter()
                .take_while(|fraction| memory.used >= fraction.of(memory.limit))
                .count();
            if reached > *over {
                *over = reached;
                highest = highest.max(limits.get(reached - 1).copied());
            }
            while let Some(last) = over.checked_sub(1).and_then(|at| limits.get(at))
                && memory.used < last.less(HYSTERESIS).of(memory.limit)
            {
                *over -= 1;
            }
        }
        highest
    }
}

fn scaled(bytes: u64, factor: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and saturating beyond the range"
    )]
    let scaled = (bytes as f64 * factor).ceil() as u64;
    scaled
}

#[cfg(test)]
mod tests;
