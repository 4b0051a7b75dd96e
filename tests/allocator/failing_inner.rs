//! An inner allocator that fails at random.
//!
//! Each of the four methods may return null: for the program's blocks, for marked ones, and for the
//! profiler's own tables. Content and counts stay right, losses are counted, and nothing aborts.
//! Each block goes back with the layout it was made with. The test runs at every interval.

#![expect(unsafe_code, reason = "is an allocator, and calls one")]

#[path = "../support/scenario.rs"]
mod scenario;
mod shadow;

use scenario::{at_every_interval, rounds, samples_everything};
use shadow::Shadow;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<Failing> =
    heaptide::SamplingAllocator::with_inner(Failing).sample_interval(1);

/// The system's allocator. It fails as [`FAILS`] says, and checks the blocks that come back to it.
struct Failing;

thread_local! {
    /// How many of 256 calls of this thread fail. Threads outside of the test do not fail.
    static FAILS: Cell<u64> = const { Cell::new(0) };
    static RANDOM: Cell<u64> = const { Cell::new(0) };
}

static FAILED: AtomicUsize = AtomicUsize::new(0);
static FAILED_MARKED: AtomicUsize = AtomicUsize::new(0);
static SHADOW: Shadow = Shadow::new();

fn fails(layout: Layout) -> bool {
    let mut x = RANDOM.get();
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    RANDOM.set(x);
    let fails = x >> 56 < FAILS.get() || fails_by_number(layout);
    if fails {
        FAILED.fetch_add(1, Ordering::Relaxed);
        if layout.align() == 1024 {
            FAILED_MARKED.fetch_add(1, Ordering::Relaxed);
        }
    }
    fails
}

/// The blocks that only DashMap's constructor asks for in this program. The environment says for
/// which of them, counted from 0, there is no memory.
const CONSTRUCTORS: Layout = match Layout::from_size_align(64 * 128, 128) {
    Ok(layout) => layout,
    Err(_) => panic!("a power of two"),
};
const NUMBER: &std::ffi::CStr = c"FAIL_CONSTRUCTORS_BLOCK";
static CONSTRUCTORS_BLOCKS: AtomicUsize = AtomicUsize::new(0);

fn fails_by_number(layout: Layout) -> bool {
    if layout != CONSTRUCTORS {
        return false;
    }
    let number = CONSTRUCTORS_BLOCKS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the name is a C string, and nobody changes the environment.
    let wanted = unsafe { libc::getenv(NUMBER.as_ptr()) };
    // SAFETY: `getenv` returns null or a C string.
    !wanted.is_null() && usize::try_from(unsafe { libc::atoi(wanted) }) == Ok(number)
}

// SAFETY: every block is the system's.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if fails(layout) {
            return ptr::null_mut();
        }
        // SAFETY: what our caller promises.
        SHADOW.made(unsafe { System.alloc(layout) }, layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if fails(layout) {
            return ptr::null_mut();
        }
        // SAFETY: what our caller promises.
        SHADOW.made(unsafe { System.alloc_zeroed(layout) }, layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if SHADOW.gone(block, layout) {
            // SAFETY: what our caller promises.
            unsafe { System.dealloc(block, layout) };
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if fails(layout) || !SHADOW.gone(block, layout) {
            return ptr::null_mut();
        }
        // SAFETY: what our caller promises.
        let new_block = unsafe { System.realloc(block, layout, new_size) };
        // SAFETY: our caller promises that the new size makes a layout.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        if new_block.is_null() {
            SHADOW.made(block, layout);
            return new_block;
        }
        SHADOW.made(new_block, new_layout)
    }
}

/// Calls the profiled allocator while its inner one fails `fails` of 256 calls.
fn failing<R>(fails: u64, call: impl FnOnce() -> R) -> R {
    FAILS.set(fails);
    let result = call();
    FAILS.set(0);
    result
}

/// A block of the test, filled with its own pattern.
struct Block {
    address: *mut u8,
    layout: Layout,
    seed: usize,
}

impl Block {
    #[expect(clippy::cast_possible_truncation, reason = "low bits make the pattern")]
    fn pattern(&self, index: usize) -> u8 {
        (self.seed.wrapping_mul(31).wrapping_add(index) % 251) as u8
    }

    fn fill(&self, from: usize) {
        for index in from..self.layout.size() {
            // SAFETY: the index lies in the block, which is ours.
            unsafe { self.address.wrapping_add(index).write(self.pattern(index)) };
        }
    }

