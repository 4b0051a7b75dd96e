//! A program with known allocations, and the profile that it must have at interval 1.
//!
//! Test processes with different inner allocators share it.

use heaptide::Profile;
use heaptide_profile::Frame;
use std::{
    alloc::{GlobalAlloc, Layout},
    hint::black_box,
};

/// Blocks that stay allocated until the profile is taken.
pub(crate) struct Kept(#[expect(dead_code, reason = "held, not read")] Vec<Box<dyn std::any::Any>>);

#[inline(never)]
#[expect(clippy::vec_box, reason = "each block has to be an allocation")]
pub(crate) fn persistent() -> Vec<Box<[u8; 1000]>> {
    let mut blocks = Vec::with_capacity(50);
    for byte in 0..50 {
        blocks.push(black_box(Box::new([byte; 1000])));
    }
    blocks
}

#[inline(never)]
pub(crate) fn transient() {
    for byte in 0..30u8 {
        drop(black_box(vec![byte | 1; 3000]));
    }
}

#[inline(never)]
pub(crate) fn zeroed() -> Vec<Vec<u8>> {
    let mut blocks = Vec::with_capacity(20);
    for _ in 0..20 {
        let block = black_box(vec![0u8; 5000]);
        assert!(block.iter().all(|byte| *byte == 0));
        blocks.push(block);
    }
    blocks
}

/// A buffer that grows through every way in which a block can change: small to small, small to
/// large, large to large.
#[inline(never)]
pub(crate) fn grown() -> Vec<u8> {
    let mut buffer: Vec<u8> = Vec::with_capacity(100);
    buffer.extend(0..100u8);
    for capacity in [1_000, 70_000, 300_000] {
        buffer.reserve_exact(capacity - buffer.len());
        assert_eq!(buffer.capacity(), capacity);
        black_box(&buffer);
    }
    assert!(buffer.iter().copied().eq(0..100));
    buffer
}

/// A buffer that shrinks from large to small.
#[inline(never)]
pub(crate) fn shrunk() -> Vec<u8> {
    let mut buffer: Vec<u8> = Vec::with_capacity(200_000);
    buffer.extend([7; 500]);
    black_box(&buffer);
    buffer.shrink_to_fit();
    assert_eq!(buffer, [7; 500]);
    buffer
}

#[repr(align(256))]
pub(crate) struct Aligned(#[expect(dead_code, reason = "only its size matters")] [u8; 512]);

#[inline(never)]
#[expect(clippy::vec_box, reason = "each block has to be an allocation")]
pub(crate) fn over_aligned() -> Vec<Box<Aligned>> {
    let mut blocks = Vec::with_capacity(10);
    for byte in 0..10 {
        let block = black_box(Box::new(Aligned([byte; 512])));
        assert_eq!((&raw const *block).addr() % 256, 0);
        blocks.push(block);
    }
    blocks
}

#[inline(never)]
pub(crate) fn freed_by_another_thread() {
    let blocks: Vec<Vec<u8>> = (1..=40).map(|byte| black_box(vec![byte; 2000])).collect();
    std::thread::spawn(move || drop(blocks)).join().unwrap();
}

/// Runs everything. What it returns is alive afterwards.
pub(crate) fn run() -> Kept {
    transient();
    freed_by_another_thread();
    Kept(vec![
        Box::new(persistent()),
        Box::new(zeroed()),
        Box::new(grown()),
        Box::new(shrunk()),
        Box::new(over_aligned()),
    ])
}

/// Each function with its alloc_objects, alloc_space, inuse_objects, inuse_space. The vectors that
/// hold the blocks count too: pointers are 8 bytes and `Vec`s 24.
pub(crate) const EXPECTED: &[(&str, [i64; 4])] = &[
    ("::persistent", [51, 50_400, 51, 50_400]),
    ("::transient", [30, 90_000, 0, 0]),
    ("::zeroed", [21, 100_480, 21, 100_480]),
    ("::grown", [4, 371_100, 1, 300_000]),
    ("::shrunk", [2, 200_500, 1, 500]),
    ("::over_aligned", [11, 5_200, 11, 5_200]),
];

/// The sums of all samples that have a function of this name in their stack.
pub(crate) fn cumulative(profile: &Profile, function: &str) -> [i64; 4] {
    let is_in = |frame: Frame<'_>| frame.function.is_some_and(|f| f.name.ends_with(function));
    let mut sums = [0; 4];
    for sample in &profile.samples {
        if profile.frames(sample).any(is_in) {
            for (sum, value) in sums.iter_mut().zip(&sample.values) {
                *sum += value;
            }
        }
    }
    sums
}

/// Checks the exact counts of the program, null results, and that nothing is lost.
pub(crate) fn check_all(allocator: &impl GlobalAlloc) {
    check_exact_counts();
    check_null(allocator);
    let stats = heaptide::stats();
    assert!(stats.lost.is_nothing(), "{stats:?}");
}

/// Runs the program, and compares its profile with the known allocations.
fn check_exact_counts() {
    let kept = run();
    let profile = heaptide::ProfileOptions::new().heap().unwrap();
    for (function, expected) in EXPECTED {
        assert_eq!(cumulative(&profile, function), *expected, "{function}");
    }
    let sums = cumulative(&profile, "::freed_by_another_thread");
    let [objects, bytes, live_objects, live_bytes] = sums;
    // The thread's own blocks are added: its handle, its name, its packet.
    assert!((41..80).contains(&objects), "{objects}");
    assert!((80_960..90_000).contains(&bytes), "{bytes}");
    assert!(
        live_objects < 20 && live_bytes < 4_000,
        "{live_objects} {live_bytes}"
    );
    let stats = heaptide::stats();
    assert!(stats.lost.is_nothing(), "{stats:?}");
    drop(kept);

    let profile = heaptide::ProfileOptions::new().heap().unwrap();
    for (function, expected) in EXPECTED {
        let freed = [expected[0], expected[1], 0, 0];
        assert_eq!(
            cumulative(&profile, function),
            freed,
            "{function} after the frees"
        );
    }
}

/// All four methods pass null on if the inner allocator returns it, and change nothing.
#[expect(unsafe_code, reason = "calls the allocator as a collection does")]
fn check_null(allocator: &impl GlobalAlloc) {
    let impossible = Layout::from_size_align(isize::MAX as usize - 4096, 8).unwrap();
    // SAFETY: the size is not 0.
    assert!(unsafe { allocator.alloc(impossible) }.is_null());
    // SAFETY: the size is not 0.
    assert!(unsafe { allocator.alloc_zeroed(impossible) }.is_null());
    for size in [40, 100_000] {
        let layout = Layout::from_size_align(size, 8).unwrap();
        // SAFETY: the size is not 0.
        let block = unsafe { allocator.alloc(layout) };
        // SAFETY: the block has at least one byte.
        unsafe { block.write(7) };
        // SAFETY: the block was made with this layout, and the new size is not 0.
        assert!(unsafe { allocator.realloc(block, layout, impossible.size()) }.is_null());
        // SAFETY: the failed realloc left the block as it was.
        assert_eq!(unsafe { block.read() }, 7);
        // SAFETY: the block was made with this layout, and nobody uses it after this.
        unsafe { allocator.dealloc(block, layout) };
    }
}
