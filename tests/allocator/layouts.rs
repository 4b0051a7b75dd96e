//! Blocks of any layout against a model of their content.
//!
//! Sizes are 1 byte to several MiB and alignments 1 to 2 MiB. Blocks are zeroed or not, and are
//! reallocated up and down across the limit of marks. The inner allocator is an adversary. It hands
//! out dirty memory, dirties what it gets back, and allocates and frees by itself. It checks that
//! each block comes back once, with its layout, and with nothing written behind it.

#![expect(unsafe_code, reason = "is an allocator, and calls one")]

#[path = "../support/scenario.rs"]
mod scenario;
mod shadow;

use heaptide::SamplingAllocator;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use scenario::{at_every_interval, rounds, samples_everything};
use shadow::Shadow;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

#[global_allocator]
static GLOBAL: SamplingAllocator<Adversary> = SamplingAllocator::with_inner(Adversary);

struct Adversary;

static SHADOW: Shadow = Shadow::new();
/// Blocks with something written behind their end.
static OVERRUN: AtomicUsize = AtomicUsize::new(0);
/// How often the adversary used the allocator that contains it.
static NESTED: AtomicUsize = AtomicUsize::new(0);

/// Bytes behind each block that nothing may write to.
const GUARD: usize = 32;
const GUARD_BYTE: u8 = 0xc7;

