//! Measures how fast snapshot files are written, and what is left of a process that is killed.
//!
//! ```text
//! cargo bench --all-features --bench snapshots
//! ```
//!
//! It prints the figures of docs/snapshots.md. The control group needs root.

#![expect(unsafe_code, reason = "sets limits")]

#[expect(dead_code, reason = "the tests of snapshots use all of it")]
#[path = "../../tests/snapshots/common.rs"]
mod common;
#[expect(dead_code, reason = "the tests of snapshots use all of it")]
#[path = "../../tests/snapshots/leaking.rs"]
mod leaking;
#[expect(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "the rest is for tests"
)]
#[path = "../../tests/support/roles.rs"]
mod roles;

use common::{MIB, command, run, start, wait_for};
use heaptide::Profile;
use leaking::{MemoryGroup, Remains, leak, live_mib};
use std::{
    env, fs,
    hint::black_box,
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, SystemTime},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();

fn print_times_from_growth_to_file() {
    let folder = PathBuf::from(env::var_os("FOLDER").unwrap());
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
        let file = common::snapshots(&folder).pop().unwrap();
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

fn print_times_of_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("dir={},growth=64MiB", folder.path().display());
    let mut command = command("growth", &settings);
    command.env("FOLDER", folder.path());
    print!("{}", String::from_utf8(run(command).stdout).unwrap());
}

fn print_the_last_file_before_the_end_of_an_address_space() {
    for rate in [100, 1000] {
        print_remains(rate, &leak(rate, None));
    }
}

fn print_the_last_file_before_a_control_group_kills() {
    let group = MemoryGroup::new();
    for rate in [100, 1000] {
        print_remains(rate, &leak(rate, Some(&group.0)));
    }
}

fn print_remains(rate: u64, remains: &Remains) {
    let leaked = remains.leaked_mib;
    match remains.files.last() {
        None => println!("{rate} MB/s: no file of {leaked} MiB"),
        Some((name, last)) => {
            let live = live_mib(last);
            println!("{rate} MB/s: {name}, {live} of {leaked} MiB live");
        }
    }
}

fn play(role: &str) {
    match role.strip_prefix("leak ") {
        Some(rate) => leaking::leak_until_killed(rate.parse().unwrap()),
        None => print_times_from_growth_to_file(),
    }
}

fn measure() {
    println!("times from growth to file:");
    print_times_of_snapshots();
    println!("the last file before the end of an address space:");
    print_the_last_file_before_the_end_of_an_address_space();
    println!("the last file before a control group kills:");
    print_the_last_file_before_a_control_group_kills();
}

fn main() -> ExitCode {
    if let Some(role) = roles::role() {
        play(&role);
    } else if env::args().any(|argument| argument == "--bench") {
        measure();
    }
    // `cargo test --benches` runs this too. Then it measures nothing.
    ExitCode::SUCCESS
}
