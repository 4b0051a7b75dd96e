//! How a sampled block is made and freed: the work of the slow path.
//!
//! All frees rely on this invariant: a live sampled block always [may be
//! sampled](super::maybe_sampled) by its address and its present layout alone. A marked block
//! always has its entry in the live table, since only the entry distinguishes it from an ordinary
//! block at such an address.

#![expect(unsafe_code, reason = "makes and frees blocks of the inner allocator")]

use super::maybe_sampled;
use crate::record::{
    SamplingAllocator, global,
    sampling::{
        countdown::Pick,
        mark,
        thread::{self, Thread},
    },
    tables::{deferred_frees::DeferredFree, live::Lookup, recorder::Recorded, stacks::Allocation},
    unwind::{self, Stack},
};
use core::{
    alloc::{GlobalAlloc, Layout},
    ptr,
};

impl<A: GlobalAlloc> SamplingAllocator<A> {
    /// What every slow path does first: it configures the interval, and does the deferred frees.
    pub(super) fn enter(&self, thread: &Thread) {
        global::configure_once(self.interval);
        if self.small_unsampled {
            global::recorder().settings.leave_small_unsampled();
        }
        let owner = ptr::from_ref(self).addr();
        let mut from = 0;
        while let Some(free) = global::recorder().take_deferred_free(thread, owner, &mut from) {
            let block = ptr::with_exposed_provenance_mut(free.address);
            // SAFETY: the caller of `dealloc` gave this block and layout to this allocator, which
            // has kept them since. Each deferred free is taken once.
            let done = unsafe { self.free_maybe_sampled(thread, block, free.layout) };
            if !done {
                // Each attempt takes time while a table stays locked. One per slow path is enough.
                break;
            }
        }
    }

    /// Decides an allocation whose countdown has run out: whether it is recorded, and with which
    /// weight.
    pub(super) fn decide(&self, thread: &Thread, layout: Layout) -> Option<Pick> {
        global::recorder()
            .decide(thread, layout.size(), global::seed())
            .filter(|_| !(self.small_unsampled && mark::is_markable(layout)))
    }

    pub(super) fn allocate(
        &self,
        layout: Layout,
        frame: usize,
        fresh: impl Fn(Layout) -> *mut u8,
    ) -> *mut u8 {
        thread::with(|thread| {
            self.enter(thread);
            match self.decide(thread, layout) {
                Some(pick) => self.allocate_sampled(thread, layout, pick, frame, fresh),
                None => fresh(layout),
            }
        })
    }

    /// Allocates and records a picked block. Null only if there is no memory for a plain block
    /// either.
    pub(super) fn allocate_sampled(
        &self,
        thread: &Thread,
        layout: Layout,
        pick: Pick,
        frame: usize,
        fresh: impl Fn(Layout) -> *mut u8,
    ) -> *mut u8 {
        let _muted = thread.mute();
        let stack = unwind::capture(frame);
        if !mark::is_markable(layout) {
            let block = fresh(layout);
            if !block.is_null() {
                self.record_large(thread, block, layout, pick, &stack);
            }
            return block;
        }

        let allocation = allocation(layout, pick);
        if let Some(marked) = mark::marked_layout(layout) {
            let raw = fresh(marked);
            if !raw.is_null() {
                global::register_fork_handlers();
                let block = raw.wrapping_add(mark::OFFSET);
                let padding = mark::padding(layout.size());
                let recorder = global::recorder();
                maybe_sampled::insert(block.addr(), layout);
                let recorded = recorder.record(thread, block.addr(), allocation, &stack, padding);
                if recorded == Recorded::Live {
                    return block;
                }
                maybe_sampled::remove(block.addr(), layout);
                // SAFETY: `raw` was just made with this layout, and nobody else has seen it.
                unsafe { self.inner.dealloc(raw, marked) };
                let plain = fresh(layout);
                if recorded == Recorded::NoPlace && !plain.is_null() {
                    recorder.record_without_live(thread, allocation, &stack);
                }
                return plain;
            }
        }
        let plain = fresh(layout);
        if !plain.is_null() {
            global::recorder().record_without_live(thread, allocation, &stack);
        }
        plain
    }