thread_local! {
    static IS_NESTED: Cell<bool> = const { Cell::new(false) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static SPOILS_ERRNO: Cell<bool> = const { Cell::new(false) };
}

/// Uses the outer allocator now and then: small, large, grown and freed.
fn nest() {
    if SPOILS_ERRNO.get() {
        set_errno(libc::EIO);
    }
    CALLS.set(CALLS.get() + 1);
    if IS_NESTED.replace(true) {
        return;
    }
    let calls = CALLS.get();
    if calls.is_multiple_of(5) {
        NESTED.fetch_add(1, Ordering::Relaxed);
        let mut block: Vec<u8> = Vec::with_capacity(1 + calls % 700);
        block.push(1);
        block.reserve_exact(calls % 90_000);
        block.shrink_to_fit();
        assert_eq!(block, [1]);
    }
    IS_NESTED.set(false);
}

fn guarded(layout: Layout) -> Layout {
    Layout::from_size_align(layout.size() + GUARD, layout.align()).unwrap()
}

impl Adversary {
    /// Puts the guard behind a new block, and stores the block.
    fn out(block: *mut u8, layout: Layout) -> *mut u8 {
        if !block.is_null() {
            let end = block.wrapping_add(layout.size());
            // SAFETY: the layout from `guarded` includes these bytes.
            unsafe { end.write_bytes(GUARD_BYTE, GUARD) };
        }
        SHADOW.made(block, layout)
    }

    /// Whether it is one of these blocks with this layout.
    fn back(block: *mut u8, layout: Layout) -> bool {
        if !SHADOW.gone(block, layout) {
            return false;
        }
        for index in 0..GUARD {
            let byte = block.wrapping_add(layout.size() + index);
            // SAFETY: the guard of a block of ours, written when it was made.
            if unsafe { byte.read() } != GUARD_BYTE {
                OVERRUN.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
        true
    }
}

// SAFETY: every block is the system's, and has the guard in addition to the requested size.
unsafe impl GlobalAlloc for Adversary {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        nest();
        // SAFETY: the size is not 0.
        let block = unsafe { System.alloc(guarded(layout)) };
        if !block.is_null() {
            // SAFETY: a block of ours of at least this size.
            unsafe { block.write_bytes(0xa5, layout.size()) };
        }
        Self::out(block, layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        nest();
        // SAFETY: the size is not 0.
        Self::out(unsafe { System.alloc_zeroed(guarded(layout)) }, layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        nest();
        if Self::back(block, layout) {
            // SAFETY: a block of ours of at least this size.
            unsafe { block.write_bytes(0xdd, layout.size()) };
            // SAFETY: made by `alloc` with this layout.
            unsafe { System.dealloc(block, guarded(layout)) };
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        nest();
        if !Self::back(block, layout) {
            return ptr::null_mut();
        }
        // SAFETY: made by `alloc` with this layout; the new size is not 0.
        let moved = unsafe { System.realloc(block, guarded(layout), new_size + GUARD) };
        // SAFETY: our caller promises that the new size makes a layout.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        Self::out(moved, new_layout)
    }
}

// ---- the model: a block keeps its content

const PAGE: usize = 4096;

struct Block {
    address: *mut u8,
    layout: Layout,
    seed: u8,
}

impl Block {
    fn new(layout: Layout, zeroed: bool, seed: u8) -> Self {
        let address = if zeroed {
            // SAFETY: the size is not 0.
            unsafe { GLOBAL.alloc_zeroed(layout) }
        } else {
            // SAFETY: the size is not 0.
            unsafe { GLOBAL.alloc(layout) }
        };
        assert!(!address.is_null());
        assert_eq!(address.addr() % layout.align(), 0, "{layout:?}");
        let block = Self {
            address,
            layout,
            seed,
        };
        if zeroed {
            block.each_page(|page, _| assert!(page == &[0; PAGE][..page.len()], "{layout:?}"));
        }
        block.fill();
        block
    }

    /// Visits the block page by page. The last one may be a part of a page.
    fn each_page(&self, mut visit: impl FnMut(&mut [u8], usize)) {
        let mut start = 0;
        while start < self.layout.size() {
            let len = PAGE.min(self.layout.size() - start);
            let page = self.address.wrapping_add(start);
            // SAFETY: inside of the block, which is ours. All of it is written, at least by the
            // adversary.
            let page = unsafe { std::slice::from_raw_parts_mut(page, len) };
            visit(page, start / PAGE);
            start += len;
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "low bits make the pattern")]
    fn pattern(&self, page: usize) -> u8 {
        self.seed.wrapping_add(page as u8)
    }

    fn fill(&self) {
        self.each_page(|page, at| page.fill(self.pattern(at)));
    }

    /// Checks the first `upto` bytes.
    fn check(&self, upto: usize) {
        self.each_page(|page, at| {
            let kept = page.len().min(upto.saturating_sub(at * PAGE));
            let expected = &[self.pattern(at); PAGE][..kept];
            assert!(&page[..kept] == expected, "{:?} at page {at}", self.layout);
        });
    }

    fn realloc(&mut self, size: usize) {
        // SAFETY: made by this allocator with this layout; the new size is not 0.
        let moved = unsafe { GLOBAL.realloc(self.address, self.layout, size) };
        assert!(!moved.is_null());
        let kept = size.min(self.layout.size());
        self.address = moved;
        self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
        assert_eq!(moved.addr() % self.layout.align(), 0);
        self.check(kept);
        self.fill();
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.check(self.layout.size());
        // SAFETY: made by this allocator with this layout, and not used after this.
        unsafe { GLOBAL.dealloc(self.address, self.layout) };
    }
}

#[derive(Clone, Debug)]
enum Step {
    Make {
        size: usize,
        align: usize,
        zeroed: bool,
    },
    Realloc(usize, usize),
    Free(usize),
}

/// 1 byte to 4 MiB. Each doubling is equally likely, and one in three is around the limit of marks.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        2 => (0u32..23, any::<u32>()).prop_map(|(bits, random)| {
            1 + ((1usize << bits) - 1 + random as usize % (1 << bits)) / 2
        }),
        1 => 65_436usize..65_636,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    // One in three is over-aligned, to 2 MiB at most.
    let align = prop_oneof![2 => 0u32..5, 1 => 5u32..22].prop_map(|bits| 1usize << bits);
    prop_oneof![
        3 => (size(), align, any::<bool>()).prop_map(|(size, align, zeroed)| Step::Make {
            size,
            align,
            zeroed
        }),
        3 => (any::<usize>(), size()).prop_map(|(at, size)| Step::Realloc(at, size)),
        1 => any::<usize>().prop_map(Step::Free),
    ]
}

fn run(steps: &[Step]) {
    let mut blocks: Vec<Block> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Make {
                size,
                align,
                zeroed,
            } => {
                let layout = Layout::from_size_align(size, align).unwrap();
                let seed = u8::try_from(number % 251).unwrap();
                blocks.push(Block::new(layout, zeroed, seed));
            }
            Step::Realloc(at, size) if !blocks.is_empty() => {
                let at = at % blocks.len();
                blocks[at].realloc(size);
            }
            Step::Free(at) if !blocks.is_empty() => drop(blocks.swap_remove(at % blocks.len())),
            Step::Realloc(..) | Step::Free(_) => {}
        }
    }
}

