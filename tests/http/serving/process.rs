//! What the server does to its process: threads, inherited sockets, forks, and memory.

use crate::{
    assert_runs, assert_succeeds, eventually,
    plain_client::{connect, get},
    process_for, profile, server, threads,
};
use heaptide::http;
use std::{
    hint::black_box,
    io::Write,
    net::TcpStream,
    panic,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// The threads of the program before, with, and after a server.
pub(crate) fn count_threads() {
    assert_eq!(threads("heaptide-http"), 0);
    let server = server();
    let address = server.local_addr();
    let mut idle = connect(address);
    idle.write_all(b"GET /debug/pprof/heap HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    profile(&get(address, "/debug/pprof/heap"));
    // A new thread has the name of its parent for a moment.
    eventually("it has one thread", || threads("heaptide-http") == 1);
    // No socket is inherited by other programs, which would keep the port in use.
    let files = Command::new("/bin/sh")
        .args(["-c", "ls -l /proc/self/fd"])
        .output();
    let files = String::from_utf8(files.unwrap().stdout).unwrap();
    assert!(
        files.contains("/fd") && !files.contains("socket:"),
        "{files}"
    );
    server.shutdown();
    eventually("its thread ends", || threads("heaptide-http") == 0);
    eventually("answers end", || threads("heaptide-answer") == 0);
}

pub(crate) fn the_server_ends_its_thread_and_its_sockets_are_not_inherited() {
    assert_runs("threads");
}

/// Waits for a forked child. Returns how it ended.
fn wait(pid: libc::pid_t) -> i32 {
    let mut status = 0;
    let start = Instant::now();
    loop {
        // SAFETY: `pid` is a child of this process and `status` a local.
        let ended = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) };
        if ended == pid {
            return status;
        }
        if start.elapsed() > Duration::from_secs(60) {
            // SAFETY: our own child, not yet waited for.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        thread::yield_now();
    }
}

pub(crate) fn fork_with_a_server() {
    let server = server();
    let address = server.local_addr();
    let mut idle = connect(address);
    idle.write_all(b"GET /debug/pprof/heap HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    // SAFETY: the children make only calls that this test checks in a child.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let result = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            // The server of the parent still answers.
            assert_eq!(get(address, "/debug/pprof/").status, 200);
            let start = Instant::now();
            drop(server);
            // At once, without the 5 s wait for a thread that does not exist in the child.
            assert!(start.elapsed() < Duration::from_secs(4));
            assert_eq!(get(address, "/debug/pprof/").status, 200);
            let own = http::serve("127.0.0.1:0").unwrap();
            profile(&get(own.local_addr(), "/debug/pprof/heap"));
            own.shutdown();
        }));
        std::process::exit(i32::from(result.is_err()));
    }
    assert_eq!(wait(pid), 0);
    profile(&get(address, "/debug/pprof/heap"));

    // This child lives on with the files that it has inherited.
    // SAFETY: as above.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        drop(writer);
        // The result does not matter: it returns when the parent closes its end.
        let _ = std::io::Read::read(&mut &reader, &mut [0]);
        std::process::exit(0);
    }
    server.shutdown();
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let again = http::serve(address).unwrap();
    assert_eq!(get(again.local_addr(), "/debug/pprof/").status, 200);
    drop(writer);
    assert_eq!(wait(pid), 0);
}

pub(crate) fn a_forked_child_has_no_server_and_does_not_keep_the_port() {
    assert_runs("fork");
}

pub(crate) fn look_at_its_own_memory() {
    let kept = black_box(vec![1u8; 1000]);
    let server = server();
    let mut last = None;
    for _ in 0..5 {
        assert_eq!(get(server.local_addr(), "/debug/pprof/").status, 200);
        last = Some(profile(&get(server.local_addr(), "/debug/pprof/allocs")));
    }
    let last = last.unwrap();
    let with = |parts: &[&str]| -> Vec<String> {
        let names = last
            .functions
            .iter()
            .map(|function| function.name.to_string());
        names
            .filter(|name| parts.iter().any(|part| name.contains(part)))
            .collect()
    };
    assert!(
        !with(&["look_at_its_own_memory"]).is_empty(),
        "the profile has the allocations of this function"
    );
    // This test itself reads profiles, by `heaptide::pprof`.
    let found = with(&["heaptide::http::", "hyper::", "tokio::"]);
    assert!(found.is_empty(), "{found:#?}");
    drop(kept);
}

pub(crate) fn profiles_leave_out_the_memory_of_the_server() {
    let mut process = process_for("own-memory");
    process.env("HEAPTIDE_SAMPLE_INTERVAL", "1");
    assert_succeeds(process);
}
