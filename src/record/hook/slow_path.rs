//! The functions that the fast paths of `SamplingAllocator` branch to.
//!
//! They are never inlined into the fast paths. Their number, their arguments and the order of these
//! decide the machine code of the fast paths (`docs/overhead.md`). Their work is in
//! [`blocks`](super::blocks).

#![expect(
    unsafe_code,
    reason = "has the contracts of the methods of GlobalAlloc"
)]

use super::maybe_sampled::is_maybe_sampled;
use crate::record::{
    SamplingAllocator, errno,
    sampling::thread::{self, Thread},
    tables::reserved_memory,
};
use core::alloc::{GlobalAlloc, Layout};

/// An address inside the stack frame of the function that this is inlined into.
macro_rules! frame_address {
    () => {{
        let here = 0u8;
        (&raw const here).addr()
    }};
}

/// The layout of these parts. A fast path passes the parts, to keep them in registers.
///
/// # Safety
///
/// `size` and `align` belong to one layout.
#[inline(always)]
pub(super) unsafe fn layout_of(size: usize, align: usize) -> Layout {
    // SAFETY: this function's own contract.
    unsafe { Layout::from_size_align_unchecked(size, align) }
}

// All slow-path functions get the parts of the arguments of a `GlobalAlloc` method. Their safety
// contract is that method's.
impl<A: GlobalAlloc> SamplingAllocator<A> {
    // The callers of these three are the first address of a stack. So the three are never inlined,
    // and frames at or below `frame_address` are cut.

    #[cold]
    #[inline(never)]
    pub(super) unsafe fn alloc_due(size: usize, align: usize, this: &Self) -> *mut u8 {
        let frame = frame_address!();
        // SAFETY: the fast path passes the parts of one layout.
        let layout = unsafe { layout_of(size, align) };
        let fresh = |layout| {
            thread::with(|thread| reserved_memory::take(thread, layout)).unwrap_or_else(|| {
                // SAFETY: the caller of `alloc` keeps its contract.
                unsafe { this.inner.alloc(layout) }
            })
        };
        errno::kept_unless_null(|| this.allocate(layout, frame, fresh))
    }

    #[cold]
    #[inline(never)]
    pub(super) unsafe fn alloc_zeroed_due(size: usize, align: usize, this: &Self) -> *mut u8 {
        let frame = frame_address!();
        // SAFETY: the fast path passes the parts of one layout.
        let layout = unsafe { layout_of(size, align) };
        // SAFETY: the caller of `alloc_zeroed` keeps its contract.
        let fresh = |layout| unsafe { this.inner.alloc_zeroed(layout) };
        errno::kept_unless_null(|| this.allocate(layout, frame, fresh))
    }

    #[cold]
    #[inline(never)]
    pub(super) unsafe fn realloc_due(
        block: *mut u8,
        size: usize,
        align: usize,
        new_size: usize,
        this: &Self,
    ) -> *mut u8 {
        let frame = frame_address!();
        // SAFETY: the fast path passes the parts of one layout.
        let layout = unsafe { layout_of(size, align) };
        // SAFETY: the caller of `realloc` promises that the new size makes a layout.
        let new_layout = unsafe { layout_of(new_size, align) };
        let work = |thread: &Thread| {
            this.enter(thread);
            let picked = this.decide(thread, new_layout).map(|pick| (pick, frame));
            // SAFETY: the caller of `realloc` keeps its contract.
            unsafe { this.reallocate(thread, block, layout, new_size, picked) }
        };
        errno::kept_unless_null(|| thread::with(work))
    }

    #[cold]
    #[inline(never)]
    pub(super) unsafe fn realloc_signed(
        block: *mut u8,
        size: usize,
        align: usize,
        new_size: usize,
        this: &Self,
    ) -> *mut u8 {
        // SAFETY: the fast path passes the parts of one layout.
        let layout = unsafe { layout_of(size, align) };
        // SAFETY: the caller of `realloc` keeps its contract.
        unsafe { this.realloc_maybe_sampled(block, layout, new_size) }
    }

    #[cold]
    #[inline(never)]
    pub(super) unsafe fn realloc_large(
        block: *mut u8,
        size: usize,
        align: usize,
        new_size: usize,
        this: &Self,
    ) -> *mut u8 {
        // SAFETY: the fast path passes the parts of one layout.
        let layout = unsafe { layout_of(size, align) };
        // SAFETY: the caller of `realloc` keeps its contract.
        unsafe { this.realloc_maybe_sampled(block, layout, new_size) }
    }

    #[cold]
    #[inline(never)]
    pub(super) unsafe fn dealloc_signed(block: *mut u8, size: usize, this: &Self, align: usize) {
        // SAFETY: the fast path passes the parts of one layout.
        let layout = unsafe { layout_of(size, align) };
        // SAFETY: the caller of `dealloc` keeps its contract.
        unsafe { this.dealloc_maybe_sampled(block, layout) };
    }

    #[cold]
    #[inline(never)]
    pub(super) unsafe fn dealloc_large(block: *mut u8, size: usize, this: &Self, align: usize) {
        // SAFETY: the fast path passes the parts of one layout.
        let layout = unsafe { layout_of(size, align) };
        // SAFETY: the caller of `dealloc` keeps its contract.
        unsafe { this.dealloc_maybe_sampled(block, layout) };
    }

    /// Frees a block that the fast path could not exclude.
    #[inline(always)]
    unsafe fn dealloc_maybe_sampled(&self, block: *mut u8, layout: Layout) {
        if !is_maybe_sampled(block.addr(), layout) {
            // SAFETY: the caller of `dealloc` keeps its contract. The block is not sampled.
            return unsafe { self.inner.dealloc(block, layout) };
        }
        // SAFETY: the caller of `dealloc` keeps its contract.
        unsafe { self.dealloc_slow(block, layout) };
    }

    /// Reallocates a block that the fast path could not exclude.
    #[inline(always)]
    unsafe fn realloc_maybe_sampled(
        &self,
        block: *mut u8,
        layout: Layout,
        new_size: usize,
    ) -> *mut u8 {
        if !is_maybe_sampled(block.addr(), layout) {
            // SAFETY: the caller of `realloc` keeps its contract. The block is not sampled.
            return unsafe { self.inner.realloc(block, layout, new_size) };
        }
        let work = |thread: &Thread| {
            self.enter(thread);
            // SAFETY: the caller of `realloc` keeps its contract.
            unsafe { self.reallocate(thread, block, layout, new_size, None) }
        };
        errno::kept_unless_null(|| thread::with(work))
    }

    #[inline(never)]
    unsafe fn dealloc_slow(&self, block: *mut u8, layout: Layout) {
        let work = |thread: &Thread| {
            self.enter(thread);
            // SAFETY: the caller of `dealloc` keeps its contract.
            unsafe { self.free_maybe_sampled(thread, block, layout) };
        };
        errno::kept(|| thread::with(work));
    }
}
