//! A service whose requests never take the same path twice.
//!
//! Call stacks are endlessly new. Most blocks are freed with the request, and some are kept. The
//! tables stay within the stated size, totals stay right, and blocks without a stack of their own
//! are counted.
//!
//! With the optimizer, and with `HEAPTIDE_TEST_ROUNDS` above 5, it exceeds the cap of the stack
//! table.

#[path = "../support/paths.rs"]
mod paths;
#[path = "../support/scenario.rs"]
mod scenario;

use heaptide::SamplingAllocator;
use scenario::rounds;
use std::alloc::System;

#[global_allocator]
static GLOBAL: SamplingAllocator<System> = SamplingAllocator::with_inner(System).sample_interval(1);

/// The stack table's cap, as docs/allocator-rules.md states it.
const MOST_STACKS: u64 = 1 << 20;

/// The most addresses of a stack here.
const MOST_ADDRESSES: u64 = if cfg!(debug_assertions) { 70 } else { 40 };

/// The stated bytes for these entries. Each table has two places at worst, while it doubles. A
/// stack has 8 bytes for each address. A live block has nothing more, since over-aligned blocks
/// have no mark. Besides, `others` may have 1 KiB each, and there are the tables of a program that
/// has hardly begun.
fn stated_bytes(stats: &heaptide::Stats, others: u64) -> u64 {
    let stack = 2 * 65 + MOST_ADDRESSES * 8;
    let live = 2 * 33;
    stats.stacks * stack + stats.live_samples * live + others * 1100 + (128 << 10)
}

#[test]
fn memory_stays_under_the_documented_limit() {
    let in_all = if cfg!(debug_assertions) { 1 } else { 6 };
    let requests = 200_000 * rounds().max(in_all);
    let mut kept = Vec::with_capacity(5_000);
    let before = heaptide::stats();
    for request in 0..requests {
        paths::walk(request, 21, &mut || {
            let block = paths::Small::new();
            if kept.len() < kept.capacity() {
                kept.push(block);
            }
        });
        if request % 10_000 == 0 {
            let stats = heaptide::stats();
            let others = stats.live_samples - kept.len() as u64;
            let bytes = stats.overhead_bytes.unwrap();
            let stated = stated_bytes(&stats, others);
            assert!(bytes < stated, "{stated} {stats:?}");
            kept.clear();
            // One more for each thread, and the reserved one.
            assert!(stats.stacks <= MOST_STACKS + 100, "{stats:?}");
        }
    }
    drop(kept);
    let stats = heaptide::stats();
    println!("{stats:?}");
    assert!(stats.samples >= before.samples + requests as u64);
    assert_eq!(
        (stats.lost.samples, stats.lost.live, stats.lost.frees),
        (0, 0, 0)
    );
    let past_the_cap = (before.stacks + requests as u64).saturating_sub(MOST_STACKS);
    assert!(
        stats.lost.stacks.abs_diff(past_the_cap) < 1_000,
        "{stats:?}"
    );
    assert!(stats.live_samples < before.live_samples + 100, "{stats:?}");
    if stats.lost.stacks > 0 {
        let profile = heaptide::ProfileOptions::new().raw().allocs().unwrap();
        let said = profile
            .comments
            .iter()
            .any(|c| c.contains("without their own stack"));
        assert!(said, "{:?}", profile.comments);
        let names: Vec<_> = profile.functions.iter().map(|f| &*f.name).collect();
        assert!(names.contains(&"[stack table full]"), "{names:?}");
    }
}
