//! Starts processes and reads their snapshot folders, for all tests of snapshots.

use heaptide::Snapshotter;
use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

pub(crate) const MIB: usize = 1 << 20;

/// The command that plays a role in a process of its own, with these snapshotter settings.
pub(crate) fn command(role: &str, settings: &str) -> Command {
    let mut command = crate::roles::command(role);
    command
        .env("RUST_BACKTRACE", "0")
        .env("HEAPTIDE_SNAPSHOTS", settings);
    command
}

pub(crate) fn start() -> Snapshotter {
    Snapshotter::from_env().unwrap().unwrap()
}

pub(crate) fn set_soft_limit(resource: libc::__rlimit_resource_t, soft: Option<u64>) {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a local of the right type.
    assert_eq!(unsafe { libc::getrlimit(resource, &raw mut limit) }, 0);
    limit.rlim_cur = soft.unwrap_or(limit.rlim_max);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const limit) }, 0);
}

/// Waits until a condition holds, and fails if it does not hold within 60 seconds.
pub(crate) fn wait_for(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "never came");
        thread::yield_now();
    }
}

/// The names of all files in a folder.
pub(crate) fn names(folder: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

/// The snapshot files of a folder, the oldest first.
pub(crate) fn snapshots(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| name(path).starts_with("heap-"));
    paths.sort();
    paths
}

pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

pub(crate) fn reasons(folder: &Path) -> Vec<String> {
    let reason = |path: &PathBuf| {
        let name = name(path);
        let word = name.splitn(4, '-').nth(3).unwrap();
        word.strip_suffix(".pb.gz").unwrap().to_owned()
    };
    snapshots(folder).iter().map(reason).collect()
}

pub(crate) fn run(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// The warnings of the snapshotter on stderr.
pub(crate) fn said(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text.lines().filter(|line| line.starts_with("heaptide: "));
    lines.map(str::to_owned).collect()
}
