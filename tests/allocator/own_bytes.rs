//! The process grows by what `stats()` says that the profiler takes.

#![cfg(feature = "jemalloc")]

use std::{fs, hint::black_box};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new().sample_interval(0);

const BLOCKS: usize = 100_000;

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// How much the process grows, and how much of that the profiler states as its own, while `BLOCKS`
/// blocks of 100 bytes are made and kept.
#[expect(clippy::vec_box, reason = "the boxes are what is measured")]
fn growth(kept: &mut Vec<Box<[u8; 100]>>) -> (u64, u64) {
    let own = || heaptide::stats().overhead_bytes.unwrap();
    let (resident_before, own_before) = (resident(), own());
    kept.extend((0..BLOCKS).map(|_| black_box(Box::new([1; 100]))));
    (resident() - resident_before, own() - own_before)
}

#[test]
fn overhead_bytes_are_the_growth_of_the_process() {
    let mut kept = vec![Box::new([1; 100]); 3 * BLOCKS];
    kept.clear();
    let (plain, own) = growth(&mut kept);
    assert_eq!(own, 0, "recording is off");

    heaptide::set_sample_interval(1);
    // A thread sees a new interval at the end of its gap.
    while heaptide::stats().samples == 0 {
        black_box(vec![1u8; 1 << 20]);
    }
    let (sampled, own) = growth(&mut kept);
    assert!(heaptide::stats().live_samples >= BLOCKS as u64);
    assert!(own > 500 * BLOCKS as u64, "{own}");
    let real = sampled - plain;
    // Blocks of 112 bytes become ones of 1024. Besides, jemalloc keeps runs of its own, and tables
    // that grew leave their old places behind. 25 % is far from the factor that a forgotten part
    // would be.
    assert!(real.abs_diff(own) < own / 4, "{real} {own}");
}