    /// Records a picked block that is recognized by its layout and the filter.
    pub(super) fn record_large(
        &self,
        thread: &Thread,
        block: *mut u8,
        layout: Layout,
        pick: Pick,
        stack: &Stack,
    ) {
        global::register_fork_handlers();
        let recorder = global::recorder();
        let allocation = allocation(layout, pick);
        maybe_sampled::insert(block.addr(), layout);
        match recorder.record(thread, block.addr(), allocation, stack, 0) {
            Recorded::Live => {}
            Recorded::NoPlace => {
                maybe_sampled::remove(block.addr(), layout);
                recorder.record_without_live(thread, allocation, stack);
            }
            Recorded::Lost => maybe_sampled::remove(block.addr(), layout),
        }
    }

    /// Frees a block that may be sampled. Takes its entry out first, before any other thread can
    /// get the address. False if the free was deferred.
    pub(super) unsafe fn free_maybe_sampled(
        &self,
        thread: &Thread,
        block: *mut u8,
        layout: Layout,
    ) -> bool {
        let marked = mark::is_markable(layout);
        let recorder = global::recorder();
        let padding = if marked {
            mark::padding(layout.size())
        } else {
            0
        };
        let free = DeferredFree {
            address: block.expose_provenance(),
            layout,
            owner: ptr::from_ref(self).addr(),
        };
        match recorder.take(thread, free, padding) {
            Lookup::NotSampled => {
                // SAFETY: the caller of `dealloc` keeps its contract. Without an entry the block is
                // an ordinary one.
                unsafe { self.inner.dealloc(block, layout) };
            }
            Lookup::Sampled(()) => {
                maybe_sampled::remove(block.addr(), layout);
                if marked {
                    // SAFETY: the entry says that `allocate_sampled` made this block.
                    unsafe { self.free_marked(block, layout) };
                } else {
                    // SAFETY: the caller of `dealloc` keeps its contract, and large blocks have no
                    // padding.
                    unsafe { self.inner.dealloc(block, layout) };
                }
            }
            Lookup::Busy => return false,
        }
        true
    }

    /// Frees a marked block.
    ///
    /// # Safety
    ///
    /// `allocate_sampled` made `block` as a marked block of `layout`, or a realloc gave it that
    /// layout. Its entry was taken out.
    unsafe fn free_marked(&self, block: *mut u8, layout: Layout) {
        // Never `None`: the same layout had a marked one when the block was made.
        if let Some(marked) = mark::marked_layout(layout) {
            // SAFETY: the block was made with this raw address and layout, by this function's
            // contract.
            unsafe { self.inner.dealloc(block.wrapping_sub(mark::OFFSET), marked) };
        }
    }
}

