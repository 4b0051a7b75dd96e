//! Counts what could not be recorded, by reason.

use super::sync::{AtomicU64, Ordering, const_unless_loom};

/// Why a sample, or its live part, was not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordError {
    /// A table is at its cap.
    Full,
    /// A shard could not be locked in time, or a fork is in progress.
    Busy,
    /// The inner allocator had no memory for a table or for a marked block.
    NoMemory,
}

/// What the profiler could not record since the program started. All zero in a healthy process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// Sampled allocations that are in no column: the stack table was locked for too long, a fork
    /// was in progress, or there was no memory to record them.
    pub samples: u64,
    /// Sampled allocations that are in the `alloc` columns but not in the `inuse` ones: the live
    /// table was full, out of memory or locked for too long.
    pub live: u64,
    /// Sampled allocations recorded under `[stack table full]` instead of their own stack.
    pub stacks: u64,
    /// Frees of sampled blocks that could neither be done nor deferred. Such a block is leaked and
    /// stays in the `inuse` columns. A block that a realloc moved is not leaked, but stays in the
    /// columns too.
    pub frees: u64,
}

impl Lost {
    /// Whether nothing was lost.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Counts losses.
#[derive(Debug)]
pub(super) struct Losses {
    samples: AtomicU64,
    live: AtomicU64,
    stacks: AtomicU64,
    frees: AtomicU64,
}

// Relaxed throughout: these counters order nothing.
impl Losses {
    const_unless_loom! {
        pub(super) fn new() -> Self {
            Self {
                samples: AtomicU64::new(0),
                live: AtomicU64::new(0),
                stacks: AtomicU64::new(0),
                frees: AtomicU64::new(0),
            }
        }
    }

    pub(super) fn count_sample(&self) {
        self.samples.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_live(&self) {
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_stack(&self) {
        self.stacks.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_free(&self) {
        self.frees.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Lost {
        Lost {
            samples: self.samples.load(Ordering::Relaxed),
            live: self.live.load(Ordering::Relaxed),
            stacks: self.stacks.load(Ordering::Relaxed),
            frees: self.frees.load(Ordering::Relaxed),
        }
    }
}
