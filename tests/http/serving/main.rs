//! Service and server, with real requests over real sockets.
#![expect(unsafe_code, reason = "forks, and counts what is live")]
#![expect(clippy::exit, reason = "a forked child ends where it was made")]

mod addresses;
mod hostile_clients;
#[path = "../../support/http_load.rs"]
mod http_load;
mod load;
#[path = "../plain_client.rs"]
mod plain_client;
mod process;
#[path = "../../support/roles.rs"]
mod roles;
mod service;

use heaptide::{
    Profile,
    http::{self, Server},
};
use plain_client::Answer;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs,
    process::{Command, ExitCode, Output},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<Counting> =
    heaptide::SamplingAllocator::with_inner(Counting);

/// Counts what is live, including heaptide's own memory, which no profile shows. Resident memory
/// varies by 50 MB.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// `realloc` and `alloc_zeroed` are the trait's default methods, which use these two.
//
// SAFETY: each method passes its arguments to `System` unchanged and returns what it returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        // SAFETY: what our caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: what our caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

fn profile(answer: &Answer) -> Profile {
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_eq!(
        answer.header("content-type"),
        Some("application/octet-stream")
    );
    let profile = Profile::read(&answer.body).unwrap();
    profile.check().unwrap();
    profile
}

fn server() -> Server {
    http::serve("127.0.0.1:0").unwrap()
}

/// The number of threads of this process with this name.
fn threads(name: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|comm| comm.trim_end() == name).count()
}

/// Waits until `holds` is true, and fails after 120 s.
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "not in 120 s: {what}"
        );
        thread::yield_now();
    }
}

/// Runs one of the functions below in a process of its own.
fn process_for(role: &str) -> Command {
    let mut command = roles::command(role);
    command.env_remove("HEAPTIDE_HTTP");
    command
}

fn assert_succeeds(mut process: Command) -> Output {
    let output = process.output().unwrap();
    assert!(output.status.success(), "{process:?}: {output:#?}");
    output
}

fn assert_runs(role: &str) {
    assert_succeeds(process_for(role));
}

fn play(role: &str) {
    match role {
        "environment" => addresses::print_what_the_environment_starts(),
        "fork" => process::fork_with_a_server(),
        "deltas" => load::give_up_on_deltas(),
        "threads" => process::count_threads(),
        "no-threads" => load::ask_where_no_thread_can_be_started(),
        "own-memory" => process::look_at_its_own_memory(),
        "load" => load::ask_with_many_clients(),
        role => panic!("no role {role}"),
    }
}

fn main() -> ExitCode {
    let tests = roles::tests![
        service::a_service_serves_where_it_is_nested,
        service::a_service_serves_the_routes_it_is_given,
        service::a_service_serves_as_a_fallback,
        service::a_mounted_service_checks_the_host_only_if_asked,
        service::a_service_needs_nothing_but_hyper,
        addresses::a_server_runs_without_a_runtime_and_inside_of_one,
        addresses::servers_have_their_own_ports_and_release_them,
        addresses::other_machines_are_served_only_if_allowed,
        addresses::an_invalid_address_is_refused_with_an_example,
        hostile_clients::a_foreign_host_name_is_refused,
        hostile_clients::endless_heads_and_bodies_are_refused,
        hostile_clients::garbage_is_answered_and_breaks_nothing,
        load::a_slow_answer_blocks_nobody_and_ends_with_its_client,
        addresses::a_token_opens_an_address_to_other_machines,
        load::one_request_asks_for_all_addresses_of_a_large_profile,
        load::many_clients_get_a_profile_or_are_told_to_come_later =
            "loads all cores for 6 s (no package is needed); benches/http_load.rs measures",
        addresses::serve_from_env_follows_the_environment,
        load::a_request_is_told_to_retry_if_no_thread_can_be_started,
        process::the_server_ends_its_thread_and_its_sockets_are_not_inherited,
        process::a_forked_child_has_no_server_and_does_not_keep_the_port,
        process::profiles_leave_out_the_memory_of_the_server,
    ];
    roles::main(play, tests)
}
