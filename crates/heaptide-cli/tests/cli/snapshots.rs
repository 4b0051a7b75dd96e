//! Folders of snapshots, and `leaks` over them.

use std::fs;

use heaptide_profile::leak;
use heaptide_profile::testing::example;

use crate::{AFTER, KEPT, ORDER, folder, run, snapshots_of, text};

#[test]
fn a_folder_stands_for_its_snapshots_in_order_of_time() {
    let folder = folder();
    let same = [
        ("top snapshots", "top snapshots/b.pb.gz"),
        ("diff snapshots", "diff snapshots/c.pb.gz snapshots/b.pb.gz"),
        (
            "diff snapshots/a.pb.gz snapshots",
            "diff snapshots/a.pb.gz snapshots/b.pb.gz",
        ),
        ("flamegraph snapshots", "flamegraph snapshots/b.pb.gz"),
        (
            "leaks snapshots",
            "leaks snapshots/a.pb.gz snapshots/b.pb.gz snapshots/c.pb.gz snapshots/d.pb.gz \
             snapshots/e.pb.gz",
        ),
    ];
    for (of_folder, of_files) in same {
        let (of_folder, of_files) = (run(folder.path(), of_folder), run(folder.path(), of_files));
        assert_eq!(of_folder, of_files);
        assert_eq!(of_folder.status.code(), Some(0), "{of_folder:?}");
    }
}

/// Names of snapshot files still count up after a clock was set back. Here it was set back so
/// little that times overlap.
#[test]
fn leaks_trusts_file_names_if_a_clock_was_set_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let profiles = [snapshots_of(KEPT), snapshots_of(KEPT.map(|mib| mib + 250))];
    for (at, mut profile) in profiles.into_iter().flatten().enumerate() {
        // Two and a half minutes back, after the fifth.
        if at >= 5 {
            profile.time_nanos += 150_000_000_000;
        }
        let file = fs::File::create(folder.path().join(format!("heap-{at}.pb.gz")));
        profile
            .write(file.expect("a new file"))
            .expect("a valid profile");
    }
    let output = run(folder.path(), "leaks .");
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(told.starts_with("leak: server::track"), "{told}");
    let notes = "note: profile ./heap-5.pb.gz is dated 90.0 s before profile ./heap-4.pb.gz but \
    was taken after \
                 it, by what was ever allocated: the clock was set back\n\
                 note: judged are profiles";
    assert!(told.contains(notes), "{told}");
    assert!(told.contains(", 5 snapshots over 240.0 s"), "{told}");
}

#[test]
fn leaks_prints_the_verdict_of_the_library_and_fails_on_request() {
    let folder = folder();
    let verdict = leak::find(&snapshots_of(KEPT)).expect("one process");
    assert_eq!(&*verdict.leaks[0].blamed.name, "server::track");
    for (command_line, code, expected) in [
        ("leaks snapshots", 0, verdict.to_string()),
        ("leaks --fail-on leak snapshots", 1, verdict.to_string()),
        ("leaks --whole-stacks snapshots", 0, format!("{verdict:#}")),
        (
            "leaks --json --color=always snapshots",
            0,
            format!("{}\n", verdict.to_json()),
        ),
    ] {
        let output = run(folder.path(), command_line);
        assert_eq!(text(&output.stdout), expected, "heaptide {command_line}");
        assert_eq!(text(&output.stderr), "", "heaptide {command_line}");
        assert_eq!(output.status.code(), Some(code), "heaptide {command_line}");
    }
    // The file's name stands for the library's "second profile".
    let mut delta = example::profile(AFTER, 0);
    delta.time_nanos += 1_000_000_000;
    delta.duration_nanos = 1_000_000_000;
    let file = fs::File::create(folder.path().join("delta.pb.gz")).expect("a new file");
    delta.write(file).expect("a valid profile");
    let refused = run(folder.path(), "leaks before.pb.gz delta.pb.gz");
    let told = text(&refused.stderr);
    assert!(
        told.starts_with("heaptide: leaks: profile delta.pb.gz is a delta over 1.0 s: "),
        "{told}"
    );
    assert_eq!(
        (told.lines().count(), refused.status.code()),
        (1, Some(2)),
        "{told}"
    );
    let alone = run(folder.path(), "leaks --fail-on leak before.pb.gz");
    assert_eq!(alone.status.code(), Some(2), "{alone:?}");
    for (name, profile) in ORDER.into_iter().zip(snapshots_of([210; 5])) {
        let file = fs::File::create(folder.path().join("snapshots").join(name));
        profile
            .write(file.expect("a file"))
            .expect("a valid profile");
    }
    let output = run(folder.path(), "leaks --fail-on leak snapshots");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
