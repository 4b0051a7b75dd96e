//! Finding leaks: which call stacks keep growing, judged against the noise that sampling adds.
//!
//! [`find`] compares two or more heap profiles of one process, [`Watch`] takes them one at a time.
//! `run` and `history` line up their call stacks (`stack`, `numbering` and `measure` by numbers), `rules` holds the
//! rules and their constants, `evidence` what they ask of a stack, `significance`, `trend` and `doubling` the
//! arithmetic, `judge` makes the verdict, `blame` says who of a stack it was, `text` and `json` are what is told.
//! Nothing here reads or writes files.

mod blame;
mod doubling;
mod evidence;
mod frame;
mod history;
mod json;
mod judge;
#[cfg(test)]
mod least_leak;
mod measure;
mod numbering;
mod rules;
mod run;
mod significance;
#[cfg(test)]
mod simulated_lists;
#[cfg(test)]
mod simulation;
mod stack;
mod text;
mod trend;
mod verdict;
mod watch;

use crate::{Profile, Result};

pub use frame::StackFrame;
pub use verdict::{Acquitted, Reason, Suspect, Verdict};
pub use watch::Watch;

/// Looks for leaks in heap profiles of one process, in time order.
///
/// Call stacks are rolled up: profile samples whose paths from the root to the innermost function
/// outside the standard library are the same count as one stack, whatever the lines, and whatever
/// the standard library did below. Such a stack is accused if all of this holds:
///
/// * it grew by more than noise (of sampling, and of blocks that come and go at random) over the
///   whole span and over its later half, with the number of stacks tried taken into account
///   (Benjamini and Hochberg, false discovery rate 1 %);
/// * it still grows: in the last quarter of the span at no less than half its mean rate, so that a
///   cache that filled up or a warm-up is not accused;
/// * it never gave back more than half of what it grew by, it grew in more than half of the
///   parts (at most eight) that the span is cut into, and the median slope between any two profiles is
///   no less than half its mean rate;
/// * it kept at least 5 % of what it allocated, or is at least 10 % of all growth.
///
/// Or it is one large list that doubles: at least four times, spread over half the span or more and the last
/// in its last quarter, without a fall, and filled no slower of late. At a doubling a list is exactly full, so
/// its length is known at each of them, and sampling misses no block as large.
///
/// To blame for a stack is the function where it first differs from those that do not leak: if the one
/// that allocates is called by others that give back, its caller.
///
/// A restart between two profiles is noticed, said in the verdict's notes, and the longest time of one
/// process judged. A thousand profiles need not be in memory at once: see [`Watch`].
///
/// What these rules cannot see: growth that has not ended *yet*. A cache that is still filling at
/// the last profile looks like a leak; longer watching tells them apart. With two profiles there is
/// no later half, and anything that grew significantly is accused.
///
/// ```
/// use heaptide::profile::{Function, FunctionId, Line, Location, LocationId, Sample, ValueType};
/// use heaptide::{Profile, leak};
///
/// // Four profiles a second apart; `track` keeps 8 MiB more in each of them.
/// let kinds = ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"];
/// let profiles: Vec<Profile> = (1..=4)
///     .map(|second| Profile {
///         sample_types: kinds.map(|kind| ValueType::new(kind, "")).to_vec(),
///         samples: vec![Sample {
///             locations: LocationId::new(0).into_iter().collect(),
///             values: vec![second * 8192, second << 23, second * 8192, second << 23],
///             labels: vec![],
///         }],
///         locations: vec![Location {
///             lines: FunctionId::new(0)
///                 .map(|function| Line { function, line: 42, column: 0 })
///                 .into_iter()
///                 .collect(),
///             ..Location::default()
///         }],
///         functions: vec![Function { name: "track".into(), ..Function::default() }],
///         time_nanos: second * 1_000_000_000,
///         period: 512 * 1024,
///         ..Profile::default()
///     })
///     .collect();
/// let verdict = leak::find(&profiles)?;
/// assert_eq!(verdict.suspects.len(), 1);
/// assert_eq!(&*verdict.suspects[0].function.name, "track");
/// assert!((verdict.suspects[0].rate.value / 8_388_608.0 - 1.0).abs() < 1e-9);
/// # Ok::<(), heaptide::Error>(())
/// ```
///
/// # Errors
///
/// A mismatch that names the profile, if there are fewer than two of any one process, one is not a heap
/// profile, is a delta, or is not later than the one before it; too large, if there are more stacks or
/// frames than are held.
pub fn find(profiles: &[Profile]) -> Result<Verdict> {
    let mut watch = Watch::new();
    for profile in profiles {
        watch.add(profile)?;
    }
    watch.verdict()
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::{Reason, StackFrame, find};
    use crate::Profile;
    use crate::profile::arbitrary;
    use crate::profile::{
        Function, FunctionId, Label, LabelValue, Line, Location, LocationId, Mapping, Sample,
        ValueType,
    };

    type Frame = (&'static str, &'static str, i64);

    const MAIN: Frame = ("app::main", "src/main.rs", 3);
    const GROW: Frame = (
        "alloc::raw_vec::finish_grow",
        "/rustc/1/library/alloc/src/raw_vec/mod.rs",
        9,
    );

    /// A profile at a second: each sample is a stack, leaf first, with MiB allocated and live.
    fn profile(second: i64, samples: &[(&[Frame], i64, i64)]) -> Profile {
        let kinds = [
            "alloc_objects",
            "alloc_space",
            "inuse_objects",
            "inuse_space",
        ];
        let mut profile = Profile {
            sample_types: kinds.map(|kind| ValueType::new(kind, "")).to_vec(),
            time_nanos: second * 1_000_000_000,
            period: 512 * 1024,
            ..Profile::default()
        };
        for (stack, allocated, live) in samples {
            let mut locations = vec![];
            for (name, file, line) in *stack {
                let id = profile.functions.len();
                profile.functions.push(Function {
                    name: (*name).into(),
                    file: (*file).into(),
                    ..Function::default()
                });
                profile.locations.push(Location {
                    lines: vec![Line {
                        function: FunctionId::new(id).unwrap(),
                        line: *line,
                        column: 0,
                    }],
                    ..Location::default()
                });
                locations.push(LocationId::new(id).unwrap());
            }
            profile.samples.push(Sample {
                locations,
                values: vec![allocated << 10, allocated << 20, live << 10, live << 20],
                labels: vec![],
            });
        }
        profile
    }

    /// Nine profiles; `live` gives the live MiB of one stack after each second, none is ever freed.
    fn kept(live: [i64; 9]) -> Vec<Profile> {
        let stack: &[Frame] = &[("app::keep", "src/keep.rs", 5), MAIN];
        (0..)
            .zip(live)
            .map(|(second, mib)| profile(second, &[(stack, mib, mib)]))
            .collect()
    }

    #[test]
    fn one_function_over_several_lines_and_library_calls_is_one_suspect() {
        let profiles: Vec<Profile> = (1..=9)
            .map(|second| {
                let track = |line| ("app::Tracker::track", "src/tracker.rs", line);
                let insert: Frame = (
                    "hashbrown::raw::insert",
                    "/rust/deps/hashbrown-0.16/raw.rs",
                    1,
                );
                let stacks: [(&[Frame], i64, i64); 4] = [
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
        let [leak] = verdict.suspects.as_slice() else {
            panic!("{verdict}");
        };
        assert_eq!(leak.rate.value, 15.0 * 1_048_576.0);
        // Line 42 grows by 9 MiB/s, more than line 57, and most of it below `insert`.
        let names: Vec<&str> = leak.stack.iter().map(|frame| &*frame.name).collect();
        assert_eq!(
            names,
            ["hashbrown::raw::insert", "app::Tracker::track", "app::main"]
        );
        let text = verdict.to_string();
        // 120 MiB in samples of 512 KiB: sqrt(120 * 0.5) = 7.75 MiB in 8 s, 0.97 MiB/s; 1.96 times that
        // and 1.095 for the slope is 2.08, a little less down and more up.
        let headline = "leak: app::Tracker::track at src/tracker.rs:42 grows 15.00 MiB/s, 95 % \
                        interval 12.97 MiB/s to 17.21 MiB/s (120.00 ± 7.74 MiB in all, 135.00 ± 8.21 MiB live, 100 % of what it \
                        allocated; grew \
                        in 8 of 8 intervals)\n    hashbrown::raw::insert at ";
        assert!(text.starts_with(headline), "{text}");
        assert!(text.contains(
            "not accused:\n    app::idle at src/idle.rs:1, 50.00 ± 5.00 MiB live: within noise"
        ));
        assert!(
            text.contains("2 call stacks tried, false discovery rate 1 %, 9 snapshots over 8.0 s")
        );
    }

    #[test]
    fn growth_that_ended_jumped_or_came_back_is_no_leak() {
        let judged = |live| {
            let verdict = find(&kept(live)).unwrap();
            verdict.acquitted.first().map(|a| a.reason)
        };
        assert_eq!(judged([10, 40, 70, 100, 130, 160, 190, 220, 250]), None);
        assert_eq!(
            judged([10, 90, 170, 250, 250, 250, 250, 250, 250]),
            Some(Reason::WarmsUp)
        );
        assert_eq!(
            judged([10, 40, 70, 100, 130, 160, 190, 190, 190]),
            Some(Reason::WarmsUp)
        );
        assert_eq!(
            judged([10, 10, 90, 90, 90, 90, 90, 90, 170]),
            Some(Reason::Unsteady)
        );
        assert_eq!(
            judged([10, 10, 10, 10, 10, 10, 10, 10, 10]),
            Some(Reason::WithinNoise)
        );
    }

    /// Of 15 MiB only the last 2, four samples, came in the later half: the odds of that by chance
    /// are one in 16, though over the whole span they are one in a billion.
    #[test]
    fn growth_must_stand_out_in_the_later_half_too() {
        let verdict = find(&kept([10, 20, 21, 22, 23, 23, 23, 24, 25])).unwrap();
        let reason = verdict.acquitted.first().map(|a| a.reason);
        assert_eq!(reason, Some(Reason::LevelsOff), "{verdict}");
        // With a steady leak's rate in the later half there is no reason to say so.
        let verdict = find(&kept([10, 11, 11, 12, 12, 12, 13, 13, 14])).unwrap();
        let reason = verdict.acquitted.first().map(|a| a.reason);
        assert_eq!(reason, Some(Reason::Unproven), "{verdict}");
    }

    #[test]
    fn what_falls_is_told_apart_from_what_only_wavers() {
        let stack: &[Frame] = &[("app::buffer", "src/buffer.rs", 5), MAIN];
        let judged = |live: [i64; 9]| {
            let profiles = (1..)
                .zip(live)
                .map(|(second, mib)| profile(second, &[(stack, 300 * second, mib)]));
            let verdict = find(&profiles.collect::<Vec<_>>()).unwrap();
            verdict.acquitted.first().map(|a| a.reason)
        };
        assert_eq!(
            judged([10, 60, 110, 160, 20, 80, 130, 180, 230]),
            Some(Reason::Sawtooth)
        );
        assert_eq!(
            judged([300, 260, 220, 180, 140, 100, 60, 20, 10]),
            Some(Reason::Shrinks)
        );
        assert_eq!(
            judged([90, 91, 89, 90, 92, 88, 90, 91, 92]),
            Some(Reason::Churns)
        );
    }

    #[test]
    fn nothing_found_says_how_small_a_leak_could_hide() {
        let verdict = find(&kept([10; 9])).unwrap();
        // One stack: z(1 %) = 2.326, so (2.326 + 1.282)² = 13.02 samples of 512 KiB in 4 s.
        assert!((verdict.smallest_leak / (13.017 * 524_288.0 / 4.0) - 1.0).abs() < 1e-3);
        // An interval that only the samples state is as good.
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
    fn profiles_that_do_not_line_up_are_refused_by_number() {
        let refused = |profiles: &[Profile], part: &str| {
            let error = find(profiles).unwrap_err();
            assert!(
                error.is_mismatch() && error.to_string().contains(part),
                "{error}"
            );
        };
        let good = kept([10, 20, 30, 40, 50, 60, 70, 80, 90]);
        refused(&[], "given 0");
        refused(&good[..1], "given 1");
        let mut swapped = good.clone();
        swapped.swap(4, 5);
        refused(&swapped, "profile 6 is not later than profile 5");
        let mut delta = good.clone();
        delta[2].duration_nanos = 1_000_000_000;
        refused(&delta, "profile 3 is a delta over 1.0 s");
        let restarted = kept([10, 20, 30, 40, 50, 5, 70, 80, 90]);
        refused(
            &restarted[4..6],
            "needed, given 2; profile 2 is not of the same process as profile 1: what app::keep at \
             src/keep.rs ever allocated fell from 50.00 MiB to 5.00 MiB",
        );
        let mut unstated = good;
        unstated[0].period = 0;
        refused(&unstated, "sample interval");
    }

    /// Half of the leak and more is before the restart, so that is what is judged.
    #[test]
    fn a_restart_is_said_and_the_longest_time_judged() {
        let verdict = find(&kept([10, 20, 30, 40, 50, 5, 6, 7, 8])).unwrap();
        assert_eq!((verdict.snapshots, verdict.leaks().len()), (5, 1));
        let text = verdict.to_string();
        assert!(text.contains(
            "note: profile 6 is not of the same process as profile 5: what app::keep at src/keep.rs ever \
             allocated fell from 50.00 MiB to 5.00 MiB; was the program restarted, or is only one of the \
             two profiles symbolized?\nnote: judged are profiles 1 to 5, the longest"
        ));
        let verdict = find(&kept([10, 20, 2, 22, 42, 62, 82, 102, 122])).unwrap();
        assert_eq!(verdict.leaks()[0].inuse_space.len(), 7);
        assert_eq!(verdict.leaks()[0].growth.value, 120.0 * 1_048_576.0);
    }

    /// What was ever allocated only grows, and the id is that of a container's first process.
    #[test]
    fn another_process_is_known_by_what_it_says() {
        let said = |comments: [&str; 4]| {
            let mut profiles = kept([10, 20, 30, 40, 50, 60, 70, 80, 90]);
            profiles.truncate(4);
            for (profile, comment) in profiles.iter_mut().zip(comments) {
                let comments = ["another", comment].into_iter().filter(|c| !c.is_empty());
                profile.comments = comments.map(Into::into).collect();
            }
            find(&profiles).unwrap()
        };
        let first = "#heaptide process: pid=1 start=1700000000.12";
        let second = "#heaptide process: pid=1 start=1700000095.32";
        let other = "#heaptide process: pid=7 start=1700000000.12";
        assert_eq!(said([first; 4]).notes, Vec::<String>::new());
        assert_eq!(said([first, "", first, first]).snapshots, 4);
        let verdict = said([first, first, second, second]);
        assert_eq!(
            verdict.notes,
            [
                "profile 3 is not of the same process as profile 2: process 1 is another one, started \
                 95.20 s later",
                "judged are profiles 3 to 4, the longest time of one process"
            ]
        );
        let verdict = said([second, other, other, other]);
        assert_eq!(
            verdict.notes[0],
            "profile 2 is not of the same process as profile 1: the process id is 7 and was 1"
        );
        assert_eq!(verdict.snapshots, 3);
    }

    #[test]
    fn another_executable_is_another_process() {
        let mapped = |starts: [u64; 3], ids: [&str; 3]| {
            let mut profiles = kept([10, 20, 30, 40, 50, 60, 70, 80, 90]);
            profiles.truncate(3);
            for ((profile, start), id) in profiles.iter_mut().zip(starts).zip(ids) {
                profile.mappings.push(Mapping {
                    start,
                    file: "/usr/bin/server".into(),
                    build_id: id.into(),
                    ..Mapping::default()
                });
            }
            find(&profiles).unwrap().notes
        };
        let same = [0x5000; 3];
        assert_eq!(mapped(same, ["a1"; 3]), Vec::<String>::new());
        assert_eq!(mapped([0x5000, 0, 0x5000], ["a1", "", "a1"]).len(), 0);
        let notes = mapped(same, ["a1", "b2", "b2"]);
        let start = "profile 2 is not of the same process as profile 1: ";
        assert_eq!(
            notes[0],
            format!("{start}the program's build id is b2 and was a1")
        );
        let notes = mapped([0x5000, 0x6000, 0x6000], ["a1"; 3]);
        assert_eq!(
            notes[0],
            format!("{start}the program lies at 0x6000 and lay at 0x5000")
        );
        assert_eq!(
            notes[1],
            "judged are profiles 2 to 3, the longest time of one process"
        );
    }

    /// All make buffers in one function; one caller keeps them. Where all callers do, it is the function.
    #[test]
    fn the_caller_that_differs_is_to_blame() {
        let buffer: Frame = ("app::buffer", "src/buffer.rs", 5);
        let fold: Frame = ("core::iter::fold", "/rustc/1/library/core/src/iter.rs", 1);
        let guilty: Frame = ("app::guilty", "src/guilty.rs", 8);
        let other: Frame = ("app::other", "src/other.rs", 9);
        let judged = |kept_by_other: i64| {
            let profiles: Vec<Profile> = (1..=9)
                .map(|second| {
                    let stacks: [(&[Frame], i64, i64); 2] = [
                        (
                            &[GROW, buffer, fold, guilty, MAIN],
                            10 * second,
                            10 * second,
                        ),
                        (
                            &[GROW, buffer, other, MAIN],
                            20 * second,
                            kept_by_other * second,
                        ),
                    ];
                    profile(second, &stacks)
                })
                .collect();
            find(&profiles).unwrap()
        };
        let verdict = judged(0);
        let leak = &verdict.leaks()[0];
        assert_eq!(
            (&*leak.function.name, leak.function.line),
            ("app::guilty", 8)
        );
        assert_eq!(&*leak.site.name, "app::buffer");
        assert!(
            verdict
                .to_string()
                .contains("intervals), allocated by app::buffer at src/buffer.rs:5\n"),
            "{verdict}"
        );
        let verdict = judged(15);
        let blamed = verdict.leaks().iter().map(|leak| &*leak.function.name);
        assert_eq!(blamed.collect::<Vec<_>>(), ["app::buffer", "app::buffer"]);
    }

    #[test]
    fn a_cache_that_is_full_goes_on_allocating_and_a_warm_up_does_not() {
        let stack: &[Frame] = &[("app::fill", "src/fill.rs", 5), MAIN];
        let judged = |allocated: fn(i64) -> i64| {
            let live = [10, 60, 110, 160, 210, 210, 210, 210, 210];
            let profiles = (0..)
                .zip(live)
                .map(|(second, mib)| profile(second, &[(stack, allocated(second), mib)]));
            let verdict = find(&profiles.collect::<Vec<_>>()).unwrap();
            (verdict.acquitted[0].reason, verdict.to_string())
        };
        let (reason, text) = judged(|second| 10 + 50 * second);
        assert_eq!(reason, Reason::LevelsOff);
        assert!(
            text.contains(": levels off, 0 B/s at last against 25.00 ± "),
            "{text}"
        );
        let (reason, text) = judged(|second| 10 + 50 * second.min(4));
        assert_eq!(reason, Reason::WarmsUp);
        assert!(
            text.contains(": warm-up, 0 B/s at last against 25.00 ± "),
            "{text}"
        );
    }

    /// The ends are equal: only what lies between tells.
    #[test]
    fn a_sawtooth_is_told_from_churn_whatever_its_ends() {
        let stack: &[Frame] = &[("app::buffer", "src/buffer.rs", 5), MAIN];
        let judged = |allocated: i64, live: [i64; 9]| {
            let profiles = (0..)
                .zip(live)
                .map(|(second, mib)| profile(second, &[(stack, 100 + allocated * second, mib)]));
            find(&profiles.collect::<Vec<_>>()).unwrap().acquitted[0].reason
        };
        let teeth = [10, 60, 110, 10, 60, 110, 10, 60, 10];
        assert_eq!(judged(50, teeth), Reason::Sawtooth);
        // The same, but a hundred times as much came and went in each second.
        assert_eq!(judged(5000, teeth), Reason::Churns);
        assert_eq!(
            judged(50, [10, 11, 9, 10, 12, 9, 10, 11, 10]),
            Reason::Churns
        );
    }

    /// The ends say 6 MiB/s, the eight steps between them 1 for all but the last one.
    #[test]
    fn a_jump_at_the_end_is_no_trend() {
        let judged = |live| find(&kept(live)).unwrap().acquitted[0].reason;
        let jump = [10, 11, 12, 13, 14, 15, 16, 17, 60];
        assert_eq!(judged(jump), Reason::Unsteady);
    }

    /// Half a day of nothing, and two hundred snapshots of the three minutes in which the memory filled up.
    #[test]
    fn a_jump_that_was_watched_closely_is_no_trend_either() {
        let stack: &[Frame] = &[("app::load", "src/load.rs", 5), MAIN];
        let calm = (0..24).map(|at| (1800 * at, 100));
        let busy = (1..=200).map(|at| (1800 * 23 + at, 100 + at));
        let profiles = calm
            .chain(busy)
            .map(|(second, mib)| profile(second, &[(stack, mib, mib)]));
        let verdict = find(&profiles.collect::<Vec<_>>()).unwrap();
        let reason = verdict.acquitted.first().map(|a| a.reason);
        assert_eq!(reason, Some(Reason::Unsteady), "{verdict}");
        let text = verdict.to_string();
        assert!(
            text.contains("in 1 of 8 parts of the span\n\n1 call stack tried, false"),
            "{text}"
        );
    }

    /// Too little came in the first minutes for a profile each to show it.
    #[test]
    fn a_steady_leak_is_found_however_the_profiles_are_spread() {
        let stack: &[Frame] = &[("app::keep", "src/keep.rs", 5), MAIN];
        let early = (0..9).map(|at| (60 * at, 10));
        let live = early.chain([(540, 11), (3600, 60)]);
        let profiles = live.map(|(second, mib)| profile(second, &[(stack, mib, mib)]));
        let verdict = find(&profiles.collect::<Vec<_>>()).unwrap();
        let leak = verdict
            .leaks()
            .first()
            .unwrap_or_else(|| panic!("{verdict}"));
        let true_rate = 50.0 * 1_048_576.0 / 3600.0;
        assert!(leak.slope_95.contains(&true_rate), "{verdict}");
    }

    #[test]
    fn a_clock_that_was_set_back_ends_a_series() {
        let mut profiles = kept([10, 20, 30, 40, 50, 60, 70, 80, 90]);
        for profile in &mut profiles[5..] {
            profile.time_nanos -= 3_600_000_000_000;
        }
        let verdict = find(&profiles).unwrap();
        assert_eq!((verdict.snapshots, verdict.leaks().len()), (5, 1));
        assert_eq!(
            verdict.notes,
            [
                "profile 6 is dated 3599.0 s before profile 5 but was taken after it, by what was ever \
                 allocated: the clock was set back",
                "judged are profiles 1 to 5, the longest time of one process and one clock"
            ]
        );
        // By a profile that says the same as the one before it nothing is shown.
        profiles[5] = Profile {
            time_nanos: 0,
            ..profiles[4].clone()
        };
        assert!(find(&profiles).unwrap_err().is_mismatch());
    }

    /// A container that was started again, on a machine whose clock was wrong.
    #[test]
    fn another_process_need_not_be_later() {
        let mut profiles = kept([10, 20, 30, 40, 50, 60, 70, 80, 90]);
        for (at, profile) in (0..).zip(&mut profiles) {
            let pid = if at < 5 { 1 } else { 7 };
            profile.time_nanos -= if at < 5 { 0 } else { 3_600_000_000_000 };
            let comment = format!("#heaptide process: pid={pid} start=1700000000.12");
            profile.comments = vec![comment.into()];
        }
        let verdict = find(&profiles).unwrap();
        assert_eq!(
            verdict.notes,
            [
                "profile 6 is not of the same process as profile 5: the process id is 7 and was 1",
                "judged are profiles 1 to 5, the longest time of one process"
            ]
        );
    }

    #[test]
    fn what_the_profiler_lost_is_said() {
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
    fn stacks_without_names_are_counted() {
        let mut profiles = kept([10, 20, 30, 40, 50, 60, 70, 80, 90]);
        for profile in &mut profiles {
            for location in &mut profile.locations {
                location.lines.clear();
                location.address = 0x4711;
            }
        }
        let verdict = find(&profiles).unwrap();
        assert_eq!(&*verdict.leaks()[0].function.name, "0x4711");
        assert!(verdict.notes[0].starts_with("1 of 1 call stacks begins with an address"));
        assert!(verdict.to_string().contains("1 call stack tried, "));
    }

    /// Two hundred locations of a thousand lines each, on stacks of a thousand locations.
    #[test]
    fn stacks_that_expand_without_end_are_refused() {
        let mut profile = kept([10; 9]).swap_remove(0);
        let line = profile.locations[0].lines[0];
        profile.locations[0].lines = vec![line; 1000];
        let sample = profile.samples[0].clone();
        profile.samples = (1..=200)
            .map(|depth| Sample {
                locations: vec![LocationId::new(0).unwrap(); 1000 - depth],
                ..sample.clone()
            })
            .collect();
        let error = find(&[profile]).unwrap_err();
        assert!(error.is_too_large(), "{error}");
        assert!(error.to_string().contains("frames"), "{error}");
    }

    #[test]
    fn two_profiles_are_judged_with_a_warning() {
        let verdict = find(&kept([10, 90, 90, 90, 90, 90, 90, 90, 90])[..2]).unwrap();
        assert_eq!(verdict.suspects.len(), 1);
        let text = verdict.to_string();
        assert!(text.contains("two snapshots cannot tell"));
        assert!(text.contains("grew in 1 of 1 interval)\n"), "{text}");
    }

    #[test]
    fn a_stack_of_library_code_alone_keeps_its_leaf() {
        let profiles: Vec<Profile> = (1..=3)
            .map(|second| profile(second, &[(&[GROW], 50 * second, 50 * second), (&[], 1, 1)]))
            .collect();
        let verdict = find(&profiles).unwrap();
        let blamed = |frame: &StackFrame| frame.name.to_string();
        assert_eq!(
            verdict
                .suspects
                .first()
                .map(|s| blamed(&s.function))
                .as_deref(),
            Some(GROW.0)
        );
        let other = verdict.acquitted.first().map(|a| blamed(&a.trend.function));
        assert_eq!(other.as_deref(), Some("[no stack]"));
    }

    proptest! {
        /// Profiles are foreign input: any of a heap's types and in order are judged or refused, and
        /// what is said of them is fit for a terminal.
        #[test]
        fn any_valid_profiles_can_be_judged(
            profiles in vec(arbitrary::profile(), 2..5),
            times in btree_set(any::<i64>(), 5),
        ) {
            let kinds = kept([0; 9])[0].sample_types.clone();
            let mut profiles = profiles;
            for (profile, time) in profiles.iter_mut().zip(times) {
                profile.sample_types.clone_from(&kinds);
                profile.duration_nanos = 0;
                profile.time_nanos = time;
                profile.period = profile.period.saturating_abs().max(1);
                for sample in &mut profile.samples {
                    sample.values.resize(kinds.len(), 7);
                }
            }
            let same = profiles.iter().map(|p| Profile {
                time_nanos: p.time_nanos,
                ..profiles[0].clone()
            });
            let same: Vec<Profile> = same.collect();
            for profiles in [&profiles, &same] {
                match find(profiles) {
                    Ok(verdict) => {
                        let text = format!("{verdict:#}");
                        let command = text.chars().find(|&c| c.is_control() && c != '\n');
                        prop_assert_eq!(command, None, "{}", text);
                        let json = verdict.to_json();
                        prop_assert!(!json.chars().any(char::is_control), "{}", json);
                    }
                    Err(error) => prop_assert!(error.is_mismatch(), "{}", error),
                }
            }
        }
    }
}
