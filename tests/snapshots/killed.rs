//! Killed processes leave complete files only.

use crate::{
    common::{command, names, snapshots, start, wait_for},
    paths,
};
use heaptide::Profile;
use std::{
    collections::BTreeSet,
    fs,
    hint::black_box,
    os::unix::fs::PermissionsExt,
    process::{Child, Stdio},
    thread,
    time::Duration,
};

/// Allocates from a thousand call stacks, so that files are large enough for a kill to interrupt
/// one.
pub(crate) fn allocate_for_ever() {
    let _snapshots = start();
    let mut kept = Vec::new();
    for round in 0.. {
        paths::walk(round, 10, &mut || kept.push(black_box(vec![1u8; 20_000])));
        if kept.len() == 2000 {
            kept.clear();
        }
    }
}

/// A number below `below` that depends on every bit of `seed`.
fn scatter(seed: u64, below: u64) -> u64 {
    (seed + 1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(31)
        % below
}

pub(crate) fn whatever_is_killed_leaves_whole_files_only() {
    const KILLS: u64 = 40;
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "dir={},every=1ms,growth=1MiB,peak,keep=20",
        folder.path().display()
    );
    let mut kills_while_writing = 0;
    for kill in 0..KILLS {
        let before = snapshots(folder.path());
        let mut child: Child = command("busy", &settings)
            .env("HEAPTIDE_SAMPLE_INTERVAL", "4096")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(|| snapshots(folder.path()) != before);
        thread::sleep(Duration::from_micros(scatter(kill, 50_000)));
        // Every other kill comes as soon as any new file name appears.
        let names = names(folder.path());
        wait_for(|| kill % 2 == 0 || !names.is_superset(&crate::common::names(folder.path())));
        let pid = child.id();
        child.kill().unwrap();
        child.wait().unwrap();
        let files = snapshots(folder.path());
        assert!(!files.is_empty());
        let mut processes = BTreeSet::new();
        // The series, the files kept separately, and one more if the process was killed before it
        // removed old files.
        assert!(files.len() <= 20 + 20 + 1, "{}", files.len());
        for path in &files {
            let profile = Profile::read(&fs::read(path).unwrap());
            let profile = profile.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(profile.time_nanos > 0, "{}", path.display());
            processes.insert(profile.process().expect("the profile names its process"));
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        // The killed process is among them, and there are no more than have run.
        assert!(processes.iter().any(|process| process.pid == pid));
        assert!(
            processes.len() <= usize::try_from(kill).unwrap() + 1,
            "{processes:?}"
        );
        let left = fs::read_dir(folder.path()).unwrap().count() - files.len();
        // Each process removes the temporary file of the one before.
        assert!(left <= 1, "{left} temporary files");
        kills_while_writing += left;
    }
    println!("{kills_while_writing} of {KILLS} kills hit a file being written");
}