#[test]
fn blocks_keep_their_content_and_layout() {
    at_every_interval("blocks_keep_their_content_and_layout", || {
        let before = heaptide::stats();
        let cases = u32::try_from(40 * rounds()).unwrap();
        let config = Config {
            cases,
            failure_persistence: None,
            ..Config::default()
        };
        // Fixed, so that a failure can be repeated.
        let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mut runner = TestRunner::new_with_rng(config, random);
        let tried = runner.run(&prop::collection::vec(step(), 1..60), |steps| {
            run(&steps);
            Ok(())
        });
        tried.unwrap();
        assert_eq!(
            SHADOW.wrong(),
            0,
            "blocks that were freed with another layout"
        );
        assert_eq!(OVERRUN.load(Ordering::Relaxed), 0);
        assert!(NESTED.load(Ordering::Relaxed) > 100);
        let _ = heaptide::snapshot().unwrap();
        let after = heaptide::stats();
        assert!(after.samples > before.samples + 1_000 || !samples_everything());
        // While a large block is reallocated its thread is locked, and what the adversary
        // allocates then counts as lost. Nothing else does.
        let nested = NESTED.load(Ordering::Relaxed) as u64;
        assert!(after.lost.samples <= 3 * nested, "{after:?}");
        let lost = (after.lost.live, after.lost.stacks, after.lost.frees);
        assert_eq!(lost, (0, 0, 0));
        let more = after.live_samples - before.live_samples;
        assert!(more < 50, "{before:?} {after:?}");
    });
}

// ---- errno

fn set_errno(value: libc::c_int) {
    // SAFETY: takes nothing, and cannot fail.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: this thread's own variable.
    unsafe { errno.write(value) };
}

/// `errno` after `call`, if it was 77 before, while the inner allocator changes it at every call.
fn errno_after<R>(call: impl FnOnce() -> R) -> (R, Option<i32>) {
    SPOILS_ERRNO.set(true);
    set_errno(77);
    let result = call();
    let errno = std::io::Error::last_os_error().raw_os_error();
    SPOILS_ERRNO.set(false);
    (result, errno)
}

#[test]
fn sampling_keeps_errno() {
    if !scenario::is_child() {
        let variables = [("HEAPTIDE_SAMPLE_INTERVAL", "1")];
        scenario::in_own_process("sampling_keeps_errno", &variables);
        return;
    }
    for (size, new_size) in [
        (100, 200),
        (100, 100_000),
        (100_000, 200_000),
        (100_000, 10),
    ] {
        let layout = Layout::from_size_align(size, 8).unwrap();
        // SAFETY: the size is not 0.
        let (zeroed, errno) = errno_after(|| unsafe { GLOBAL.alloc_zeroed(layout) });
        assert!(!zeroed.is_null());
        assert_eq!(errno, Some(77), "alloc_zeroed of {size}");
        // SAFETY: the size is not 0.
        let (block, errno) = errno_after(|| unsafe { GLOBAL.alloc(layout) });
        assert!(!block.is_null());
        assert_eq!(errno, Some(77), "alloc of {size}");
        // SAFETY: made with this layout; the new size is not 0.
        let (moved, errno) = errno_after(|| unsafe { GLOBAL.realloc(block, layout, new_size) });
        assert!(!moved.is_null());
        assert_eq!(errno, Some(77), "realloc of {size} to {new_size}");
        let new_layout = Layout::from_size_align(new_size, 8).unwrap();
        for (block, layout) in [(moved, new_layout), (zeroed, layout)] {
            // SAFETY: the block has this layout now, and is not used after this.
            let ((), errno) = errno_after(|| unsafe { GLOBAL.dealloc(block, layout) });
            assert_eq!(errno, Some(77), "dealloc of {}", layout.size());
        }
    }
    // A failing call says why, as the inner one does.
    let impossible = Layout::from_size_align(isize::MAX as usize - 8192, 8).unwrap();
    // SAFETY: the size is not 0.
    let (none, errno) = errno_after(|| unsafe { GLOBAL.alloc(impossible) });
    assert!(none.is_null());
    assert_eq!(errno, Some(libc::ENOMEM));
}
