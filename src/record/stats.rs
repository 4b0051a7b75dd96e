//! What the profiler tells about itself.

use super::losses::Lost;

/// The state of the profiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Whether any allocation came through a [`SamplingAllocator`](crate::SamplingAllocator).
    pub installed: bool,
    /// Mean bytes between samples; 0 while recording is off.
    pub sample_interval: u64,
    /// Allocations sampled since the program started.
    pub samples: u64,
    /// Sampled blocks that are not freed yet.
    pub live_samples: u64,
    /// Bytes that are live, estimated from the samples: what a heap profile's `inuse_space` adds up to,
    /// without taking one.
    pub live_bytes: u64,
    /// Distinct call stacks by block size group.
    pub stacks: u64,
    /// Bytes the profiler takes: its tables, and what marking sampled blocks adds to them. The static
    /// filters and unwind rules, of which at most 2.3 MiB are ever touched, are not in it. `None` if a table
    /// was locked for too long; ask again.
    pub overhead_bytes: Option<u64>,
    /// What could not be recorded.
    pub lost: Lost,
    /// `HEAPTIDE_SAMPLE_INTERVAL` is set to something that is not a number of bytes, and was ignored.
    pub environment_ignored: bool,
    /// An allocator of this process was built with [`mark_small(false)`](crate::SamplingAllocator::mark_small):
    /// no value covers its blocks below 64 KiB that are aligned to at most 16.
    pub small_unsampled: bool,
}
