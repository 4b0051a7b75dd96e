//! Which shapes of growth are leaks, and the reasons why the others are not accused.

use super::{MAIN, TestFrame, kept, profile};
use crate::leak::{NotAccusedReason, find};

#[test]
fn growth_that_ended_or_jumped_is_not_a_leak() {
    let judged = |live| {
        let verdict = find(&kept(live)).unwrap();
        verdict.not_accused.first().map(|stack| stack.reason)
    };
    assert_eq!(judged([10, 40, 70, 100, 130, 160, 190, 220, 250]), None);
    assert_eq!(
        judged([10, 90, 170, 250, 250, 250, 250, 250, 250]),
        Some(NotAccusedReason::WarmsUp)
    );
    assert_eq!(
        judged([10, 40, 70, 100, 130, 160, 190, 190, 190]),
        Some(NotAccusedReason::WarmsUp)
    );
    assert_eq!(
        judged([10, 10, 90, 90, 90, 90, 90, 90, 170]),
        Some(NotAccusedReason::Unsteady)
    );
    assert_eq!(
        judged([10, 10, 10, 10, 10, 10, 10, 10, 10]),
        Some(NotAccusedReason::WithinNoise)
    );
}

/// Of 15 MiB only the last 2, four samples, came in the later half. The odds of that by chance are
/// one in 16, though over the whole span they are one in a billion.
#[test]
fn growth_must_be_significant_in_the_later_half_too() {
    let verdict = find(&kept([10, 20, 21, 22, 23, 23, 23, 24, 25])).unwrap();
    let reason = verdict.not_accused.first().map(|stack| stack.reason);
    assert_eq!(reason, Some(NotAccusedReason::LevelsOff), "{verdict}");
    // At the rate of a steady leak in the later half it does not level off.
    let verdict = find(&kept([10, 11, 11, 12, 12, 12, 13, 13, 14])).unwrap();
    let reason = verdict.not_accused.first().map(|stack| stack.reason);
    assert_eq!(reason, Some(NotAccusedReason::Unproven), "{verdict}");
}

#[test]
fn falling_memory_is_told_from_wavering_memory() {
    let stack: &[TestFrame] = &[("app::buffer", "src/buffer.rs", 5), MAIN];
    let judged = |live: [i64; 9]| {
        let profiles = (1..)
            .zip(live)
            .map(|(second, mib)| profile(second, &[(stack, 300 * second, mib)]));
        let verdict = find(&profiles.collect::<Vec<_>>()).unwrap();
        verdict.not_accused.first().map(|stack| stack.reason)
    };
    assert_eq!(
        judged([10, 60, 110, 160, 20, 80, 130, 180, 230]),
        Some(NotAccusedReason::Sawtooth)
    );
    assert_eq!(
        judged([300, 260, 220, 180, 140, 100, 60, 20, 10]),
        Some(NotAccusedReason::Shrinks)
    );
    assert_eq!(
        judged([90, 91, 89, 90, 92, 88, 90, 91, 92]),
        Some(NotAccusedReason::Churns)
    );
}

#[test]
fn a_full_cache_goes_on_allocating_and_a_warm_up_does_not() {
    let stack: &[TestFrame] = &[("app::fill", "src/fill.rs", 5), MAIN];
    let judged = |allocated: fn(i64) -> i64| {
        let live = [10, 60, 110, 160, 210, 210, 210, 210, 210];
        let profiles = (0..)
            .zip(live)
            .map(|(second, mib)| profile(second, &[(stack, allocated(second), mib)]));
        let verdict = find(&profiles.collect::<Vec<_>>()).unwrap();
        (verdict.not_accused[0].reason, verdict.to_string())
    };
    let (reason, text) = judged(|second| 10 + 50 * second);
    assert_eq!(reason, NotAccusedReason::LevelsOff);
    assert!(
        text.contains(": levels off, 0 B/s at last against 25.00 ± "),
        "{text}"
    );
    let (reason, text) = judged(|second| 10 + 50 * second.min(4));
    assert_eq!(reason, NotAccusedReason::WarmsUp);
    assert!(
        text.contains(": warm-up, 0 B/s at last against 25.00 ± "),
        "{text}"
    );
}

/// The first and the last profile are equal: only the profiles in between tell.
#[test]
fn a_sawtooth_is_told_from_churn_whatever_its_ends() {
    let stack: &[TestFrame] = &[("app::buffer", "src/buffer.rs", 5), MAIN];
    let judged = |allocated: i64, live: [i64; 9]| {
        let profiles = (0..)
            .zip(live)
            .map(|(second, mib)| profile(second, &[(stack, 100 + allocated * second, mib)]));
        find(&profiles.collect::<Vec<_>>()).unwrap().not_accused[0].reason
    };
    let teeth = [10, 60, 110, 10, 60, 110, 10, 60, 10];
    assert_eq!(judged(50, teeth), NotAccusedReason::Sawtooth);
    // The same, but a hundred times as much came and went in each second.
    assert_eq!(judged(5000, teeth), NotAccusedReason::Churns);
    assert_eq!(
        judged(50, [10, 11, 9, 10, 12, 9, 10, 11, 10]),
        NotAccusedReason::Churns
    );
}

/// From the first profile to the last it grows 6 MiB/s, and 1 MiB/s in all steps but the last.
#[test]
fn a_jump_at_the_end_is_not_a_trend() {
    let judged = |live| find(&kept(live)).unwrap().not_accused[0].reason;
    let jump = [10, 11, 12, 13, 14, 15, 16, 17, 60];
    assert_eq!(judged(jump), NotAccusedReason::Unsteady);
}

/// Half a day without growth, and two hundred snapshots of three minutes in which the memory fills
/// up.
#[test]
fn a_jump_with_many_snapshots_is_not_a_trend() {
    let stack: &[TestFrame] = &[("app::load", "src/load.rs", 5), MAIN];
    let calm = (0..24).map(|at| (1800 * at, 100));
    let busy = (1..=200).map(|at| (1800 * 23 + at, 100 + at));
    let profiles = calm
        .chain(busy)
        .map(|(second, mib)| profile(second, &[(stack, mib, mib)]));
    let verdict = find(&profiles.collect::<Vec<_>>()).unwrap();
    let reason = verdict.not_accused.first().map(|stack| stack.reason);
    assert_eq!(reason, Some(NotAccusedReason::Unsteady), "{verdict}");
    let text = verdict.to_string();
    assert!(
        text.contains("in 1 of 8 parts of the span\n\n1 call stack tried, false"),
        "{text}"
    );
}

/// In the first minutes there is too little growth for profiles a minute apart to show it.
#[test]
fn a_steady_leak_is_found_however_the_profiles_are_spread() {
    let stack: &[TestFrame] = &[("app::keep", "src/keep.rs", 5), MAIN];
    let early = (0..9).map(|at| (60 * at, 10));
    let live = early.chain([(540, 11), (3600, 60)]);
    let profiles = live.map(|(second, mib)| profile(second, &[(stack, mib, mib)]));
    let verdict = find(&profiles.collect::<Vec<_>>()).unwrap();
    let leak = verdict.leaks.first().unwrap_or_else(|| panic!("{verdict}"));
    let true_rate = 50.0 * 1_048_576.0 / 3600.0;
    assert!(leak.trend.rates.slope_95.contains(&true_rate), "{verdict}");
}
