//! [`SamplingAllocator`]: the `GlobalAlloc` around another one, and its four fast paths. What they leave to
//! the cold branch is in [`blocks`](super::blocks).

#![expect(unsafe_code, reason = "the one GlobalAlloc of this crate")]

use super::slow_path::layout_of;
use crate::record::sampling::{mark, thread};
use core::alloc::{GlobalAlloc, Layout};

/// The inner allocator where none is named.
#[cfg(feature = "jemalloc")]
pub type DefaultInner = tikv_jemallocator::Jemalloc;

/// Stands where an inner allocator must be named, because the feature `jemalloc` is off:
/// `SamplingAllocator<System>` and [`SamplingAllocator::with_inner`].
#[cfg(not(feature = "jemalloc"))]
#[derive(Clone, Copy, Debug)]
pub enum DefaultInner {}

/// A global allocator that samples what passes through it to an inner one.
///
/// Declared once, in the binary:
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
/// It is on from the first allocation, at a mean of 512 KiB between samples. The interval is settled by,
/// strongest first, [`set_sample_interval`](crate::set_sample_interval), the environment variable
/// `HEAPTIDE_SAMPLE_INTERVAL` (bytes, or with `KiB`, `MiB`, `GiB`; 0 is off), the builder, the default.
///
/// All instances of a process share one profiler. An instance has to outlive every block that it has
/// handed out, as a `static` does.
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

    /// Sets the mean bytes between samples that the program starts with: 0 is off, 1 records every
    /// allocation, with exact counts. At 1 each block below 64 KiB takes a KiB of its own, or more.
    #[must_use]
    pub const fn sample_interval(mut self, bytes: u64) -> Self {
        self.interval = Some(bytes);
        self
    }

    /// Whether blocks below 64 KiB, aligned to at most 16, are sampled: yes, unless this says no.
    ///
    /// A sampled small block is marked: it lies 48 bytes behind the start of a block of the inner
    /// allocator that is larger and aligned to 1 KiB. A program that is wrong about who frees a block
    /// works by luck without heaptide, and with it fails as often as such a block happens to be sampled,
    /// once in thousands of times: `libc::free` of what `Box::into_raw` gave, a `Vec` made in one `cdylib`
    /// and dropped in another with an allocator of its own, a `dealloc` with another size or alignment
    /// than the block was made with. With the system's allocator inside, what one sees then is an abort
    /// with `free(): invalid pointer` or `munmap_chunk(): invalid pointer` on stderr; with jemalloc a crash
    /// in one of its functions, then or later. The address in question ends in `030`,
    /// `430`, `830` or `c30`.
    ///
    /// `mark_small(false)` leaves every block where the inner allocator put it, so if the crashes go on,
    /// heaptide's marks are not what brings them out. The price is that small blocks are not sampled: every
    /// profile then covers only blocks of 64 KiB and more and over-aligned ones, in all four columns, and
    /// says so in a comment, as [`Stats::small_unsampled`](crate::Stats::small_unsampled) does. The
    /// estimates for those are as good as ever.
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

// SAFETY: each block comes from the inner allocator, which keeps the contract, with a layout that is the
// asked one or, for marked blocks, a larger one of which the asked part is handed out: at `raw + OFFSET`
// a block of the asked size fits, and is aligned since OFFSET is a multiple of every markable alignment.
// A block goes back with the layout it was made with, by the invariant of `blocks`. Nothing here unwinds.
//
// What stands here is inlined into the program's own code wherever it allocates, so it is as small as it can
// be (`docs/overhead.md`). An allocation is worth it; a free and a realloc are calls, as they are without
// heaptide, and their tests stand behind them, once. Functions take what `GlobalAlloc` is called with in the
// order of the runtime's `__rust_alloc` and its like, and the allocator behind it: with `self` first, or a
// `Layout` (whose alignment is passed before its size), each hot path would move its arguments aside and
// back for a call that it does not make.
unsafe impl<A: GlobalAlloc> GlobalAlloc for SamplingAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if thread::with(|thread| thread.count(layout.size())) {
            // SAFETY: what our caller promises of `layout`.
            return unsafe { Self::alloc_due(layout.size(), layout.align(), self) };
        }
        // SAFETY: what our caller promises of `layout`.
        unsafe { self.inner.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if thread::with(|thread| thread.count(layout.size())) {
            // SAFETY: what our caller promises of `layout`.
            return unsafe { Self::alloc_zeroed_due(layout.size(), layout.align(), self) };
        }
        // SAFETY: what our caller promises of `layout`.
        unsafe { self.inner.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let size = layout.size();
        // Where the alignment is known, and it is in nearly all code, one of these is left. In the runtime's
        // `__rust_dealloc`, where it is not, two comparisons spare what an inner allocator makes of it.
        match layout.align() {
            // SAFETY: what our caller promises of `block` and `layout`.
            1 => unsafe { Self::dealloc_aligned::<1>(block, size, self) },
            // SAFETY: what our caller promises of `block` and `layout`.
            8 => unsafe { Self::dealloc_aligned::<8>(block, size, self) },
            // SAFETY: what our caller promises of `block` and `layout`.
            align => unsafe { Self::dealloc_any(block, size, self, align) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: what our caller promises of `block`, `layout` and `new_size`.
        unsafe { Self::realloc_any(block, layout.size(), layout.align(), new_size, self) }
    }
}

/// The rest of the fast paths.
impl<A: GlobalAlloc> SamplingAllocator<A> {
    #[inline(never)]
    unsafe fn dealloc_aligned<const ALIGN: usize>(block: *mut u8, size: usize, this: &Self) {
        // SAFETY: what our caller promises.
        unsafe { Self::dealloc_here(block, size, this, ALIGN) };
    }

    #[inline(never)]
    unsafe fn dealloc_any(block: *mut u8, size: usize, this: &Self, align: usize) {
        // SAFETY: what our caller promises.
        unsafe { Self::dealloc_here(block, size, this, align) };
    }

    /// Each test has a cold function of its own, or the compiler merges the tests.
    #[inline(always)]
    unsafe fn dealloc_here(block: *mut u8, size: usize, this: &Self, align: usize) {
        // SAFETY: the parts of one layout.
        let layout = unsafe { layout_of(size, align) };
        if mark::has_signature(block.addr()) {
            // SAFETY: what our caller promises of `block` and `layout`.
            return unsafe { Self::dealloc_signed(block, size, this, align) };
        }
        if !mark::is_markable(layout) {
            // SAFETY: what our caller promises of `block` and `layout`.
            return unsafe { Self::dealloc_large(block, size, this, align) };
        }
        // SAFETY: what our caller promises; not a candidate, so the inner allocator made it so.
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
            // SAFETY: what our caller promises of `block`, `layout` and `new_size`.
            return unsafe { Self::realloc_due(block, size, align, new_size, this) };
        }
        if mark::has_signature(block.addr()) {
            // SAFETY: what our caller promises of `block`, `layout` and `new_size`.
            return unsafe { Self::realloc_signed(block, size, align, new_size, this) };
        }
        if !mark::is_markable(layout) {
            // SAFETY: what our caller promises of `block`, `layout` and `new_size`.
            return unsafe { Self::realloc_large(block, size, align, new_size, this) };
        }
        // SAFETY: what our caller promises; not a candidate, so the inner allocator made it so.
        unsafe { this.inner.realloc(block, layout, new_size) }
    }
}
