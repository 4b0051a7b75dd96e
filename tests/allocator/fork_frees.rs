//! Frees of sampled blocks by other threads during a slow fork.
//!
//! There are more of them than slots for deferred frees, and none is lost.

#![cfg(target_os = "linux")]
#![expect(
    unsafe_code,
    reason = "registers a fork handler, and forks without exec"
)]

use std::{
    alloc::System,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(1);

const BLOCKS: usize = 2000;

static ARMED: AtomicBool = AtomicBool::new(false);
static UNDER_WAY: AtomicBool = AtomicBool::new(false);
static FREED: AtomicUsize = AtomicUsize::new(0);

// Registered before any allocation, so that heaptide's handlers come later. Of the handlers that
// prepare a fork the last one registered runs first. So this one runs when heaptide's has closed
// the gate.
#[used]
#[unsafe(link_section = ".init_array")]
static REGISTER: extern "C" fn() = {
    extern "C" fn register() {
        // SAFETY: the handler is a function of this program.
        unsafe { libc::pthread_atfork(Some(delay), None, None) };
    }
    register
};

/// Holds the fork up until the other thread has done more than 256 frees, or is waiting.
extern "C" fn delay() {
    if ARMED.load(Ordering::Relaxed) {
        UNDER_WAY.store(true, Ordering::Release);
        let start = Instant::now();
        while FREED.load(Ordering::Relaxed) < BLOCKS && start.elapsed() < Duration::from_millis(50)
        {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_slow_fork_loses_no_free() {
    let before = heaptide::stats();
    let blocks: Vec<Vec<u8>> = (0..BLOCKS).map(|size| vec![1; 1 + size]).collect();
    assert!(heaptide::stats().live_samples > before.live_samples + BLOCKS as u64);
    ARMED.store(true, Ordering::Relaxed);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !UNDER_WAY.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            for block in blocks {
                drop(block);
                FREED.fetch_add(1, Ordering::Relaxed);
            }
        });
        // SAFETY: the child calls nothing but `_exit`.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: always valid to call.
            unsafe { libc::_exit(0) };
        }
        let mut status = 0;
        // SAFETY: `pid` is a child of this process and `status` a local.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    });
    assert!(UNDER_WAY.load(Ordering::Relaxed));
    assert_eq!(FREED.load(Ordering::Relaxed), BLOCKS);
    // Deferred frees are done before a snapshot.
    let _ = heaptide::snapshot().unwrap();
    let stats = heaptide::stats();
    assert_eq!(stats.lost.frees, 0, "{stats:?}");
    assert!(stats.live_samples < before.live_samples + 50, "{stats:?}");
}
