//! Allocation wherever a thread can be, at every interval, while snapshots are taken.
//!
//! The places are: before `main`, in thread-exit destructors and after them, in thousands of short
//! threads, with frees by other threads, under an application's own locks, and beside a CPU
//! profiler.

#![cfg(target_os = "linux")]
#![expect(
    unsafe_code,
    reason = "registers a constructor and thread-exit destructors"
)]

#[path = "../support/scenario.rs"]
mod scenario;

use heaptide::{SamplingAllocator, Stats};
use scenario::{at_every_interval, rounds, samples_everything};
use std::{
    ffi::c_void,
    hint::black_box,
    ptr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
};

#[cfg(not(feature = "jemalloc"))]
type Inner = std::alloc::System;
#[cfg(not(feature = "jemalloc"))]
const INNER: Inner = std::alloc::System;
#[cfg(feature = "jemalloc")]
type Inner = heaptide::DefaultInner;
#[cfg(feature = "jemalloc")]
const INNER: Inner = heaptide::DefaultInner {};

#[global_allocator]
static GLOBAL: SamplingAllocator<Inner> = SamplingAllocator::with_inner(INNER);

/// Blocks that other tests make in their threads are live too. A leak of one for each thread would
/// be far more.
const SLACK: u64 = 100;

/// Everything sampled since `before` is freed, and nothing was lost that could be kept.
fn assert_all_freed(before: Stats) {
    let after = heaptide::stats();
    scenario::assert_hardly_lost(after);
    assert!(
        after.live_samples < before.live_samples + SLACK,
        "{before:?} {after:?}"
    );
}

/// Blocks of all kinds: small, large and over-aligned, grown and shrunk.
fn work(seed: usize) -> Vec<Vec<u8>> {
    #[repr(align(256))]
    struct Aligned([u8; 300]);
    let aligned = black_box(Box::new(Aligned([1; 300])));
    assert_eq!((&raw const *aligned).addr() % 256, 0);
    let byte = u8::try_from(seed % 200).unwrap() + 1;
    let mut blocks: Vec<Vec<u8>> = (0..4).map(|i| vec![byte; 1 + 40 * i + seed % 7]).collect();
    blocks.push(black_box(vec![0; 70_000 + seed % 100]));
    if let Some(first) = blocks.first_mut() {
        first.resize(3_000, byte);
        first.resize(90_000, byte);
        first.truncate(50);
        first.shrink_to_fit();
    }
    assert_eq!(aligned.0[299], 1);
    check(&blocks, byte);
    blocks
}

fn check(blocks: &[Vec<u8>], byte: u8) {
    for block in blocks {
        let expected = if block.len() >= 70_000 { 0 } else { byte };
        assert!(block.iter().step_by(97).all(|found| *found == expected));
    }
}

// ---- before main

static BEFORE_MAIN: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static SAMPLES_BEFORE_MAIN: AtomicU64 = AtomicU64::new(0);

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = {
    extern "C" fn construct() {
        let mut kept = BEFORE_MAIN.lock().unwrap();
        for i in 0..100 {
            kept.push(vec![7; 1_000 + i]);
        }
        let thread = std::thread::spawn(|| work(5).len());
        kept.push(vec![7; thread.join().unwrap()]);
        SAMPLES_BEFORE_MAIN.store(heaptide::stats().samples, Ordering::Relaxed);
    }
    construct
};

#[test]
fn before_main() {
    at_every_interval("before_main", || {
        let before = heaptide::stats();
        let kept = std::mem::take(&mut *BEFORE_MAIN.lock().unwrap());
        assert_eq!(kept.len(), 101);
        assert!(kept.iter().flatten().all(|byte| *byte == 7));
        let samples = SAMPLES_BEFORE_MAIN.load(Ordering::Relaxed);
        assert!(samples > 100 || !samples_everything(), "{samples}");
        let _ = heaptide::snapshot().unwrap();
        drop(kept);
        let freed = before.live_samples - heaptide::stats().live_samples;
        // The test harness, on its own thread, may allocate a little meanwhile.
        assert!(freed >= 90 || !samples_everything(), "{freed}");
        assert_all_freed(before);
    });
}

