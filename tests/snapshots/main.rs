//! The snapshotter in real processes, which the tests start.
//!
//! They are killed at random moments, run out of memory or disk, exit, panic and fork.

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
mod leaking;
mod memory_limits;
#[path = "../support/paths.rs"]
mod paths;
#[path = "../support/roles.rs"]
mod roles;

use common::command;
use std::process::ExitCode;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();

fn play(role: &str) {
    let number = || role.rsplit(' ').next().and_then(|word| word.parse().ok());
    match role.split(' ').next().unwrap_or_default() {
        "busy" => killed::allocate_for_ever(),
        "leak" => leaking::leak_until_killed(number().unwrap()),
        "file-size" => disk::lose_a_snapshot_to_the_file_size(),
        "full" => disk::lose_a_snapshot_to_a_full_disk(),
        "vanished" => disk::lose_snapshots_with_their_folder(),
        "ways" => endings::die_in_every_way(),
        "fork" => endings::fork_with_a_snapshotter(),
        "own-memory" => content::look_at_its_own_memory(),
        _ => panic!("no role {role}"),
    }
}

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

fn main() -> ExitCode {
    let tests = roles::tests![
        wrong_settings_name_the_variable_the_key_and_the_value,
        content::snapshot_files_do_not_hold_the_memory_of_the_snapshotter,
        disk::a_limit_on_file_sizes_costs_only_the_snapshot,
        disk::a_full_and_a_read_only_disk_cost_only_the_snapshots =
            "needs unshare and mount (util-linux, mount), and user namespaces or root",
        disk::a_folder_that_vanishes_costs_only_the_snapshots,
        endings::signals_panics_and_exits_leave_their_files,
        endings::a_forked_child_leaves_the_snapshots_to_its_parent_and_may_start_its_own,
        killed::whatever_is_killed_leaves_whole_files_only,
        memory_limits::a_leak_leaves_a_file_from_shortly_before_the_end_of_its_address_space,
        memory_limits::a_leak_leaves_a_file_from_shortly_before_its_control_group_kills_it =
            "needs root and a control group that may be made beside the own one",
    ];
    roles::main(play, tests)
}
