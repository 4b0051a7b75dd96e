//! What sampling adds to an allocation and its free, by inner allocator and sample interval.
//!
//! ```text
//! cargo bench --bench allocation
//! ```
//!
//! The no-op inner allocator shows the wrapper alone. Times of different runs, and on a machine that does
//! other things, do not compare; the rows of one run do.

#![expect(unsafe_code, reason = "calls allocators as a collection does")]

use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use heaptide::SamplingAllocator;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    ptr,
};

/// Gives everybody the same block: one at a time may be in use.
#[derive(Clone, Copy)]
struct Nowhere;

#[repr(align(4096))]
struct Room(#[expect(dead_code, reason = "only its address is used")] [u8; 8192]);

static ROOM: Room = Room([0; 8192]);

// SAFETY: the bench has one block of at most 4096 bytes at a time, and neither reads nor writes it.
unsafe impl GlobalAlloc for Nowhere {
    #[inline]
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        ptr::from_ref(black_box(&ROOM)).cast::<u8>().cast_mut()
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        black_box(block);
    }
}

/// One allocation and its free.
#[inline]
fn pair(allocator: &impl GlobalAlloc, layout: Layout) {
    // SAFETY: the size is not 0.
    let block = unsafe { allocator.alloc(black_box(layout)) };
    // SAFETY: made by this allocator with this layout just now.
    unsafe { allocator.dealloc(black_box(block), layout) };
}

/// The inner allocator alone, then with sampling off, at the default interval, and of every allocation.
fn rows<A: GlobalAlloc + Copy>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, inner: A) {
    let layout = Layout::new::<[u64; 8]>();
    group.bench_function(format!("{name}/alone"), |bencher| {
        bencher.iter(|| pair(&inner, layout));
    });
    let sampled = SamplingAllocator::with_inner(inner);
    for (row, interval) in [("off", 0), ("512 KiB", 512 << 10), ("every", 1)] {
        heaptide::set_sample_interval(interval);
        // A thread notices within 64 MiB; this is a million allocations of 64 bytes.
        for _ in 0..1 << 21 {
            pair(&sampled, layout);
        }
        group.bench_function(format!("{name}/{row}"), |bencher| {
            bencher.iter(|| pair(&sampled, layout));
        });
    }
}

fn allocation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("64 bytes and their free");
    rows(&mut group, "no-op", Nowhere);
    rows(&mut group, "system", System);
    #[cfg(feature = "jemalloc")]
    rows(&mut group, "jemalloc", heaptide::DefaultInner {});
    group.finish();
}

criterion_group!(benches, allocation);
criterion_main!(benches);