    fn check(&self, upto: usize) {
        for index in 0..upto {
            // SAFETY: the index lies in the block, which is ours and filled.
            let byte = unsafe { self.address.wrapping_add(index).read() };
            assert_eq!(byte, self.pattern(index), "{:?} at {index}", self.layout);
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % n
    }

    /// Sizes around the limit of marks, 64 KiB, are frequent.
    fn size(&mut self) -> usize {
        match self.below(4) {
            0 => 60_000 + self.below(20_000),
            1 => 1 + self.below(200_000),
            _ => 1 + self.below(300),
        }
    }

    fn align(&mut self) -> usize {
        if self.below(8) == 0 {
            1 << self.below(10)
        } else {
            8
        }
    }
}

/// Random calls, while `fails` of 256 inner calls fail. Returns how many calls gave null.
fn work(seed: u64, fails: u64) -> usize {
    RANDOM.set(seed * 77 + 1);
    let mut random = Random(seed * 2 + 1);
    let mut blocks: Vec<Block> = Vec::with_capacity(200);
    let mut nulls = 0;
    for step in 0..800 {
        match random.below(6) {
            0..2 if blocks.len() < 200 => {
                let layout = Layout::from_size_align(random.size(), random.align()).unwrap();
                let zeroed = random.below(2) == 0;
                let address = failing(fails, || {
                    if zeroed {
                        // SAFETY: the size is not 0.
                        unsafe { GLOBAL.alloc_zeroed(layout) }
                    } else {
                        // SAFETY: the size is not 0.
                        unsafe { GLOBAL.alloc(layout) }
                    }
                });
                if address.is_null() {
                    nulls += 1;
                    continue;
                }
                assert_eq!(address.addr() % layout.align(), 0);
                if zeroed {
                    for index in 0..layout.size() {
                        // SAFETY: the index lies in the zeroed block.
                        assert_eq!(unsafe { address.wrapping_add(index).read() }, 0);
                    }
                }
                let block = Block {
                    address,
                    layout,
                    seed: step,
                };
                block.fill(0);
                blocks.push(block);
            }
            2..5 if !blocks.is_empty() => {
                let index = random.below(blocks.len());
                let block = &mut blocks[index];
                let size = random.size();
                // SAFETY: made by this allocator with this layout, and the new size is not 0.
                let moved = failing(fails, || unsafe {
                    GLOBAL.realloc(block.address, block.layout, size)
                });
                if moved.is_null() {
                    nulls += 1;
                    block.check(block.layout.size());
                    continue;
                }
                let kept = block.layout.size().min(size);
                block.address = moved;
                block.layout = Layout::from_size_align(size, block.layout.align()).unwrap();
                assert_eq!(moved.addr() % block.layout.align(), 0);
                block.check(kept);
                block.fill(kept);
            }
            _ if !blocks.is_empty() => {
                let block = blocks.swap_remove(random.below(blocks.len()));
                block.check(block.layout.size());
                // SAFETY: made by this allocator with this layout, and given up here.
                failing(fails, || unsafe {
                    GLOBAL.dealloc(block.address, block.layout);
                });
            }
            _ => {}
        }
    }
    for block in blocks {
        block.check(block.layout.size());
        // SAFETY: made by this allocator with this layout, and given up here.
        unsafe { GLOBAL.dealloc(block.address, block.layout) };
    }
    nulls
}

/// The count and bytes of the live blocks that `work` made.
fn live_of_work() -> (i64, i64) {
    let profile = heaptide::ProfileOptions::new().raw().heap().unwrap();
    profile
        .samples
        .iter()
        .fold((0, 0), |(objects, bytes), sample| {
            (objects + sample.values[2], bytes + sample.values[3])
        })
}

#[test]
fn failures_lose_nothing_that_is_not_counted() {
    at_every_interval("failures_lose_nothing_that_is_not_counted", || {
        let before = heaptide::stats();
        let (objects, bytes) = live_of_work();
        // One in 16 calls, one in 4, and three in 4.
        for fails in [16, 64, 192] {
            let lost_before = heaptide::stats().lost;
            let (failed, marked) = (
                FAILED.load(Ordering::Relaxed),
                FAILED_MARKED.load(Ordering::Relaxed),
            );
            let seeds = rounds() as u64 * if samples_everything() { 4 } else { 1 };
            let nulls: usize = (0..seeds).map(|seed| work(seed + fails * 100, fails)).sum();
            let failed = FAILED.load(Ordering::Relaxed) - failed;
            let marked = FAILED_MARKED.load(Ordering::Relaxed) - marked;
            let lost = heaptide::stats().lost;
            let lost_live = lost.live - lost_before.live;
            assert!(lost_live + lost.samples - lost_before.samples <= failed as u64);
            assert_eq!(lost.frees, 0, "a free needs no memory");
            if samples_everything() {
                // About 60 at the lowest rate, with a spread of 4 from the random places of
                // samples.
                assert!(nulls > 20, "{nulls}");
                assert!(failed >= nulls && marked > 20, "{failed} {marked}");
                // Some marked blocks were replaced by plain ones, and this is counted.
                assert!(lost_live > 10, "{lost:?}");
            }
        }
        assert_eq!(SHADOW.wrong(), 0, "layouts that came back");
        // Everything is freed. What is left belongs to the snapshots in between.
        let after = heaptide::stats();
        let left = after.live_samples.abs_diff(before.live_samples);
        assert!(left < 5, "{before:?} {after:?}");
        if samples_everything() {
            let (objects_after, bytes_after) = live_of_work();
            assert!(
                (objects_after - objects).abs() < 5,
                "{objects_after} {objects}"
            );
            assert!(
                (bytes_after - bytes).abs() < 10_000,
                "{bytes_after} {bytes}"
            );
        }
    });
}

#[test]
fn without_memory_for_the_tables_the_first_samples_are_lost_and_nothing_aborts() {
    const TEST: &str =
        "without_memory_for_the_tables_the_first_samples_are_lost_and_nothing_aborts";
    if scenario::is_child() {
        let stats = heaptide::stats();
        assert_eq!(stats.lost.samples, 1, "the first: {stats:?}");
        assert!(stats.samples > 10, "the tables were made later: {stats:?}");
        return;
    }
    // One run for each of the two blocks that the tables need. With memory again, no more are asked
    // for.
    for number in ["0", "1"] {
        let variables = [
            ("HEAPTIDE_SAMPLE_INTERVAL", "1"),
            ("FAIL_CONSTRUCTORS_BLOCK", number),
        ];
        scenario::in_own_process(TEST, &variables);
    }
    // The reserved memory was also used: without memory for a third block all is well.
    let variables = [
        ("HEAPTIDE_SAMPLE_INTERVAL", "1"),
        ("FAIL_CONSTRUCTORS_BLOCK", "2"),
    ];
    let output = scenario::start("nothing_is_lost", &variables);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn nothing_is_lost() {
    let stats = heaptide::stats();
    assert!(stats.lost.is_nothing() && stats.samples > 10, "{stats:?}");
}
