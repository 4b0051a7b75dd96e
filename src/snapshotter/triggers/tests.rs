//! Tests of the triggers, with made-up times and sizes.

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

fn limits(fractions: &[f64]) -> Vec<LimitShare> {
    let all = fractions.iter().map(|fraction| LimitShare::new(*fraction));
    all.map(Option::unwrap).collect()
}

#[test]
fn ticks_stay_on_their_grid_and_missed_ticks_are_skipped() {
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
fn without_rules_no_snapshot_is_due_and_sleep_has_no_bound() {
    let mut triggers = Triggers::new(Rules::default(), &at(0, 0));
    assert!(words(&mut triggers, used(1000, 5000, 999)).is_empty());
    assert_eq!(triggers.quiet(Duration::ZERO), None);
}

#[test]
fn growth_counts_from_the_minimum_since_the_last_file() {
    let rules = Rules {
        growth_bytes: Some(64 * MIB),
        ..Rules::default()
    };
    let mut triggers = Triggers::new(rules, &at(0, 100));
    assert_eq!(triggers.level(&at(0, 100)), Some(164 * MIB));
    assert!(words(&mut triggers, at(1000, 163)).is_empty());
    assert_eq!(words(&mut triggers, at(2000, 164)), ["growth"]);
    // Growth now counts from 164, but a fall lowers the base.
    assert!(words(&mut triggers, at(4000, 20)).is_empty());
    assert_eq!(triggers.level(&at(4000, 20)), Some(84 * MIB));
    assert_eq!(words(&mut triggers, at(5000, 90)), ["growth"]);
    // There are not two in a second, and the watcher is not woken before.
    assert!(words(&mut triggers, at(5999, 500)).is_empty());
    assert_eq!(triggers.level(&at(5999, 500)), None);
    assert_eq!(words(&mut triggers, at(6000, 500)), ["growth"]);
}

#[test]
fn a_factor_counts_from_a_base_above_the_noise() {
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
    // The file of a tick that is due at the same time serves for growth too.
    let taken = words(&mut triggers, at(20_000, 98));
    assert_eq!(taken, ["interval"]);
}

#[test]
fn each_share_of_the_limit_is_reported_once_until_the_use_falls_below_it() {
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
        // Two shares at once give one file, for the higher share.
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
fn each_limit_is_watched_separately() {
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
    // The shares of the other limit are still ahead, in whichever order the limits are read.
    assert_eq!(look([(3, 400), (7, 900)]), (vec![], Some(50)));
    assert_eq!(look([(3, 500), (7, 990)]).0, ["limit50"]);
    assert_eq!(look([(3, 600), (7, 700)]), (vec![], Some(100)));
    // Two limits at once give one file.
    assert_eq!(look([(7, 800), (3, 800)]).0, ["limit80"]);
    assert_eq!(look([(7, 800), (3, 800)]), (vec![], None));
}

#[test]
fn the_distance_to_the_limit_is_halved_down_to_a_smallest_step() {
    let rules = Rules {
        limits: limits(&[0.8]),
        ..Rules::default()
    };
    let mut triggers = Triggers::new(rules, &used(0, 0, 0));
    // All allocated memory is used, plus 20 MiB.
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
    // The share is noticed within the smallest step, 1000 / 256 MiB.
    assert!((800..=805).contains(&(live + 20)), "{live}");
    assert!(looks < 12, "{looks}");
    assert_eq!(triggers.level(&used(0, 900, 920)), None, "no share is left");
}

#[test]
fn panics_cause_at_most_one_snapshot_a_minute() {
    let mut triggers = Triggers::new(Rules::default(), &at(0, 0));
    assert!(triggers.admit(&Reason::Panic, &at(10, 0)));
    assert!(!triggers.admit(&Reason::Panic, &at(60_009, 0)));
    assert!(triggers.admit(&Reason::Exit, &at(60_009, 0)));
    assert!(triggers.admit(&Reason::Panic, &at(60_010, 0)));
}