// ---- thread exit

static DROPPED: AtomicUsize = AtomicUsize::new(0);
static DESTROYED: AtomicUsize = AtomicUsize::new(0);

/// Dropped as its thread exits. It works then, and on what was made before.
struct AtExit(Vec<Vec<u8>>);

impl Drop for AtExit {
    fn drop(&mut self) {
        check(&self.0, 4);
        self.0.extend(work(3));
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

thread_local! {
    static AT_EXIT: AtExit = AtExit(work(3));
}

/// Called as a thread exits, after Rust's destructors, which glibc runs first. It is called again
/// each time it sets the key's value anew, up to four times.
unsafe extern "C" fn destroy(value: *mut c_void) {
    // SAFETY: the values of the key are boxed vectors, and each is passed here once.
    let mut blocks = *unsafe { Box::from_raw(value.cast::<Vec<Vec<u8>>>()) };
    check(&blocks, 9);
    let times = DESTROYED.fetch_add(1, Ordering::Relaxed);
    blocks.extend(work(8));
    if !times.is_multiple_of(3) {
        let next = Box::into_raw(Box::new(blocks)).cast();
        // SAFETY: the key exists.
        assert_eq!(unsafe { libc::pthread_setspecific(key(), next) }, 0);
    }
}

fn key() -> libc::pthread_key_t {
    static KEY: std::sync::OnceLock<libc::pthread_key_t> = std::sync::OnceLock::new();
    *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: the key is a local, and the destructor accepts the values that are set below.
        let made = unsafe { libc::pthread_key_create(&raw mut key, Some(destroy)) };
        assert_eq!(made, 0);
        key
    })
}

#[test]
fn thread_exit() {
    at_every_interval("thread_exit", || {
        let _ = key();
        let before = heaptide::stats();
        let threads = 150 * rounds();
        for _ in 0..threads {
            let thread = std::thread::spawn(|| {
                AT_EXIT.with(|at_exit| check(&at_exit.0, 4));
                let value = Box::into_raw(Box::new(work(8))).cast();
                // SAFETY: the key exists.
                assert_eq!(unsafe { libc::pthread_setspecific(key(), value) }, 0);
            });
            thread.join().unwrap();
        }
        assert_eq!(DROPPED.load(Ordering::Relaxed), threads);
        assert!(DESTROYED.load(Ordering::Relaxed) > threads + threads / 2);
        assert_all_freed(before);
    });
}

// ---- short threads, frees by other threads, snapshots in a loop

/// Takes snapshots until told to stop. Each live sample finds its stack with sums, and what was
/// ever allocated does not fall.
fn watch(stop: &AtomicBool) -> usize {
    let (mut taken, mut allocated) = (0, 0);
    // At least one, in case this thread begins after the others have ended.
    while !stop.load(Ordering::Relaxed) || taken == 0 {
        let snapshot = heaptide::snapshot().unwrap();
        let profile = heaptide::ProfileOptions::new().raw().heap_of(&snapshot);
        let total = |value: usize| -> i64 { profile.samples.iter().map(|s| s.values[value]).sum() };
        if samples_everything() {
            // It would be less if a live sample had no stack, or a stack had more live samples than
            // it ever had.
            assert_eq!(usize::try_from(total(2)), Ok(snapshot.live_samples()));
        }
        let sum = total(1);
        assert!(sum >= allocated, "{sum} {allocated}");
        allocated = sum;
        taken += 1;
    }
    taken
}

