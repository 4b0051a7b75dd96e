//! `SamplingAllocator`: the `GlobalAlloc` around an inner allocator, with four fast paths.
//!
//! The fast paths leave all other work to [`slow_path`](super::slow_path).

#![expect(unsafe_code, reason = "the one GlobalAlloc of this crate")]

use super::slow_path::layout_of;
use crate::record::sampling::{mark, thread};
use core::alloc::{GlobalAlloc, Layout};

/// The inner allocator by default.
#[cfg(feature = "jemalloc")]
pub type DefaultInner = tikv_jemallocator::Jemalloc;

/// The placeholder for the inner allocator while the feature `jemalloc` is off. Name one yourself:
/// `SamplingAllocator<System>` and [`SamplingAllocator::with_inner`].
#[cfg(not(feature = "jemalloc"))]
#[derive(Clone, Copy, Debug)]
pub enum DefaultInner {}

/// A global allocator that samples the allocations that it forwards to an inner one.
///
/// Declare it once, in the binary:
///
/// ```
/// # #[cfg(feature = "jemalloc")]
/// # mod declared {
/// #[global_allocator]
/// static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();
/// # }
/// ```
///
/// or around any other allocator:
///
/// ```
/// use std::alloc::System;
///
/// # #[cfg(not(feature = "jemalloc"))]
/// #[global_allocator]
/// static GLOBAL: heaptide::SamplingAllocator<System> =
///     heaptide::SamplingAllocator::with_inner(System);
/// ```
///
/// It samples from the first allocation on, at a mean of 512 KiB between samples. The sources of
/// the interval, strongest first: [`set_sample_interval`](crate::set_sample_interval), the
/// environment variable `HEAPTIDE_SAMPLE_INTERVAL` (bytes, or with `KiB`, `MiB`, `GiB`; 0 is off),
/// the builder, the default.
///
/// All instances of a process share one profiler. An instance has to outlive every block that it
/// has handed out, as a `static` does.
#[derive(Clone, Copy, Debug, Default)]
pub struct SamplingAllocator<A = DefaultInner> {
    pub(super) inner: A,
    pub(super) interval: Option<u64>,
    pub(super) small_unsampled: bool,
}

#[cfg(feature = "jemalloc")]
impl SamplingAllocator {
    /// Samples jemalloc's allocations.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_inner(tikv_jemallocator::Jemalloc)
    }
}

impl<A> SamplingAllocator<A> {
    /// Samples the allocations of `inner`.
    #[must_use]
    pub const fn with_inner(inner: A) -> Self {
        Self {
            inner,
            interval: None,
            small_unsampled: false,
        }
    }

    /// Sets the mean bytes between samples at the start of the program: 0 is off, 1 records every
    /// allocation, with exact counts. At 1 each block below 64 KiB takes at least 1 KiB.
    #[must_use]
    pub const fn sample_interval(mut self, bytes: u64) -> Self {
        self.interval = Some(bytes);
        self
    }

    /// Whether to sample blocks below 64 KiB that are aligned to at most 16. The default is yes.
    ///
    /// A sampled small block is marked: it begins 48 bytes after the start of a larger block of the
    /// inner allocator, which is aligned to 1 KiB. Some programs free a block in a wrong way and
    /// work by luck without heaptide:
    ///
    /// - They call `libc::free` on a pointer that `Box::into_raw` returned.
    /// - They make a `Vec` in one `cdylib` and drop it in another one with its own allocator.
    /// - They call `dealloc` with another size or alignment than the block was made with.
    ///
    /// With heaptide such a program fails whenever such a block happens to be sampled, about once
    /// in thousands of times. With the system's allocator inside, it aborts with `free(): invalid
    /// pointer` or `munmap_chunk(): invalid pointer` on stderr. With jemalloc inside, it crashes in
    /// one of jemalloc's functions, then or later. The address in question ends in `030`, `430`,
    /// `830` or `c30`.
    ///
    /// `mark_small(false)` leaves every block where the inner allocator put it. If the crashes go
    /// on, heaptide's marks do not cause them. The price: small blocks are not sampled. Every
    /// profile then covers only blocks of at least 64 KiB and over-aligned blocks, in all four
    /// columns. A comment in the profile and
    /// [`Stats::small_unsampled`](crate::Stats::small_unsampled) say so. The estimates for those
    /// blocks are as good as before.
    ///
    /// ```
    /// use std::alloc::System;
    ///
    /// # #[cfg(not(feature = "jemalloc"))]
    /// #[global_allocator]
    /// static GLOBAL: heaptide::SamplingAllocator<System> =
    ///     heaptide::SamplingAllocator::with_inner(System).mark_small(false);
    /// ```
    #[must_use]
    pub const fn mark_small(mut self, yes: bool) -> Self {
        self.small_unsampled = !yes;
        self
    }
}

