//! Measures the time that sampling adds, by work, inner allocator and sample interval.
//!
//! ```text
//! cargo bench --bench allocation
//! ```
//!
//! The no-op inner allocator shows the wrapper alone; it cannot grow a block. Compare only the rows
//! of one group: times differ between runs, and on a machine with other work. `benches/rivals`
//! compares with other profilers and counts instructions. Its JSON and vectors need a global
//! allocator, so they are not here.

#![expect(unsafe_code, reason = "calls allocators as a collection does")]

#[expect(
    unreachable_pub,
    reason = "public in the package that it is shared with"
)]
#[path = "rivals/src/frames.rs"]
mod frames;
#[expect(
    unreachable_pub,
    reason = "public in the package that it is shared with"
)]
#[path = "rivals/src/random.rs"]
mod random;

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use heaptide::SamplingAllocator;
use random::Random;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    ptr,
    sync::mpsc::sync_channel,
    thread,
    time::Duration,
};

/// The number of operations of one measured call.
const OPERATIONS: u64 = 20_000;

/// Returns the same block for every request, for work that never touches its blocks.
#[derive(Clone, Copy)]
struct Nowhere;

#[repr(align(4096))]
struct Room(#[expect(dead_code, reason = "only its address is used")] [u8; 4096]);

static ROOM: Room = Room([0; 4096]);

// SAFETY: the work that uses it never reads or writes a block, and never reallocates one, which
// could copy. So it does not matter that all blocks are the same.
unsafe impl GlobalAlloc for Nowhere {
    #[inline]
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        ptr::from_ref(black_box(&ROOM)).cast::<u8>().cast_mut()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of this method.
        unsafe { self.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        black_box(block);
    }
}

/// A block of an allocator, freed on drop.
struct Block<'a, A: GlobalAlloc> {
    allocator: &'a A,
    address: *mut u8,
    layout: Layout,
}

// SAFETY: a block belongs to its owner alone, and an allocator may be called from any thread.
unsafe impl<A: GlobalAlloc + Sync> Send for Block<'_, A> {}

impl<'a, A: GlobalAlloc> Block<'a, A> {
    #[inline]
    fn new(allocator: &'a A, bytes: usize, is_zeroed: bool) -> Self {
        let layout = Layout::from_size_align(bytes, 8).expect("it is small");
        let address = if is_zeroed {
            // SAFETY: no work asks for 0 bytes.
            unsafe { allocator.alloc_zeroed(layout) }
        } else {
            // SAFETY: as above.
            unsafe { allocator.alloc(layout) }
        };
        Self {
            allocator,
            address: black_box(address),
            layout,
        }
    }

    #[inline]
    fn grow(&mut self, bytes: usize) {
        // SAFETY: made by this allocator with this layout; the new size is not 0.
        let grown = unsafe { self.allocator.realloc(self.address, self.layout, bytes) };
        self.address = black_box(grown);
        self.layout = Layout::from_size_align(bytes, 8).expect("it is small");
    }
}

impl<A: GlobalAlloc> Drop for Block<'_, A> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: made by this allocator with this layout, and no other owner has it.
        unsafe { self.allocator.dealloc(self.address, self.layout) }
    }
}

/// One block at a time.
fn pairs(allocator: &impl GlobalAlloc) -> u64 {
    for _ in 0..OPERATIONS {
        drop(Block::new(allocator, black_box(64), false));
    }
    OPERATIONS
}

/// 1,000 blocks of 16 to 527 bytes; each operation replaces a random one.
fn churn(allocator: &impl GlobalAlloc) -> u64 {
    const SLOTS: usize = 1000;
    let mut random = Random::new(0);
    let mut blocks: Vec<_> = (0..SLOTS).map(|_| None).collect();
    for _ in 0..OPERATIONS {
        let block = Block::new(allocator, 16 + random.below(512), false);
        blocks[random.below(SLOTS)] = Some(block);
    }
    OPERATIONS
}

/// Blocks that another thread frees, handed over a thousand at a time.
fn cross_thread(allocator: &(impl GlobalAlloc + Sync)) -> u64 {
    let mut random = Random::new(0);
    let (sender, receiver) = sync_channel::<Vec<Block<'_, _>>>(2);
    thread::scope(|scope| {
        scope.spawn(move || receiver.into_iter().for_each(drop));
        for _ in 0..OPERATIONS / 1000 {
            let block = |_| Block::new(allocator, 16 + random.below(512), false);
            sender
                .send((0..1000).map(block).collect())
                .expect("the other thread listens");
        }
        drop(sender);
    });
    OPERATIONS
}

/// A vector that doubles from 64 bytes to 64 KiB, again and again.
fn growing(allocator: &impl GlobalAlloc) -> u64 {
    const DOUBLINGS: u32 = 10;
    for _ in 0..OPERATIONS / u64::from(DOUBLINGS) {
        let mut block = Block::new(allocator, 64, false);
        for doubling in 1..=DOUBLINGS {
            block.grow(64 << doubling);
        }
    }
    OPERATIONS
}

/// Zeroed buffers of 64 bytes to 4 KiB.
fn zeroed(allocator: &impl GlobalAlloc) -> u64 {
    let mut random = Random::new(0);
    for _ in 0..OPERATIONS {
        drop(Block::new(allocator, 64 << random.below(7), true));
    }
    OPERATIONS
}

fn churn_under_frames(allocator: &impl GlobalAlloc) -> u64 {
    frames::under_forty(&mut || churn(allocator))
}

fn churn_twice(allocator: &(impl GlobalAlloc + Sync)) -> u64 {
    thread::scope(|scope| {
        let other = scope.spawn(|| churn(allocator));
        churn(allocator) + other.join().expect("churn does not panic")
    })
}

/// The inner allocator alone, then with sampling off and at the default interval.
fn rows<A: GlobalAlloc + Copy + Sync>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    inner: A,
    alone: impl Fn(&A) -> u64,
    work: impl Fn(&SamplingAllocator<A>) -> u64,
) {
    group.bench_function(format!("{name}/alone"), |bencher| {
        bencher.iter(|| alone(&inner));
    });
    let sampled = SamplingAllocator::with_inner(inner);
    for (row, interval) in [("off", 0), ("512 KiB", 512 << 10)] {
        heaptide::set_sample_interval(interval);
        // A thread notices within 64 MiB; this is more.
        for _ in 0..2048 {
            drop(Block::new(&sampled, 60 << 10, false));
        }
        group.bench_function(format!("{name}/{row}"), |bencher| {
            bencher.iter(|| work(&sampled));
        });
    }
}

fn allocation(criterion: &mut Criterion) {
    macro_rules! group {
        ($name:literal, $work:ident $(, $inner:ident)?) => {
            let mut group = criterion.benchmark_group($name);
            group.throughput(Throughput::Elements(OPERATIONS));
            $(rows(&mut group, "no-op", $inner, $work, $work);)?
            rows(&mut group, "system", System, $work, $work);
            #[cfg(feature = "jemalloc")]
            rows(
                &mut group,
                "jemalloc",
                heaptide::DefaultInner {},
                $work,
                $work,
            );
            group.finish();
        };
    }
    group!("64 bytes and their free", pairs, Nowhere);
    group!("churn", churn, Nowhere);
    group!("churn under 40 frames", churn_under_frames, Nowhere);
    group!("churn on 2 threads", churn_twice, Nowhere);
    group!("cross-thread free", cross_thread, Nowhere);
    group!("growing", growing);
    group!("zeroed", zeroed, Nowhere);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20);
    targets = allocation
}
criterion_main!(benches);
