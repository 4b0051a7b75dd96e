//! The content of snapshot files, and how fast they are written.

use crate::common::{MIB, command, run, start, wait_for};
use heaptide::Profile;
use std::{
    fs,
    hint::black_box,
    path::PathBuf,
    thread,
    time::{Duration, SystemTime},
};

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

pub(crate) fn print_times_from_growth_to_file() {
    let folder = PathBuf::from(std::env::var_os("FOLDER").unwrap());
    let snapshots = start();
    let mut kept = Vec::new();
    for round in 1..=5 {
        // Growth is watched again a second after the last snapshot.
        thread::sleep(Duration::from_millis(1500));
        let level = heaptide::stats().live_bytes + 64 * MIB as u64;
        while heaptide::stats().live_bytes < level {
            kept.push(black_box(vec![1u8; 100_000]));
        }
        let reached = SystemTime::now();
        wait_for(|| snapshots.counts().taken == round);
        let whole = reached.elapsed().unwrap();
        let file = crate::common::snapshots(&folder).pop().unwrap();
        let bytes = fs::read(file).unwrap();
        let profile = Profile::read(&bytes).unwrap();
        let since_epoch = reached.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let begun = i128::from(profile.time_nanos) - since_epoch.as_nanos().cast_signed();
        println!(
            "begun after {} us, whole after {} us: {} bytes, {} samples",
            begun / 1000,
            whole.as_micros(),
            bytes.len(),
            heaptide::stats().live_samples
        );
    }
}

#[test]
#[ignore = "a measurement: prints times and checks nothing"]
fn print_times_of_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("dir={},growth=64MiB", folder.path().display());
    let mut command = command("growth", &settings);
    command.env("FOLDER", folder.path());
    print!("{}", String::from_utf8(run(command).stdout).unwrap());
}

#[test]
fn snapshot_files_do_not_hold_the_memory_of_the_snapshotter() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "dir={},every=1h,signal=USR1,symbolize",
        folder.path().display()
    );
    let mut command = command("own-memory", &settings);
    command.env("HEAPTIDE_SAMPLE_INTERVAL", "1");
    run(command);
}