// SAFETY: each block comes from the inner allocator, which keeps the contract. Its layout is the
// requested one or, for a marked block, a larger one. A marked block is handed out at `raw +
// OFFSET`: the requested size fits there, and the alignment holds, since OFFSET is a multiple of
// every markable alignment. A block goes back with the layout that it was made with, by the
// invariant of `blocks`. Nothing here unwinds.
//
// The compiler inlines `alloc` and `alloc_zeroed` into the program's code wherever it allocates, so
// they are as small as possible (`docs/overhead.md`). A free and a realloc are calls, as they are
// without heaptide; their tests exist once, in the called function.
//
// The functions take their arguments in the order of the runtime's `__rust_alloc` and its siblings,
// with the allocator last. With `self` first, or with a `Layout` (which passes its alignment before
// its size), each hot path would move its arguments away and back for a call that it does not make.
unsafe impl<A: GlobalAlloc> GlobalAlloc for SamplingAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if thread::with(|thread| thread.count(layout.size())) {
            // SAFETY: our caller keeps the contract for `layout`.
            return unsafe { Self::alloc_due(layout.size(), layout.align(), self) };
        }
        // SAFETY: our caller keeps the contract for `layout`.
        unsafe { self.inner.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if thread::with(|thread| thread.count(layout.size())) {
            // SAFETY: our caller keeps the contract for `layout`.
            return unsafe { Self::alloc_zeroed_due(layout.size(), layout.align(), self) };
        }
        // SAFETY: our caller keeps the contract for `layout`.
        unsafe { self.inner.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let size = layout.size();
        // In nearly all code the alignment is a constant, and one of these arms remains. In the
        // runtime's `__rust_dealloc` it is not. There the two comparisons save the inner allocator
        // its own work on the alignment.
        match layout.align() {
            // SAFETY: our caller keeps the contract for `block` and `layout`.
            1 => unsafe { Self::dealloc_aligned::<1>(block, size, self) },
            // SAFETY: our caller keeps the contract for `block` and `layout`.
            8 => unsafe { Self::dealloc_aligned::<8>(block, size, self) },
            // SAFETY: our caller keeps the contract for `block` and `layout`.
            align => unsafe { Self::dealloc_any(block, size, self, align) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: our caller keeps the contract for `block`, `layout` and `new_size`.
        unsafe { Self::realloc_any(block, layout.size(), layout.align(), new_size, self) }
    }
}

/// The rest of the fast paths.
impl<A: GlobalAlloc> SamplingAllocator<A> {
    #[inline(never)]
    unsafe fn dealloc_aligned<const ALIGN: usize>(block: *mut u8, size: usize, this: &Self) {
        // SAFETY: our caller keeps the contract.
        unsafe { Self::dealloc_here(block, size, this, ALIGN) };
    }

    #[inline(never)]
    unsafe fn dealloc_any(block: *mut u8, size: usize, this: &Self, align: usize) {
        // SAFETY: our caller keeps the contract.
        unsafe { Self::dealloc_here(block, size, this, align) };
    }

    /// Each test calls its own slow-path function. Otherwise the compiler merges the tests.
    #[inline(always)]
    unsafe fn dealloc_here(block: *mut u8, size: usize, this: &Self, align: usize) {
        // SAFETY: the parts of one layout.
        let layout = unsafe { layout_of(size, align) };
        if mark::has_signature(block.addr()) {
            // SAFETY: our caller keeps the contract for `block` and `layout`.
            return unsafe { Self::dealloc_signed(block, size, this, align) };
        }
        if !mark::is_markable(layout) {
            // SAFETY: our caller keeps the contract for `block` and `layout`.
            return unsafe { Self::dealloc_large(block, size, this, align) };
        }
        // SAFETY: our caller keeps the contract. The block is not sampled, so the inner allocator
        // made it with this layout.
        unsafe { this.inner.dealloc(block, layout) }
    }

    #[inline(never)]
    unsafe fn realloc_any(
        block: *mut u8,
        size: usize,
        align: usize,
        new_size: usize,
        this: &Self,
    ) -> *mut u8 {
        // SAFETY: the parts of one layout.
        let layout = unsafe { layout_of(size, align) };
        if thread::with(|thread| thread.count(new_size)) {
            // SAFETY: our caller keeps the contract for `block`, `layout` and `new_size`.
            return unsafe { Self::realloc_due(block, size, align, new_size, this) };
        }
        if mark::has_signature(block.addr()) {
            // SAFETY: our caller keeps the contract for `block`, `layout` and `new_size`.
            return unsafe { Self::realloc_signed(block, size, align, new_size, this) };
        }
        if !mark::is_markable(layout) {
            // SAFETY: our caller keeps the contract for `block`, `layout` and `new_size`.
            return unsafe { Self::realloc_large(block, size, align, new_size, this) };
        }
        // SAFETY: our caller keeps the contract. The block is not sampled, so the inner allocator
        // made it with this layout.
        unsafe { this.inner.realloc(block, layout, new_size) }
    }
}
