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

use std::{
    alloc::System,
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(0);

/// Over-aligned, so that a live sample takes no page of its own.
#[repr(align(32))]
struct Small(#[expect(dead_code, reason = "only its size matters")] [u8; 32]);

#[inline(never)]
fn zero(path: usize, depth: u32, kept: &mut Vec<Box<Small>>) {
    black_box(branch(path, depth, kept));
}

#[inline(never)]
fn one(path: usize, depth: u32, kept: &mut Vec<Box<Small>>) {
    black_box(branch(path, depth, kept));
}

/// Calls one of two functions for each bit of `path`: as many call stacks as paths.
fn branch(path: usize, depth: u32, kept: &mut Vec<Box<Small>>) {
    match (depth, path & 1) {
        (0, _) => kept.push(black_box(Box::new(Small([1; 32])))),
        (_, 0) => zero(path >> 1, depth - 1, kept),
        _ => one(path >> 1, depth - 1, kept),
    }
}

/// Times allocations and their frees on paths that are known, so that all shards are visited.
fn time_allocations(label: &str) {
    let mut times = Vec::with_capacity(400_000);
    let mut kept = Vec::with_capacity(1);
    for path in 0..times.capacity() {
        let start = Instant::now();
        branch(path % 20_000, 15, &mut kept);
        kept.clear();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    println!(
        "{label:<24} median {:>10.2?}  99.9 % {:>10.2?}  99.99 % {:>10.2?}  longest {:>10.2?}",
        at(0.5),
        at(0.999),
        at(0.9999),
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
    let fill = |kept: &mut Vec<Box<Small>>| {
        for path in 0..100_000 {
            branch(path % 20_000, 15, kept);
        }
    };
    let mut kept = Vec::with_capacity(200_000);
    fill(&mut kept);
    time_forks("fork, off from the start");
    heaptide::set_sample_interval(1);
    // This thread notices within 64 MiB.
    drop(black_box(vec![0u8; 65 << 20]));
    fill(&mut kept);
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
