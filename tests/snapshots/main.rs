//! The snapshotter in real processes, which the tests start.
//!
//! They are killed at random moments, run out of memory or disk, exit, panic and fork.

#![cfg(all(target_os = "linux", feature = "snapshotter", feature = "jemalloc"))]
#![expect(unsafe_code, reason = "sets limits, sends signals, forks")]
#![expect(
    clippy::exit,
    reason = "processes that the tests start end with their handlers"
)]

mod common;
mod content;
mod disk;
mod endings;
mod killed;
mod memory_limits;
#[path = "../support/paths.rs"]
mod paths;

use common::command;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();

#[test]
#[ignore = "not a test: the other tests start it in a process of its own"]
fn child() {
    let role = std::env::var("ROLE").unwrap_or_default();
    let number = || role.rsplit(' ').next().and_then(|word| word.parse().ok());
    match role.split(' ').next().unwrap_or_default() {
        // Without a role, all ignored tests are run, and there is nothing to do here.
        "" => {}
        "busy" => killed::allocate_for_ever(),
        "leak" => memory_limits::leak_until_killed(number().unwrap()),
        "file-size" => disk::lose_a_snapshot_to_the_file_size(),
        "full" => disk::lose_a_snapshot_to_a_full_disk(),
        "vanished" => disk::lose_snapshots_with_their_folder(),
        "ways" => endings::die_in_every_way(),
        "fork" => endings::fork_with_a_snapshotter(),
        "own-memory" => content::look_at_its_own_memory(),
        "growth" => content::print_times_from_growth_to_file(),
        _ => panic!("no role {role}"),
    }
}

#[test]
fn wrong_settings_name_the_variable_the_key_and_the_value() {
    let output = command("ways", "dir=/dumps,every=often").output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("HEAPTIDE_SNAPSHOTS: every=often: not a time"),
        "{text}"
    );
}
