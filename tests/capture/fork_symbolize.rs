//! A fork while another thread symbolizes a profile.
//!
//! The child must not wait for a lock that is never unlocked. It writes a raw profile instead.

#![cfg(all(target_os = "linux", feature = "symbolize"))]
#![expect(unsafe_code, reason = "forks without exec")]

use std::{
    alloc::System,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(512);

/// The exit code of a child that takes a profile, or minus the signal that killed it.
///
/// It is killed if it hangs.
fn profile_in_child() -> i32 {
    // SAFETY: the child makes only calls that this test checks in a child, and ends by `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let profile = heaptide::ProfileOptions::new().heap();
        let code = i32::from(profile.is_ok_and(|profile| !profile.samples.is_empty()));
        // SAFETY: always valid to call.
        unsafe { libc::_exit(code) };
    }
    assert!(pid > 0);
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        let mut status = 0;
        // SAFETY: `pid` is a child of this process and `status` a local.
        let ended = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) };
        if ended == pid {
            return if libc::WIFEXITED(status) {
                libc::WEXITSTATUS(status)
            } else {
                -libc::WTERMSIG(status)
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
fn a_child_does_not_wait_for_the_symbolizer_of_its_parent() {
    let kept: Vec<Vec<u8>> = (0..200).map(|size| vec![1; 100 + size]).collect();
    let stop = AtomicBool::new(false);
    let ready = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                ready.store(true, Ordering::Relaxed);
                let _ = heaptide::ProfileOptions::new().heap().unwrap();
            }
        });
        while !ready.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        let codes: Vec<i32> = (0..20).map(|_| profile_in_child()).collect();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(codes, [1; 20]);
    });
    drop(kept);
}