#[test]
fn short_threads_under_snapshots() {
    at_every_interval("short_threads_under_snapshots", || {
        let before = heaptide::stats();
        let stop = AtomicBool::new(false);
        let (sender, receiver) = mpsc::channel::<Vec<Vec<u8>>>();
        std::thread::scope(|scope| {
            let watching = scope.spawn(|| watch(&stop));
            let freeing = scope.spawn(move || {
                let mut freed = 0;
                for blocks in receiver {
                    freed += blocks.len();
                }
                freed
            });
            let spawners: Vec<_> = (0..4)
                .map(|spawner| {
                    let sender = sender.clone();
                    scope.spawn(move || {
                        for i in 0..500 * rounds() {
                            let sender = sender.clone();
                            let thread = std::thread::spawn(move || {
                                let mut blocks = work(spawner * 50 + i % 50);
                                blocks.truncate(3);
                                sender.send(blocks).unwrap();
                            });
                            thread.join().unwrap();
                        }
                    })
                })
                .collect();
            drop(sender);
            for spawner in spawners {
                spawner.join().unwrap();
            }
            assert_eq!(freeing.join().unwrap(), 4 * 500 * 3 * rounds());
            stop.store(true, Ordering::Relaxed);
            assert!(watching.join().unwrap() > 0);
        });
        assert_all_freed(before);
    });
}

// ---- the locks of an application

/// The program that hung about once in a hundred starts when the recording side locked DashMap's
/// shards by its blocking methods. Threads contend on a lock of `parking_lot`. Its table of parked
/// threads grows, and allocates, while it holds its buckets. A sample taken there waited for a
/// shard in that very table. With `shard.write()` in `shards.rs` this test hangs, and the alarm
/// ends it.
#[test]
fn contention_on_the_applications_locks() {
    if scenario::is_child() {
        let lock = parking_lot::Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for seed in 0..200usize {
                let lock = &lock;
                scope.spawn(move || {
                    for step in 0..20 {
                        let mut kept = lock.lock();
                        kept.push(vec![1u8; 1 + (seed * 31 + step * 7) % 300]);
                        if kept.len() > 100 {
                            kept.drain(..50);
                        }
                    }
                });
            }
        });
        scenario::assert_hardly_lost(heaptide::stats());
        return;
    }
    for _ in 0..20 * rounds() {
        scenario::in_own_process(
            "contention_on_the_applications_locks",
            &[("HEAPTIDE_SAMPLE_INTERVAL", "1")],
        );
    }
}

// ---- beside a CPU profiler

/// The processor time of this process, in seconds.
fn processor_seconds() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the time is a local.
    let got =
        unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, ptr::from_mut(&mut time)) };
    assert_eq!(got, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[test]
fn beside_a_cpu_profiler() {
    at_every_interval("beside_a_cpu_profiler", || {
        let guard = pprof::ProfilerGuardBuilder::default()
            .frequency(997)
            // As its documentation says: it cannot unwind from these.
            .blocklist(&["libc", "libgcc", "pthread", "vdso"])
            .build()
            .unwrap();
        // It looked up names, whose cache stays.
        let before = heaptide::stats();
        let load = |seconds: f64| {
            let until = processor_seconds() + seconds;
            std::thread::scope(|scope| {
                for seed in 0..3 {
                    scope.spawn(move || {
                        while processor_seconds() < until {
                            let blocks = work(seed);
                            drop(black_box(blocks));
                        }
                    });
                }
            });
        };
        load(0.7 * rounds() as f64);
        // 700 at best. Blocklisted ones are left out, and a kernel that ticks a hundred times a
        // second gives a tenth. Then the test takes longer.
        let sampled = || -> isize {
            let report = guard.report().build_unresolved().unwrap();
            report.data.values().sum()
        };
        let enough = (0..100).any(|_| {
            sampled() > 20 || {
                load(0.2);
                false
            }
        });
        assert!(enough, "{} samples", sampled());
        drop(guard);
        let heap = heaptide::ProfileOptions::new().raw().heap().unwrap();
        assert!(!heap.samples.is_empty() || !samples_everything());
        assert_all_freed(before);
    });
}
