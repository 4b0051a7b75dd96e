//! When to take a snapshot, and which live bytes to be woken at. Pure: it is told the time, the live
//! bytes and the memory used, and decides.

use super::{fraction::Fraction, memory::Memory, reason::Reason};
use std::{collections::BTreeMap, time::Duration};

/// How often to look where something besides the clock has to be watched: memory that is not allocated
/// here, a fall of the live bytes.
const POLL: Duration = Duration::from_secs(1);
/// At least this long between two snapshots for growth, and between two peaks: a program that fills its
/// memory in a second is no reason to write dozens. Shares of the limit wait for nothing.
const GAP: Duration = Duration::from_secs(1);
/// At least this long between two for panics, which a service may catch by the thousand.
const PANIC_GAP: Duration = Duration::from_secs(60);
/// A new peak is this much above the last, as in tcmalloc's peak heap tracker.
const PEAK_FACTOR: f64 = 1.1;
/// Below, a factor is nothing to go by: at the default interval the standard error of 4 MiB is 35 %.
const SMALLEST_BASE: u64 = 4 << 20;
/// A share of the limit counts as left once use has fallen this far below it, in thousandths.
const HYSTERESIS: u16 = 50;
/// The least growth to be woken at on the way to the limit: this, and this part of the limit.
const SMALLEST_STEP: u64 = 1 << 20;
const SMALLEST_PART: u64 = 256;

/// What the program asked to be told of.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rules {
    pub(super) every: Option<Duration>,
    pub(super) growth_bytes: Option<u64>,
    pub(super) growth_factor: Option<f64>,
    pub(super) peak: bool,
    /// Rising, each once.
    pub(super) limits: Vec<Fraction>,
}

/// The state of the process.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    /// Since some instant.
    pub(super) now: Duration,
    pub(super) live_bytes: u64,
    /// What limits its memory, and what is used of it.
    pub(super) memory: Vec<Memory>,
}

/// What was taken so far, and so what comes next.
#[derive(Debug)]
pub(super) struct Triggers {
    rules: Rules,
    next_tick: Option<Duration>,
    /// The least live bytes seen since the last file of the series: growth starts there. The bytes at
    /// that file would not do: after a spike they would hide all growth below it.
    base: u64,
    peak: u64,
    growth_from: Duration,
    peak_from: Duration,
    panic_from: Duration,
    /// How many of the shares are used, of each limit by its number.
    over: BTreeMap<usize, usize>,
}

impl Rules {
    /// Whether anything but the clock has to be watched.
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

    /// The next snapshot to take now, which counts as taken. To be asked until there is none.
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
            // Apart from the series: it is replaced by the next peak.
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

    /// A snapshot that was asked for is taken now; false if there were too many of its kind.
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

    /// The live bytes to be woken at, above the present ones; `None` if none would change anything.
    pub(super) fn level(&self, measured: &Measured) -> Option<u64> {
        let now = measured.now;
        let growth = self.growth_level().filter(|_| now >= self.growth_from);
        let peak = self.peak_level().filter(|_| now >= self.peak_from);
        let limit = self.limit_level(measured);
        [growth, peak, limit].into_iter().flatten().min()
    }

    /// How long nothing has to be looked at, unless the live bytes reach the level.
    pub(super) fn quiet(&self, now: Duration) -> Option<Duration> {
        let poll = self.rules.watches().then(|| now.saturating_add(POLL));
        let next = [self.next_tick, poll].into_iter().flatten().min();
        next.map(|next| next.saturating_sub(now))
    }

