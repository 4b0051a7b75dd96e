//! A fork while other threads allocate and free sampled blocks: the child frees what it inherited,
//! allocates, takes a profile, and so does its own child.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "forks without exec")]

use std::{
    alloc::System,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(512);

/// What a child does; its exit code.
fn live_on(inherited: &mut Vec<Vec<u8>>, depth: u32) -> i32 {
    inherited.truncate(inherited.len() / 2);
    inherited.extend((0..200).map(|i| vec![1; 1 + i * 37]));
    let Ok(snapshot) = heaptide::snapshot() else {
        return 2;
    };
    let profile = heaptide::ProfileOptions::new().raw().heap_of(&snapshot);
    if profile.samples.is_empty() || heaptide::stats().lost.frees != 0 {
        return 3;
    }
    if depth > 0 {
        return wait(fork(inherited, depth - 1));
    }
    0
}

fn fork(inherited: &mut Vec<Vec<u8>>, depth: u32) -> libc::pid_t {
    // SAFETY: the child calls only what this test is about, that it works there, and leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let code = live_on(inherited, depth);
        // SAFETY: always valid to call.
        unsafe { libc::_exit(code) };
    }
    pid
}

/// The exit code; a child that hangs is killed and fails the test.
fn wait(pid: libc::pid_t) -> i32 {
    assert!(pid > 0);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut status = 0;
        // SAFETY: `pid` is a child of this process and `status` a local.
        let ended = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) };
        if ended == pid {
            return if libc::WIFEXITED(status) {
                libc::WEXITSTATUS(status)
            } else {
                100 + libc::WTERMSIG(status)
            };
        }
        if Instant::now() > deadline {
            // SAFETY: our own child, not yet waited for.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        std::thread::yield_now();
    }
}

#[test]
fn children_of_allocating_threads_live_on() {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 0..2usize {
            let stop = &stop;
            scope.spawn(move || {
                let mut blocks: Vec<Vec<u8>> = Vec::new();
                let mut step = seed;
                while !stop.load(Ordering::Relaxed) {
                    step = step.wrapping_mul(31).wrapping_add(7);
                    blocks.push(vec![0; 1 + step % 3000]);
                    if blocks.len() > 100 {
                        blocks.drain(..50);
                    }
                }
            });
        }
        let mut inherited: Vec<Vec<u8>> = (0..400).map(|i| vec![1; 1 + i * 13]).collect();
        let codes: Vec<i32> = (0..100).map(|_| wait(fork(&mut inherited, 1))).collect();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(codes, vec![0; 100]);
    });
    assert_eq!(heaptide::stats().lost.frees, 0);
}
