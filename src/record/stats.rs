//! The statistics of the profiler about itself.

use super::losses::Lost;

/// The state of the profiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Whether an allocation ever came through a [`SamplingAllocator`](crate::SamplingAllocator).
    pub installed: bool,
    /// The mean bytes between samples; 0 while recording is off.
    pub sample_interval: u64,
    /// Allocations sampled since the program started.
    pub samples: u64,
    /// Sampled blocks that are not freed yet.
    pub live_samples: u64,
    /// Live bytes, estimated from the samples: the sum of `inuse_space` in a heap profile, without
    /// taking a profile.
    pub live_bytes: u64,
    /// Distinct call stacks by block size group.
    pub stacks: u64,
    /// Bytes that the profiler occupies: its tables, and the padding of marked blocks. It does not
    /// include the static filters and unwind rules, of which the process touches at most 2.3 MiB.
    /// `None` if a table was locked for too long; ask again.
    pub overhead_bytes: Option<u64>,
    /// What could not be recorded.
    pub lost: Lost,
    /// `HEAPTIDE_SAMPLE_INTERVAL` is set to something that is not a number of bytes, and was
    /// ignored.
    pub environment_ignored: bool,
    /// An allocator of this process was built with
    /// [`mark_small(false)`](crate::SamplingAllocator::mark_small). No value covers its blocks
    /// below 64 KiB that are aligned to at most 16.
    pub small_unsampled: bool,
}
