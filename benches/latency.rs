//! How long a snapshot makes an allocation wait, and how long a fork takes, with 100,000 live samples on
//! 20,000 stacks.
//!
//! ```text
//! cargo bench --bench latency
//! ```
//!
//! Each allocation timed is sampled. On a machine that does other things the longest ones are the
//! scheduler's: look at the row without snapshots, and at the quantiles.

#![expect(unsafe_code, reason = "forks")]

#[path = "../tests/paths/mod.rs"]
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

/// Times allocations and their frees on paths that are known, so that all shards are visited.
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

fn time_forks(label: &str) {
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let start = Instant::now();
            // SAFETY: the child calls nothing but `_exit`.
            let pid = unsafe { libc::fork() };
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
    fill();
    time_forks("fork, off from the start");
    heaptide::set_sample_interval(1);
    // This thread notices within 64 MiB.
    drop(black_box(vec![0u8; 65 << 20]));
    fill();
    let stats = heaptide::stats();
    assert!(
        stats.live_samples >= 100_000 && stats.stacks >= 20_000,
        "{stats:?}"
    );
    time_forks("fork, recording");

    time_allocations("no snapshots");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let taking = scope.spawn(|| {
            let (mut taken, mut longest) = (0, Duration::ZERO);
            while !stop.load(Ordering::Relaxed) {
                let snapshot = heaptide::snapshot().expect("a snapshot");
                longest = longest.max(snapshot.copy_duration());
                taken += 1;
            }
            (taken, longest)
        });
        time_allocations("snapshots all the time");
        stop.store(true, Ordering::Relaxed);
        let (taken, longest) = taking.join().expect("no panic");
        println!("{taken} snapshots, the longest copy took {longest:.2?}");
    });
    assert!(heaptide::stats().lost.is_nothing());
}
