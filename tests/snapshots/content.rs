//! The content of snapshot files, and how fast they are written.

use crate::common::{command, run, start};
use heaptide::Profile;
use std::{fs, hint::black_box, path::PathBuf};

pub(crate) fn look_at_its_own_memory() {
    let kept = black_box(vec![1u8; 1000]);
    let snapshots = start();
    let mut last = PathBuf::new();
    for _ in 0..5 {
        last = snapshots.take("look").unwrap();
    }
    let profile = Profile::read(&fs::read(last).unwrap()).unwrap();
    let has = |part: &&str| {
        let mut functions = profile.functions.iter();
        functions.any(|function| function.name.contains(*part))
    };
    let programs_own = "look_at_its_own_memory";
    let profilers_own = [
        "heaptide::snapshotter::",
        "heaptide::pprof::",
        "signal_hook",
    ];
    assert!(
        has(&programs_own),
        "the file has the allocations of this function"
    );
    let found: Vec<_> = profilers_own.into_iter().filter(has).collect();
    assert!(found.is_empty(), "{found:?}");
    drop(kept);
}

pub(crate) fn snapshot_files_do_not_hold_the_memory_of_the_snapshotter() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "dir={},every=1h,signal=USR1,symbolize",
        folder.path().display()
    );
    let mut command = command("own-memory", &settings);
    command.env("HEAPTIDE_SAMPLE_INTERVAL", "1");
    run(command);
}