fn allocation(layout: Layout, pick: Pick) -> Allocation {
    Allocation {
        size: layout.size() as u64,
        weight: pick.weight,
        interval: pick.interval,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{super::maybe_sampled::is_maybe_sampled, *};
    use core::cell::Cell;
    use std::alloc::System;

    /// The system's allocator, which can be told to have no memory for new blocks.
    struct FailingAllocator {
        has_memory: Cell<bool>,
    }

    // SAFETY: every block is the system's. `realloc` is the trait's default: a new block and a
    // copy.
    unsafe impl GlobalAlloc for FailingAllocator {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if !self.has_memory.get() {
                return ptr::null_mut();
            }
            // SAFETY: our caller keeps the contract.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: our caller keeps the contract.
            unsafe { System.dealloc(block, layout) };
        }
    }

    fn is_live(block: *mut u8) -> bool {
        thread::with(|thread| {
            let found = global::recorder().look_up(thread, block.addr());
            found == Lookup::Sampled(())
        })
    }

    // The only test that uses the process's recorder: another one would disturb its counts.
    #[test]
    fn a_live_sampled_block_may_be_sampled_and_has_an_entry() {
        let inner = FailingAllocator {
            has_memory: Cell::new(true),
        };
        let allocator = SamplingAllocator::with_inner(inner).sample_interval(1);
        let (small, large) = (100, 100_000);
        for (from, to) in [
            (small, small + 1),
            (small, large),
            (large, small),
            (large, large + 1),
        ] {
            let layout = Layout::from_size_align(from, 8).unwrap();
            // SAFETY: the size is not 0.
            let block = unsafe { allocator.alloc(layout) };
            assert!(is_maybe_sampled(block.addr(), layout) && is_live(block));

            allocator.inner.has_memory.set(false);
            // SAFETY: the block was made with this layout, and the new size is not 0.
            let failed = unsafe { allocator.realloc(block, layout, to) };
            allocator.inner.has_memory.set(true);
            assert!(failed.is_null());
            assert!(
                is_maybe_sampled(block.addr(), layout),
                "{from} to {to} failed"
            );
            assert!(is_live(block), "{from} to {to} failed");

            // SAFETY: as above; the failed call left the block as it was.
            let moved = unsafe { allocator.realloc(block, layout, to) };
            let new_layout = Layout::from_size_align(to, 8).unwrap();
            assert!(is_maybe_sampled(moved.addr(), new_layout) && is_live(moved));
            assert!(!is_live(block), "{from} to {to}");
            // SAFETY: the block has this layout since the realloc, and is given up here.
            unsafe { allocator.dealloc(moved, new_layout) };
            assert!(!is_live(moved), "{from} to {to}");
            for gone in [block, moved] {
                let holds = [
                    global::marked().may_hold(gone.addr()),
                    global::large().may_hold(gone.addr()),
                ];
                assert_eq!(
                    holds, [false; 2],
                    "the filters are empty again: {from} to {to}"
                );
            }
        }

        let recorder = global::recorder();
        assert!(recorder.lost().is_nothing());

        // Above the live table's cap (100 in tests) a block counts as allocated, and its live part
        // as lost.
        let layout = Layout::from_size_align(small, 8).unwrap();
        let samples = recorder.samples();
        // SAFETY: the size is not 0.
        let blocks = [(); 105].map(|()| unsafe { allocator.alloc(layout) });
        assert_eq!(recorder.samples(), samples + 105);
        assert_eq!((recorder.lost().samples, recorder.lost().live), (0, 5));
        let live = blocks.iter().filter(|block| is_live(**block));
        assert_eq!(live.count(), 100);
        for block in blocks {
            // SAFETY: made by this allocator with this layout, and given up here.
            unsafe { allocator.dealloc(block, layout) };
        }
        assert_eq!(recorder.table_sizes().0, 0);

        // A large block that could not be recorded, here because of a fork, is not in the filter
        // either.
        let layout = Layout::from_size_align(large, 8).unwrap();
        assert!(recorder.gate.close(0));
        // SAFETY: the size is not 0.
        let block = unsafe { allocator.alloc(layout) };
        recorder.gate.open();
        assert_eq!(recorder.lost().samples, 1);
        assert!(!is_maybe_sampled(block.addr(), layout));
        // SAFETY: made by this allocator with this layout, and given up here.
        unsafe { allocator.dealloc(block, layout) };
        assert_eq!(recorder.lost().frees, 0);

        // While recording is off a sampled block stays known. The block that it is reallocated to
        // does not.
        let layout = Layout::from_size_align(large, 8).unwrap();
        // SAFETY: the size is not 0.
        let block = unsafe { allocator.alloc(layout) };
        assert!(is_live(block));
        recorder.settings.set(0);
        // SAFETY: the block was made with this layout, and the new size is not 0.
        let moved = unsafe { allocator.realloc(block, layout, small) };
        assert!(!is_live(block) && !is_live(moved));
        assert!(!global::large().may_hold(block.addr()));
        // SAFETY: the block has this layout since the realloc, and is given up here.
        unsafe { allocator.dealloc(moved, Layout::from_size_align(small, 8).unwrap()) };
        assert_eq!(recorder.lost().frees, 0);
    }
}