    /// A file of the series exists from now on.
    fn note(&mut self, measured: &Measured) {
        self.base = measured.live_bytes;
        self.growth_from = measured.now.saturating_add(GAP);
        if let (Some(every), Some(tick)) = (self.rules.every, self.next_tick)
            && measured.now >= tick
        {
            // Stays on the grid of the first; ticks that were missed are gone.
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

    /// Half of the way to the next share: what is allocated need not be what is used, so use is looked at
    /// on the way, ever closer, down to a step that is no use to divide.
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

    /// The highest share of any limit that was reached since the last look.
    fn crossed(&mut self, memory: &[Memory]) -> Option<Fraction> {
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
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn at(millis: u64, live_mib: u64) -> Measured {
        Measured {
            now: Duration::from_millis(millis),
            live_bytes: live_mib * MIB,
            memory: Vec::new(),
        }
    }

    fn limit(number: usize, used_mib: u64, limit_mib: u64) -> Memory {
        Memory {
            number,
            used: used_mib * MIB,
            limit: limit_mib * MIB,
            source: "test",
        }
    }

    fn used(millis: u64, live_mib: u64, used_mib: u64) -> Measured {
        Measured {
            memory: vec![limit(0, used_mib, 1000)],
            ..at(millis, live_mib)
        }
    }

    fn words(triggers: &mut Triggers, measured: Measured) -> Vec<String> {
        std::iter::from_fn(|| triggers.due(&measured))
            .map(|reason| reason.to_string())
            .collect()
    }

    fn limits(fractions: &[f64]) -> Vec<Fraction> {
        let all = fractions.iter().map(|fraction| Fraction::new(*fraction));
        all.map(Option::unwrap).collect()
    }

    #[test]
    fn the_clock_ticks_on_its_grid_and_skips_what_it_missed() {
        let rules = Rules {
            every: Some(Duration::from_secs(10)),
            ..Rules::default()
        };
        let mut triggers = Triggers::new(rules, &at(500, 0));
        for (now, expected, quiet) in [
            (500, 0, 10_000),
            (10_499, 0, 1),
            (10_500, 1, 10_000),
            (10_501, 0, 9_999),
            (33_000, 1, 7_500),
            (40_499, 0, 1),
            (40_600, 1, 9_900),
        ] {
            let taken = words(&mut triggers, at(now, 0));
            assert_eq!(taken, vec!["interval"; expected], "{now}");
            let quiet = Some(Duration::from_millis(quiet));
            assert_eq!(triggers.quiet(Duration::from_millis(now)), quiet, "{now}");
        }
        assert_eq!(triggers.level(&at(40_600, 0)), None);
    }

    #[test]
    fn without_rules_there_is_nothing_to_wait_for() {
        let mut triggers = Triggers::new(Rules::default(), &at(0, 0));
        assert!(words(&mut triggers, used(1000, 5000, 999)).is_empty());
        assert_eq!(triggers.quiet(Duration::ZERO), None);
    }

    #[test]
    fn growth_starts_from_the_least_since_the_last_file() {
        let rules = Rules {
            growth_bytes: Some(64 * MIB),
            ..Rules::default()
        };
        let mut triggers = Triggers::new(rules, &at(0, 100));
        assert_eq!(triggers.level(&at(0, 100)), Some(164 * MIB));
        assert!(words(&mut triggers, at(1000, 163)).is_empty());
        assert_eq!(words(&mut triggers, at(2000, 164)), ["growth"]);
        // From 164 on now, but a fall lowers the base.
        assert!(words(&mut triggers, at(4000, 20)).is_empty());
        assert_eq!(triggers.level(&at(4000, 20)), Some(84 * MIB));
        assert_eq!(words(&mut triggers, at(5000, 90)), ["growth"]);
        // Not twice in a second, nor is anybody woken for it before.
        assert!(words(&mut triggers, at(5999, 500)).is_empty());
        assert_eq!(triggers.level(&at(5999, 500)), None);
        assert_eq!(words(&mut triggers, at(6000, 500)), ["growth"]);
    }

    #[test]
    fn a_factor_starts_at_what_is_more_than_noise() {
        let rules = Rules {
            growth_factor: Some(2.0),
            ..Rules::default()
        };
        let mut triggers = Triggers::new(rules, &at(0, 0));
        assert!(words(&mut triggers, at(1000, 7)).is_empty());
        assert_eq!(words(&mut triggers, at(2000, 8)), ["growth"]);
        assert_eq!(triggers.level(&at(4000, 8)), Some(16 * MIB));
    }

    #[test]
    fn any_file_of_the_series_is_a_new_base_for_growth_and_a_peak_is_not() {
        let rules = Rules {
            every: Some(Duration::from_secs(10)),
            growth_bytes: Some(50 * MIB),
            peak: true,
            ..Rules::default()
        };
        let mut triggers = Triggers::new(rules, &at(0, 0));
        assert_eq!(words(&mut triggers, at(1000, 40)), ["peak"]);
        assert_eq!(words(&mut triggers, at(10_000, 44)), ["peak", "interval"]);
        assert!(words(&mut triggers, at(12_000, 48)).is_empty());
        assert!(triggers.admit(&Reason::Signal, &at(12_000, 48)));
        assert_eq!(words(&mut triggers, at(13_500, 90)), ["peak"]);
        // The file of a tick that is due at the same time stands for growth too.
        let taken = words(&mut triggers, at(20_000, 98));
        assert_eq!(taken, ["interval"]);
    }

    #[test]
    fn each_share_of_the_limit_is_told_once_until_it_was_left() {
        let rules = Rules {
            limits: limits(&[0.5, 0.8, 0.9]),
            ..Rules::default()
        };
        let mut triggers = Triggers::new(rules, &used(0, 0, 10));
        for (used_mib, expected) in [
            (499, vec![]),
            (500, vec!["limit50"]),
            (799, vec![]),
            (460, vec![]),
            (510, vec![]),
            // Two at once are one file, of the higher.
            (950, vec!["limit90"]),
            (849, vec![]),
            (899, vec![]),
            (900, vec!["limit90"]),
            (449, vec![]),
            (500, vec!["limit50"]),
        ] {
            let taken = words(&mut triggers, used(0, 0, used_mib));
            assert_eq!(taken, expected, "{used_mib}");
        }
    }

    #[test]
    fn each_limit_is_told_of_on_its_own() {
        let rules = Rules {
            limits: limits(&[0.5, 0.8]),
            ..Rules::default()
        };
        let mut triggers = Triggers::new(rules, &at(0, 0));
        let mut look = |memory: [(usize, u64); 2]| {
            let memory = memory.map(|(number, used)| limit(number, used, 1000));
            let measured = Measured {
                memory: memory.to_vec(),
                ..at(0, 0)
            };
            let next = triggers.level(&measured).map(|level| level / MIB);
            (words(&mut triggers, measured), next)
        };
        assert_eq!(look([(7, 900), (3, 100)]).0, ["limit80"]);
        // The other one's shares are still to come, whichever is read first.
        assert_eq!(look([(3, 400), (7, 900)]), (vec![], Some(50)));
        assert_eq!(look([(3, 500), (7, 990)]).0, ["limit50"]);
        assert_eq!(look([(3, 600), (7, 700)]), (vec![], Some(100)));
        // Two at once are one file.
        assert_eq!(look([(7, 800), (3, 800)]).0, ["limit80"]);
        assert_eq!(look([(7, 800), (3, 800)]), (vec![], None));
    }

    #[test]
    fn the_way_to_the_limit_is_halved_until_it_is_short() {
        let rules = Rules {
            limits: limits(&[0.8]),
            ..Rules::default()
        };
        let mut triggers = Triggers::new(rules, &used(0, 0, 0));
        // All that is allocated is used, and 20 MiB besides.
        let (mut live, mut looks) = (0, 0);
        loop {
            let now = used(0, live, live + 20);
            if let Some(reason) = triggers.due(&now) {
                assert_eq!(reason.to_string(), "limit80");
                break;
            }
            looks += 1;
            live = triggers.level(&now).unwrap().div_ceil(MIB);
        }
        // Noticed within the smallest step, 1000 / 256 MiB, of the share.
        assert!((800..=805).contains(&(live + 20)), "{live}");
        assert!(looks < 12, "{looks}");
        assert_eq!(triggers.level(&used(0, 900, 920)), None, "nothing is left");
    }

    #[test]
    fn panics_are_not_told_by_the_thousand() {
        let mut triggers = Triggers::new(Rules::default(), &at(0, 0));
        assert!(triggers.admit(&Reason::Panic, &at(10, 0)));
        assert!(!triggers.admit(&Reason::Panic, &at(60_009, 0)));
        assert!(triggers.admit(&Reason::Exit, &at(60_009, 0)));
        assert!(triggers.admit(&Reason::Panic, &at(60_010, 0)));
    }
}
