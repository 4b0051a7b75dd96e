//! `mark_small(false)` in a program that frees blocks by the wrong allocator.
//!
//! The program works as it does without heaptide. The stats and every profile say that small blocks
//! are not covered. With marks such a program dies, as the documentation says.

#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![expect(unsafe_code, reason = "frees blocks behind the allocator's back")]

#[path = "../support/scenario.rs"]
mod scenario;

use heaptide::SamplingAllocator;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    os::unix::process::ExitStatusExt,
};

#[global_allocator]
static GLOBAL: SamplingAllocator<System> = SamplingAllocator::with_inner(System)
    .sample_interval(1)
    .mark_small(false);

/// The default.
static MARKING: SamplingAllocator<System> = SamplingAllocator::with_inner(System);

#[repr(align(64))]
struct Aligned(#[expect(dead_code, reason = "only its size matters")] [u8; 64]);

#[test]
fn small_blocks_are_left_alone_and_everything_says_so() {
    let before = heaptide::stats();
    assert!(before.small_unsampled);
    let small: Vec<Box<[u8; 100]>> = (0..500).map(|_| black_box(Box::new([1; 100]))).collect();
    let marked = small
        .iter()
        .filter(|block| (&raw const ***block).addr() & 0x3ff == 0x30);
    assert!(marked.count() < 50, "most small blocks have no mark");
    for block in small {
        // SAFETY: the system's allocator made it by `malloc`. This is the mistake that must do no
        // harm here.
        unsafe { libc::free(Box::into_raw(block).cast()) };
    }
    let large = black_box(vec![1u8; 64 << 10]);
    let aligned = black_box(Box::new(Aligned([1; 64])));
    // Down to a small one and up again, across the limit.
    let mut moved = black_box(vec![1u8; 70_000]);
    moved.truncate(100);
    moved.shrink_to_fit();
    moved.reserve_exact(90_000);

    let snapshot = heaptide::snapshot().unwrap();
    let profile = heaptide::ProfileOptions::new().raw().heap_of(&snapshot);
    let sizes = profile.samples.iter().filter(|sample| sample.values[2] > 0);
    let sizes: Vec<i64> = sizes
        .map(|sample| sample.values[3] / sample.values[2])
        .collect();
    for size in [64 << 10, 64, 90_100] {
        assert!(sizes.contains(&size), "{size} of {sizes:?}");
    }
    // The test harness has some over-aligned ones too, but less than 500.
    assert!(heaptide::stats().samples < 100);
    let said = profile
        .comments
        .iter()
        .find(|c| c.contains("mark_small(false)"));
    assert!(said.unwrap().contains("64 KiB"), "{:?}", profile.comments);
    let top = heaptide_profile::report::Top::new(profile.sample_type_at(3).unwrap());
    let text = top.text(&heaptide_profile::report::Text::default());
    assert!(text.contains("mark_small(false)"), "{text}");
    let stats = heaptide::stats();
    assert!(stats.lost.is_nothing(), "{stats:?}");
    drop((large, aligned, moved));
}

#[test]
fn a_marked_block_that_is_freed_behind_our_back_ends_as_documented() {
    const TEST: &str = "a_marked_block_that_is_freed_behind_our_back_ends_as_documented";
    if scenario::is_child() {
        // SAFETY: the size is not 0.
        let block = unsafe { MARKING.alloc(Layout::new::<[u8; 100]>()) };
        println!("the block is at {block:p}");
        // SAFETY: none; this is the mistake.
        unsafe { libc::free(block.cast()) };
        return;
    }
    let output = scenario::start(TEST, &[]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let address = stdout
        .lines()
        .find_map(|line| line.split_once("the block is at "));
    let address = address.unwrap().1.trim().trim_start_matches("0x");
    let address = usize::from_str_radix(address, 16).unwrap();
    assert_eq!(address & 0x3ff, 0x30, "{stdout}");
    assert_eq!(
        output.status.signal(),
        Some(libc::SIGABRT),
        "{stdout} {stderr}"
    );
    let said = ["free(): invalid pointer", "munmap_chunk(): invalid pointer"];
    assert!(said.iter().any(|text| stderr.contains(text)), "{stderr}");
}
