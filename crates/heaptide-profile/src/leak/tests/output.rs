//! The text of the verdict and its notes.

use super::{GROW, MAIN, TestFrame, kept, profile};
use crate::Profile;
use crate::leak::find;
use crate::{Label, LabelValue};

#[test]
fn one_function_over_several_lines_and_library_calls_is_one_leak() {
    let profiles: Vec<Profile> = (1..=9)
        .map(|second| {
            let track = |line| ("app::Tracker::track", "src/tracker.rs", line);
            let insert: TestFrame = (
                "hashbrown::raw::insert",
                "/rust/deps/hashbrown-0.16/raw.rs",
                1,
            );
            let stacks: [(&[TestFrame], i64, i64); 4] = [
                (&[GROW, track(42), MAIN], 4 * second, 4 * second),
                (&[insert, track(42), MAIN], 5 * second, 5 * second),
                (&[GROW, track(57), MAIN], 6 * second, 6 * second),
                (&[GROW, ("app::idle", "src/idle.rs", 1), MAIN], 70, 50),
            ];
            profile(second, &stacks)
        })
        .collect();
    let verdict = find(&profiles).unwrap();
    assert_eq!(verdict.stacks_tried, 2);
    let [leak] = verdict.leaks.as_slice() else {
        panic!("{verdict}");
    };
    assert_eq!(leak.trend.rates.mean.value, 15.0 * 1_048_576.0);
    // Line 42 grows by 9 MiB/s, more than line 57, and more than half of it below `insert`.
    let names: Vec<&str> = leak.trend.stack.iter().map(|frame| &*frame.name).collect();
    assert_eq!(
        names,
        ["hashbrown::raw::insert", "app::Tracker::track", "app::main"]
    );
    let text = verdict.to_string();
    // 120 MiB in samples of 512 KiB: sqrt(120 * 0.5) = 7.75 MiB in 8 s, 0.97 MiB/s; 1.96 times that
    // and 1.095 for the slope is 2.08, a little less down and more up.
    let headline = "leak: app::Tracker::track at src/tracker.rs:42 grows 15.00 MiB/s, 95 % \
                    interval 12.97 MiB/s to 17.21 MiB/s (120.00 ± 7.74 MiB in all, 135.00 ± 8.21 \
                    MiB live, 100 % of what it allocated; grew in 8 of 8 intervals)\n    \
                    hashbrown::raw::insert at ";
    assert!(text.starts_with(headline), "{text}");
    assert!(text.contains(
        "not accused:\n    app::idle at src/idle.rs:1, 50.00 ± 5.00 MiB live: within noise"
    ));
    assert!(text.contains("2 call stacks tried, false discovery rate 1 %, 9 snapshots over 8.0 s"));
}

#[test]
fn a_verdict_without_leaks_states_the_smallest_leak_it_would_find() {
    let verdict = find(&kept([10; 9])).unwrap();
    // One stack: z(1 %) = 2.326, so (2.326 + 1.282)² = 13.02 samples of 512 KiB in 4 s.
    assert!((verdict.smallest_leak / (13.017 * 524_288.0 / 4.0) - 1.0).abs() < 1e-3);
    // It is the same if only the samples state the interval.
    let mut labeled = kept([10; 9]);
    for profile in &mut labeled {
        let value = LabelValue::Number {
            value: std::mem::take(&mut profile.period),
            unit: "bytes".into(),
        };
        for sample in &mut profile.samples {
            let value = value.clone();
            let key = "sample_interval".into();
            sample.labels.push(Label { key, value });
        }
    }
    assert_eq!(find(&labeled).unwrap().smallest_leak, verdict.smallest_leak);
    let text = verdict.to_string();
    assert!(
        text.starts_with("no leak found: one of 1.63 MiB/s or more"),
        "{text}"
    );
}

#[test]
fn losses_of_the_profiler_are_noted() {
    let mut profiles = kept([10; 9]);
    profiles[8].comments = [
        "heaptide snapshot: interval; 1 used",
        "heaptide lost 2 frees of sampled blocks",
        "another",
    ]
    .map(Into::into)
    .to_vec();
    let notes = find(&profiles).unwrap().notes;
    assert_eq!(notes, ["heaptide lost 2 frees of sampled blocks"]);
}

#[test]
fn stacks_without_names_are_counted_in_a_note() {
    let mut profiles = kept([10, 20, 30, 40, 50, 60, 70, 80, 90]);
    for profile in &mut profiles {
        for location in &mut profile.locations {
            location.lines.clear();
            location.address = 0x4711;
        }
    }
    let verdict = find(&profiles).unwrap();
    assert_eq!(&*verdict.leaks[0].blamed.name, "0x4711");
    assert!(verdict.notes[0].starts_with("1 of 1 call stacks begins with an address"));
    assert!(verdict.to_string().contains("1 call stack tried, "));
}

#[test]
fn two_profiles_are_judged_with_a_warning() {
    let verdict = find(&kept([10, 90, 90, 90, 90, 90, 90, 90, 90])[..2]).unwrap();
    assert_eq!(verdict.leaks.len(), 1);
    let text = verdict.to_string();
    assert!(text.contains("two snapshots cannot tell"));
    assert!(text.contains("grew in 1 of 1 interval)\n"), "{text}");
}
