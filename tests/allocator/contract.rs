//! The contract of `GlobalAlloc`, under a load of random sizes, alignments, reallocs and threads.
//!
//! Samples are so dense that every path is taken. Content survives, alignment holds, zeroed memory
//! is zero, and freed blocks leave the live table.

#![expect(unsafe_code, reason = "calls the allocator as a collection does")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "low bits of counters make the patterns"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, Ordering},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(700);

/// A block filled with a pattern that depends on its maker.
struct Block {
    address: *mut u8,
    layout: Layout,
    seed: u8,
}

// SAFETY: a block is plain memory. Only its owner reads and frees it.
unsafe impl Send for Block {}

impl Block {
    fn new(size: usize, align: usize, zeroed: bool, seed: u8) -> Self {
        let layout = Layout::from_size_align(size, align).unwrap();
        let address = if zeroed {
            // SAFETY: the size is not 0.
            unsafe { GLOBAL.alloc_zeroed(layout) }
        } else {
            // SAFETY: the size is not 0.
            unsafe { GLOBAL.alloc(layout) }
        };
        assert!(!address.is_null());
        let mut block = Self {
            address,
            layout,
            seed,
        };
        block.check_alignment();
        if zeroed {
            assert!(block.bytes().iter().all(|byte| *byte == 0));
        }
        block.fill(0);
        block
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the block is ours and has this size. `fill` or the zeroing allocator has written
        // all of it.
        unsafe { std::slice::from_raw_parts_mut(self.address, self.layout.size()) }
    }

    fn pattern(seed: u8, index: usize) -> u8 {
        seed.wrapping_add((index % 251) as u8)
    }

    fn fill(&mut self, from: usize) {
        let seed = self.seed;
        for index in from..self.layout.size() {
            let byte = self.address.wrapping_add(index);
            // SAFETY: the index lies in the block, which is ours.
            unsafe { byte.write(Self::pattern(seed, index)) };
        }
    }

    fn check(&mut self, upto: usize) {
        let seed = self.seed;
        let wrong = self.bytes()[..upto]
            .iter()
            .enumerate()
            .position(|(index, byte)| *byte != Self::pattern(seed, index));
        assert_eq!(wrong, None, "{:?} from {seed}", self.layout);
    }

    fn check_alignment(&self) {
        assert_eq!(self.address.addr() % self.layout.align(), 0);
    }

    fn realloc(&mut self, size: usize) {
        let kept = size.min(self.layout.size());
        // SAFETY: the block was made by this allocator with this layout; the size is not 0.
        let moved = unsafe { GLOBAL.realloc(self.address, self.layout, size) };
        assert!(!moved.is_null());
        self.address = moved;
        self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
        self.check_alignment();
        self.fill(kept);
        self.check(kept);
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.check(self.layout.size());
        // SAFETY: made by this allocator with this layout, and not used after this.
        unsafe { GLOBAL.dealloc(self.address, self.layout) };
    }
}

/// Blocks on their way from one thread to another. The lock is made of atomics that are compiled
/// here, because the thread sanitizer does not see those of the standard library.
struct Exchange {
    locked: AtomicBool,
    blocks: UnsafeCell<Vec<Block>>,
}

// SAFETY: the blocks are only touched with the lock held.
unsafe impl Sync for Exchange {}

impl Exchange {
    fn new() -> Self {
        Self {
            locked: AtomicBool::new(false),
            blocks: UnsafeCell::new(Vec::new()),
        }
    }

    fn with<R>(&self, f: impl FnOnce(&mut Vec<Block>) -> R) -> R {
        while self.locked.swap(true, Ordering::Acquire) {
            std::thread::yield_now();
        }
        // SAFETY: the lock is held, so this is the only reference.
        let result = f(unsafe { &mut *self.blocks.get() });
        self.locked.store(false, Ordering::Release);
        result
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    fn size(&mut self) -> usize {
        let bits = self.below(18);
        1 + self.below(1 << bits)
    }
}

/// Random work on blocks: makes, keeps, grows and shrinks them, and takes some over from other
/// threads.
fn work(seed: u64, exchange: &Exchange) {
    let mut random = Random(seed * 2 + 1);
    let mut blocks: Vec<Block> = Vec::new();
    for step in 0..if cfg!(miri) { 200 } else { 6_000 } {
        match random.below(8) {
            0..3 => {
                let align = 1 << random.below(9);
                let (size, zeroed) = (random.size(), random.below(4) == 0);
                blocks.push(Block::new(size, align, zeroed, (step % 256) as u8));
            }
            3..5 if !blocks.is_empty() => {
                let index = random.below(blocks.len());
                let size = random.size();
                blocks[index].realloc(size);
            }
            5 if !blocks.is_empty() => {
                let index = random.below(blocks.len());
                let block = blocks.swap_remove(index);
                exchange.with(|theirs| theirs.push(block));
            }
            6 => blocks.extend(exchange.with(Vec::pop)),
            _ if !blocks.is_empty() => {
                let index = random.below(blocks.len());
                drop(blocks.swap_remove(index));
            }
            _ => {}
        }
        blocks.truncate(64);
    }
}

#[test]
fn blocks_keep_content_alignment_and_zeroes_under_a_random_load() {
    let before = heaptide::stats();
    let exchange = Exchange::new();
    let raw = heaptide::ProfileOptions::new().raw();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let exchange = &exchange;
            scope.spawn(move || work(seed, exchange));
        }
        // Snapshots during the work: no stack may have more in use than was allocated.
        for _ in 0..20 {
            let snapshot = heaptide::snapshot().unwrap();
            let profile = raw.heap_of(&snapshot);
            for sample in &profile.samples {
                assert!(sample.values[0] >= sample.values[2], "{sample:?}");
                assert!(sample.values[1] >= sample.values[3], "{sample:?}");
            }
        }
    });
    drop(exchange);
    let stats = heaptide::stats();
    assert!(stats.samples > before.samples + 5_000, "{stats:?}");
    // As `scenario::assert_hardly_lost`, whose crates the build for the thread sanitizer does not
    // have. A thread that is stopped with a table locked costs the samples of threads that wait for
    // it.
    let waited_in_vain = stats.lost.samples + stats.lost.live;
    assert!(waited_in_vain <= 3 + stats.samples / 1_000, "{stats:?}");
    assert_eq!((stats.lost.stacks, stats.lost.frees), (0, 0), "{stats:?}");
    // Everything was freed except for what threads and the test harness keep.
    assert!(stats.live_samples < before.live_samples + 200, "{stats:?}");
}
