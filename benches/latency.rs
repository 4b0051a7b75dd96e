//! Measures how long a snapshot delays an allocation, and how long a fork takes.
//!
//! There are 100,000 live samples on 20,000 stacks.
//!
//! ```text
//! cargo bench --bench latency
//! ```
//!
//! Each timed allocation is sampled. On a machine with other work the scheduler causes the longest
//! times: compare with the row without snapshots, and look at the quantiles.

#![expect(unsafe_code, reason = "forks")]

#[path = "../tests/support/paths.rs"]
mod paths;

use paths::Small;
use std::{
    alloc::System,
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(0);

/// Times allocations and their frees on known stacks, so that all shards are visited.
fn time_allocations(label: &str) {
    let mut times = Vec::with_capacity(400_000);
    for path in 0..times.capacity() {
        let time = &mut times;
        paths::walk(path % 20_000, 15, &mut || {
            let start = Instant::now();
            drop(Small::new());
            time.push(start.elapsed());
        });
    }
    times.sort_unstable();
    let worse_than = |one_in: usize| times[times.len() - 1 - times.len() / one_in];
    println!(
        "{label:<24} median {:>10.2?}  99.9 % {:>10.2?}  99.99 % {:>10.2?}  longest {:>10.2?}",
        worse_than(2),
        worse_than(1_000),
        worse_than(10_000),
        times[times.len() - 1]
    );
}

/// Seconds of processor time that the calling thread has used.
fn processor_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the time is a local.
    let got = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(got, 0);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// The system call alone, without fork handlers.
fn bare_fork() -> libc::pid_t {
    // SAFETY: as `fork`; the child calls nothing but `_exit`.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    libc::pid_t::try_from(pid).expect("a process id")
}

fn fork() -> libc::pid_t {
    // SAFETY: the child calls nothing but `_exit`.
    unsafe { libc::fork() }
}

fn time_forks(label: &str, fork: fn() -> libc::pid_t) {
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let start = Instant::now();
            let pid = fork();
            if pid == 0 {
                // SAFETY: always valid to call.
                unsafe { libc::_exit(0) };
            }
            let time = start.elapsed();
            let mut status = 0;
            // SAFETY: `pid` is a child of this process and `status` a local.
            unsafe { libc::waitpid(pid, &raw mut status, 0) };
            time
        })
        .collect();
    times.sort_unstable();
    println!(
        "{label:<24} median {:>10.2?}  longest {:>10.2?}",
        times[times.len() / 2],
        times[times.len() - 1]
    );
}

fn main() {
    let mut kept = Vec::with_capacity(200_000);
    let mut fill = || {
        for path in 0..100_000 {
            paths::walk(path % 20_000, 15, &mut || kept.push(Small::new()));
        }
    };
    heaptide::set_sample_interval(1);
    // This thread notices within 64 MiB.
    drop(black_box(vec![0u8; 65 << 20]));
    fill();
    let stats = heaptide::stats();
    assert!(
        stats.live_samples >= 100_000 && stats.stacks >= 20_000,
        "{stats:?}"
    );
    time_forks("fork, without handlers", bare_fork);
    time_forks("fork", fork);

    time_allocations("no snapshots");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let taking = scope.spawn(|| {
            let (mut taken, mut shortest) = (0, Duration::MAX);
            while !stop.load(Ordering::Relaxed) {
                let before = processor_time();
                let snapshot = heaptide::snapshot().expect("a snapshot");
                shortest = shortest.min(processor_time().saturating_sub(before));
                drop(snapshot);
                taken += 1;
            }
            (taken, shortest)
        });
        time_allocations("snapshots all the time");
        stop.store(true, Ordering::Relaxed);
        let (taken, shortest) = taking.join().expect("no panic");
        println!("{taken} snapshots; one, of 128 shards, takes {shortest:.2?} of a processor");
    });
    let stats = heaptide::stats();
    assert!(stats.lost.is_nothing(), "{stats:?}");
}
