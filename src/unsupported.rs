//! Replaces `record` where recording is not implemented: it forwards and records nothing.
//!
//! `lib.rs` chooses one of the two modules, so that neither has conditions inside. This allocator
//! must not sample: every profile function returns an error on these targets.

#![expect(unsafe_code, reason = "forwards a GlobalAlloc")]

#[path = "record/losses.rs"]
#[expect(dead_code, reason = "nothing is ever lost here")]
mod losses;
#[cfg(any(fuzzing, test, feature = "http", feature = "snapshotter"))]
#[path = "record/size.rs"]
mod size;
#[path = "record/stats.rs"]
mod stats;
#[path = "record/sync.rs"]
#[expect(dead_code, unused_imports, unused_macros, reason = "for `losses`")]
mod sync;

pub use losses::Lost;
pub use stats::Stats;

pub(crate) use losses::RecordError;
#[cfg(any(fuzzing, test, feature = "http", feature = "snapshotter"))]
pub(crate) use size::parse_size;

use core::alloc::{GlobalAlloc, Layout};
#[cfg(feature = "snapshotter")]
use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub(crate) const IS_SUPPORTED: bool = false;

/// The inner allocator by default.
#[cfg(all(feature = "jemalloc", not(windows)))]
pub type DefaultInner = tikv_jemallocator::Jemalloc;

/// The inner allocator by default: the system's, since jemalloc does not build here.
#[cfg(all(feature = "jemalloc", windows))]
pub type DefaultInner = std::alloc::System;

/// The placeholder for the inner allocator while the feature `jemalloc` is off. Name one yourself:
/// `SamplingAllocator<System>` and [`SamplingAllocator::with_inner`].
#[cfg(not(feature = "jemalloc"))]
#[derive(Clone, Copy, Debug)]
pub enum DefaultInner {}

/// A global allocator that forwards to an inner one. heaptide does not record on this target.
#[derive(Clone, Copy, Debug, Default)]
pub struct SamplingAllocator<A = DefaultInner> {
    inner: A,
}

#[cfg(feature = "jemalloc")]
impl SamplingAllocator {
    /// Forwards to jemalloc, or to the system's allocator on Windows.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_inner(DefaultInner {})
    }
}

impl<A> SamplingAllocator<A> {
    /// Forwards to `inner`.
    #[must_use]
    pub const fn with_inner(inner: A) -> Self {
        Self { inner }
    }

    /// Does nothing on this target.
    #[must_use]
    pub const fn sample_interval(self, _bytes: u64) -> Self {
        self
    }

    /// Does nothing on this target.
    #[must_use]
    pub const fn mark_small(self, _yes: bool) -> Self {
        self
    }
}

// SAFETY: every method forwards its arguments to the inner allocator, which keeps the contract.
unsafe impl<A: GlobalAlloc> GlobalAlloc for SamplingAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: our caller keeps the contract.
        unsafe { self.inner.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: our caller keeps the contract.
        unsafe { self.inner.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: our caller keeps the contract.
        unsafe { self.inner.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: our caller keeps the contract.
        unsafe { self.inner.realloc(block, layout, new_size) }
    }
}

/// 0: nothing is recorded on this target.
#[must_use]
pub fn sample_interval() -> u64 {
    0
}

/// Does nothing on this target.
pub fn set_sample_interval(_bytes: u64) {}

/// All zero on this target, and `installed` false.
#[must_use]
pub fn stats() -> Stats {
    Stats {
        installed: false,
        sample_interval: 0,
        samples: 0,
        live_samples: 0,
        live_bytes: 0,
        stacks: 0,
        overhead_bytes: Some(0),
        lost: Lost::default(),
        environment_ignored: false,
        small_unsampled: false,
    }
}

pub(crate) fn drawing_interval() -> u64 {
    0
}

pub(crate) fn is_environment_ignored() -> bool {
    false
}

pub(crate) fn is_small_unsampled() -> bool {
    false
}

pub(crate) fn lost() -> Lost {
    Lost::default()
}

pub(crate) fn muted<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[cfg(feature = "snapshotter")]
pub(crate) fn live_bytes() -> u64 {
    0
}

/// As in `record`, but no allocation reaches it: it rings by hand only.
#[cfg(feature = "snapshotter")]
#[derive(Debug)]
pub(crate) struct Alarm {
    rings: Mutex<u32>,
    rang: Condvar,
}

#[cfg(feature = "snapshotter")]
pub(crate) fn alarm() -> &'static Alarm {
    static ALARM: Alarm = Alarm {
        rings: Mutex::new(0),
        rang: Condvar::new(),
    };
    &ALARM
}

#[cfg(feature = "snapshotter")]
impl Alarm {
    pub(crate) fn set_level(&self, _bytes: Option<u64>) {}

    pub(crate) fn rings(&self) -> u32 {
        *self.lock()
    }

    pub(crate) fn ring(&self) {
        let mut rings = self.lock();
        *rings = rings.wrapping_add(1);
        self.rang.notify_one();
    }

    pub(crate) fn wait(&self, seen: u32, most: Duration) {
        let rings = self.lock();
        if *rings == seen {
            drop(self.rang.wait_timeout(rings, most));
        }
    }

    /// No code that holds this lock can panic.
    fn lock(&self) -> MutexGuard<'_, u32> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As in `record`: a sampled block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LiveSample {
    pub(crate) size: u64,
    pub(crate) weight: f64,
    pub(crate) bucket: BucketId,
}

/// As in `record`: names a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BucketId(u32);

/// As in `record`: the sums of a call stack.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) id: BucketId,
    pub(crate) addresses: core::ops::Range<usize>,
    pub(crate) size_group: u64,
    pub(crate) interval: u64,
    pub(crate) samples: u64,
    pub(crate) objects: f64,
    pub(crate) bytes: f64,
}

/// As in `record`: an address that does not stand for code. There is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {}

impl Marker {
    pub(crate) const ALL: [Self; 0] = [];

    pub(crate) fn address(self) -> usize {
        match self {}
    }

    pub(crate) fn name(self) -> &'static str {
        match self {}
    }
}

/// As in `record`: everything recorded.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    pub(crate) live: Vec<LiveSample>,
    pub(crate) buckets: Vec<Bucket>,
    pub(crate) addresses: Vec<usize>,
}

pub(crate) fn copy() -> Option<Result<Copied, RecordError>> {
    None
}
