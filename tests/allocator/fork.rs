//! Forks and spawned programs while other threads allocate and free sampled blocks.
//!
//! The child frees what it inherited, allocates, takes a profile, and forks a child that does the
//! same. Fork handlers of other libraries allocate, before and after heaptide's. `Command` works as
//! without heaptide.

#![cfg(target_os = "linux")]
#![expect(
    unsafe_code,
    reason = "forks without exec, and registers fork handlers"
)]

#[path = "../support/scenario.rs"]
mod scenario;

use scenario::{at_every_interval, rounds, samples_everything};
use std::{
    alloc::System,
    os::unix::process::CommandExt,
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System);

/// The work of a child. Returns its exit code.
fn live_on(inherited: &mut Vec<Vec<u8>>, depth: u32) -> i32 {
    inherited.truncate(inherited.len() / 2);
    inherited.extend((0..200).map(|i| vec![1; 1 + i * 37]));
    let Ok(snapshot) = heaptide::snapshot() else {
        return 2;
    };
    let profile = heaptide::ProfileOptions::new().raw().heap_of(&snapshot);
    if profile.samples.is_empty() && samples_everything() {
        return 3;
    }
    if heaptide::stats().lost.frees != 0 {
        return 4;
    }
    if depth > 0 {
        return wait(fork(inherited, depth - 1));
    }
    0
}

fn fork(inherited: &mut Vec<Vec<u8>>, depth: u32) -> libc::pid_t {
    // SAFETY: the child makes only calls that this test checks in a child, and ends by `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        scenario::set_alarm();
        let code = live_on(inherited, depth);
        // SAFETY: always valid to call.
        unsafe { libc::_exit(code) };
    }
    pid
}

/// The exit code, or 100 and the signal. The alarm kills a child that hangs.
fn wait(pid: libc::pid_t) -> i32 {
    assert!(pid > 0);
    let mut status = 0;
    // SAFETY: `pid` is a child of this process and `status` a local.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        100 + libc::WTERMSIG(status)
    }
}

/// Runs `work` while two threads allocate and free.
fn under_load(work: impl FnOnce()) {
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
        work();
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn children_of_allocating_threads_live_on() {
    at_every_interval("children_of_allocating_threads_live_on", || {
        under_load(|| {
            let mut inherited: Vec<Vec<u8>> = (0..400).map(|i| vec![1; 1 + i * 13]).collect();
            let codes = (0..60 * rounds()).map(|_| wait(fork(&mut inherited, 1)));
            assert!(codes.into_iter().all(|code| code == 0), "a child failed");
        });
        assert_eq!(heaptide::stats().lost.frees, 0);
    });
}

// ---- fork handlers of other libraries

/// The number of calls of the handlers below.
static HANDLED: AtomicUsize = AtomicUsize::new(0);
static ARMED: AtomicBool = AtomicBool::new(false);
/// Sampled blocks for the handlers to free.
static STOCK: std::sync::Mutex<Vec<Vec<u8>>> = std::sync::Mutex::new(Vec::new());

extern "C" fn allocate_and_free() {
    if ARMED.load(Ordering::Relaxed) {
        let mut block: Vec<u8> = vec![1; 100];
        block.resize(80_000, 2);
        block.truncate(10);
        block.shrink_to_fit();
        assert_eq!(block, [1; 10]);
        drop(STOCK.lock().unwrap().pop());
        HANDLED.fetch_add(1, Ordering::Relaxed);
    }
}

fn register_handlers() {
    let handler: unsafe extern "C" fn() = allocate_and_free;
    // SAFETY: the handlers are a function of this program.
    unsafe { libc::pthread_atfork(Some(handler), Some(handler), Some(handler)) };
}

// Registered before heaptide's handlers, which come with the first sample. Handlers run in reverse
// order before the fork and in order after it. So these run while heaptide's gate is closed.
#[used]
#[unsafe(link_section = ".init_array")]
static REGISTER_BEFORE: extern "C" fn() = {
    extern "C" fn register() {
        register_handlers();
    }
    register
};

#[test]
fn fork_handlers_of_others_may_allocate() {
    at_every_interval("fork_handlers_of_others_may_allocate", || {
        // This block is sampled at any interval, so heaptide's handlers are registered now.
        drop(std::hint::black_box(vec![1u8; 64 << 20]));
        register_handlers();
        under_load(|| {
            for _ in 0..30 * rounds() {
                STOCK
                    .lock()
                    .unwrap()
                    .extend((0..10).map(|i| vec![3; 50 + i]));
                let mut inherited: Vec<Vec<u8>> = (0..40).map(|i| vec![1; 1 + i * 13]).collect();
                ARMED.store(true, Ordering::Relaxed);
                let before = HANDLED.load(Ordering::Relaxed);
                let code = wait(fork(&mut inherited, 0));
                ARMED.store(false, Ordering::Relaxed);
                assert_eq!(code, 0);
                // Once before the fork and once after it, for each of the two.
                assert_eq!(HANDLED.load(Ordering::Relaxed), before + 4);
            }
        });
        STOCK.lock().unwrap().clear();
        let _ = heaptide::snapshot().unwrap();
        assert_eq!(heaptide::stats().lost.frees, 0);
    });
}

// ---- new programs

#[test]
fn programs_are_started_as_ever() {
    at_every_interval("programs_are_started_as_ever", || {
        let before = heaptide::stats();
        under_load(|| {
            for number in 0..20 * rounds() {
                // With `posix_spawn`, and with a fork and an exec with an allocation in between.
                let mut command = Command::new("/bin/sh");
                command.args(["-c", "exit \"$CODE\""]);
                command.env("CODE", (number % 100).to_string());
                if number % 2 == 1 {
                    // SAFETY: the inner allocator, glibc's, may be used in a forked child.
                    unsafe {
                        command.pre_exec(|| {
                            drop(std::hint::black_box(vec![1u8; 5_000]));
                            Ok(())
                        });
                    }
                }
                let status = command.status().unwrap();
                assert_eq!(status.code(), i32::try_from(number % 100).ok());
            }
        });
        let _ = heaptide::snapshot().unwrap();
        let after = heaptide::stats();
        assert_eq!(after.lost.frees, 0, "{after:?}");
        assert!(after.live_samples < before.live_samples + 100, "{after:?}");
    });
}
