//! What the profiler tells about itself.

use super::{global, lost::Lost, thread};

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
    /// Bytes the profiler takes: its tables, and what marking sampled blocks adds to them. `None` if a
    /// table was locked for too long; ask again.
    pub overhead_bytes: Option<u64>,
    /// What could not be recorded.
    pub lost: Lost,
    /// `HEAPTIDE_SAMPLE_INTERVAL` is set to something that is not a number of bytes, and was ignored.
    pub environment_ignored: bool,
}

/// The state of the profiler now.
///
/// ```
/// let stats = heaptide::stats();
/// assert!(stats.lost.is_nothing());
/// ```
#[must_use]
pub fn stats() -> Stats {
    let recorder = global::recorder();
    let (live, stacks) = recorder.table_sizes();
    let overhead = super::muted(|| thread::with(|thread| recorder.overhead_bytes(thread)));
    Stats {
        installed: global::is_in_use(),
        sample_interval: super::sample_interval(),
        samples: recorder.samples(),
        live_samples: live as u64,
        live_bytes: recorder.live_bytes(),
        stacks: stacks as u64,
        overhead_bytes: overhead.map(|bytes| bytes as u64),
        lost: recorder.lost(),
        environment_ignored: recorder.settings.is_environment_ignored(),
    }
}
