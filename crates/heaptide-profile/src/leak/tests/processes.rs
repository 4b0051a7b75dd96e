//! Where the profiles of one process end: restarts, other programs, clocks that were set back.

use super::kept;
use crate::Mapping;
use crate::Profile;
use crate::leak::find;

/// The longer time is before the restart, so it is judged.
#[test]
fn a_restart_is_noted_and_the_longest_series_is_judged() {
    let verdict = find(&kept([10, 20, 30, 40, 50, 5, 6, 7, 8])).unwrap();
    assert_eq!((verdict.snapshots, verdict.leaks.len()), (5, 1));
    let text = verdict.to_string();
    assert!(text.contains(
        "note: profile 6 is not of the same process as profile 5: what app::keep at src/keep.rs \
         ever allocated fell from 50.00 MiB to 5.00 MiB; was the program restarted, or is only one \
         of the two profiles symbolized?\nnote: judged are profiles 1 to 5, the longest"
    ));
    let verdict = find(&kept([10, 20, 2, 22, 42, 62, 82, 102, 122])).unwrap();
    assert_eq!(verdict.leaks[0].trend.inuse_space.len(), 7);
    assert_eq!(verdict.leaks[0].trend.growth.value, 120.0 * 1_048_576.0);
}

/// The bytes ever allocated only grow, so only the stated process tells. Its id may be the same: in
/// each container the first process has the id 1.
#[test]
fn a_profile_that_states_another_process_starts_a_new_series() {
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

#[test]
fn a_clock_that_was_set_back_ends_a_series() {
    let mut profiles = kept([10, 20, 30, 40, 50, 60, 70, 80, 90]);
    for profile in &mut profiles[5..] {
        profile.time_nanos -= 3_600_000_000_000;
    }
    let verdict = find(&profiles).unwrap();
    assert_eq!((verdict.snapshots, verdict.leaks.len()), (5, 1));
    assert_eq!(
        verdict.notes,
        [
            "profile 6 is dated 3599.0 s before profile 5 but was taken after it, by what was ever \
             allocated: the clock was set back",
            "judged are profiles 1 to 5, the longest time of one process and one clock"
        ]
    );
    // A profile with the same content as the one before it shows nothing about the clock.
    profiles[5] = Profile {
        time_nanos: 0,
        ..profiles[4].clone()
    };
    assert!(find(&profiles).unwrap_err().is_mismatch());
}

/// A container that is started again on a machine whose clock is wrong.
#[test]
fn another_process_may_be_dated_earlier() {
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
