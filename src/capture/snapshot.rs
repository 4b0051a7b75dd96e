//! [`Snapshot`]: everything recorded at one instant, as owned plain data.
//!
//! It is the only way from the recording side to the rest of the package.

use super::this_process;
use crate::{
    errors,
    record::{self, Bucket, Copied, LiveSample, Lost, Marker, RecordError},
};
use heaptide_profile::{Error, Process, Result};
use std::time::{Duration, Instant, SystemTime};

/// A copy of every live sample and of every call stack's sums.
///
/// It is taken while the program runs, so it is not the state of one clock tick. A block that is
/// neither freed nor reallocated during the copy appears exactly once. No stack has more in use
/// than was allocated. [`copy_duration`](Self::copy_duration) says how long the copy took. There is
/// no garbage collector to wait for: a freed block is not in the next snapshot.
#[derive(Debug)]
pub struct Snapshot {
    taken_at: SystemTime,
    process: Process,
    copy_duration: Duration,
    sample_interval: u64,
    period: u64,
    environment_ignored: bool,
    small_unsampled: bool,
    lost: Lost,
    copied: Copied,
}

/// Takes a [`Snapshot`] of this process's heap samples.
///
/// # Errors
///
/// - Unsupported, if recording is not implemented: on all systems but Linux on x86-64 and 64-bit
///   ARM.
/// - Not installed, if no allocation ever came through a
///   [`SamplingAllocator`](crate::SamplingAllocator).
/// - Busy, if a table stayed locked for too long or there was no memory for the copy.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "jemalloc")] {
/// #[global_allocator]
/// static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();
///
/// fn main() -> Result<(), heaptide::Error> {
///     let snapshot = heaptide::snapshot()?;
///     println!("{} sampled blocks are live", snapshot.live_samples());
///     Ok(())
/// }
/// # }
/// ```
pub fn snapshot() -> Result<Snapshot> {
    if !record::IS_SUPPORTED {
        return Err(errors::unsupported());
    }
    let taken_at = SystemTime::now();
    let started = Instant::now();
    let copied = record::copy().ok_or_else(errors::not_installed)?;
    let copied = copied.map_err(|error| match error {
        RecordError::NoMemory => {
            Error::busy("could not take a heap snapshot: no memory for the copy")
        }
        RecordError::Busy | RecordError::Full => {
            Error::busy("could not take a heap snapshot: a table stayed locked; try again")
        }
    })?;
    Ok(Snapshot {
        taken_at,
        // Its first call reads files. The program must not see these allocations.
        process: record::muted(this_process::this_process),
        copy_duration: started.elapsed(),
        sample_interval: record::sample_interval(),
        period: record::drawing_interval(),
        environment_ignored: record::is_environment_ignored(),
        small_unsampled: record::is_small_unsampled(),
        lost: record::lost(),
        copied,
    })
}

impl Snapshot {
    /// When it was taken.
    #[must_use]
    pub fn taken_at(&self) -> SystemTime {
        self.taken_at
    }

    /// The process of this snapshot.
    pub(crate) fn process(&self) -> Process {
        self.process
    }

    /// How long copying took, while the program ran on.
    #[must_use]
    pub fn copy_duration(&self) -> Duration {
        self.copy_duration
    }

    /// The mean bytes between samples in force; 0 while recording was off.
    #[must_use]
    pub fn sample_interval(&self) -> u64 {
        self.sample_interval
    }

    /// How many sampled blocks are live.
    #[must_use]
    pub fn live_samples(&self) -> usize {
        self.copied.live.len()
    }

    /// What could not be recorded since the program started.
    #[must_use]
    pub fn lost(&self) -> Lost {
        self.lost
    }

    /// The mean bytes between sample points. They are drawn also while recording is off.
    pub(crate) fn period(&self) -> u64 {
        self.period
    }

    pub(crate) fn is_environment_ignored(&self) -> bool {
        self.environment_ignored
    }

    pub(crate) fn is_small_unsampled(&self) -> bool {
        self.small_unsampled
    }

    pub(crate) fn live(&self) -> &[LiveSample] {
        &self.copied.live
    }

    pub(crate) fn buckets(&self) -> &[Bucket] {
        &self.copied.buckets
    }

    /// The call stack of one of its buckets: return addresses, leaf first.
    pub(crate) fn stack(&self, bucket: &Bucket) -> &[usize] {
        let range = bucket.addresses.clone();
        self.copied.addresses.get(range).unwrap_or_default()
    }

    /// The markers that stand in place of code on its stacks: address and name.
    pub(crate) fn markers(&self) -> impl Iterator<Item = (usize, &'static str)> {
        Marker::ALL
            .into_iter()
            .map(|marker| (marker.address(), marker.name()))
    }
}

#[cfg(test)]
impl Snapshot {
    /// A made-up snapshot of a process that records nothing at the moment.
    pub(crate) fn for_test(
        period: u64,
        live: Vec<LiveSample>,
        buckets: Vec<Bucket>,
        addresses: Vec<usize>,
        lost: Lost,
    ) -> Self {
        Self {
            taken_at: SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_000_000_007),
            process: Process::new(42, 160_000_000_025),
            copy_duration: Duration::ZERO,
            sample_interval: 0,
            period,
            environment_ignored: true,
            small_unsampled: true,
            lost,
            copied: Copied {
                live,
                buckets,
                addresses,
            },
        }
    }
}
