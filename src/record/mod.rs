//! The recording side: code that runs inside malloc and free.
//!
//! Each of its rules has cost some other profiler a deadlock, a crash or a wrong number:
//!
//! 1. No panic leaves it: no unwrap, no indexing that can fail, no unchecked arithmetic, no
//!    allocation that aborts. Without room or memory it drops the sample and counts it.
//! 2. An unsampled alloc touches its thread's own state and its layout. An unsampled free touches
//!    the address and the layout, and one byte of a filter if the block is large or looks marked by
//!    chance.
//! 3. The profiler's own allocations happen *muted*: they are never sampled and use no bytes of the
//!    countdown.
//! 4. It never waits without bound: it only tries locks. It never skips the free of a sampled
//!    block.
//! 5. It captures the stack outside all locks, and calls nothing that takes the loader lock.
//! 6. Its thread-locals are const-initialized and have no Drop.
//! 7. It forwards all four methods of `GlobalAlloc` natively. It passes null through.
//! 8. It does not log or format, and does not read the environment through std.
//! 9. It counts everything that it loses.
//!
//! Only [`snapshot`](crate::snapshot()) reads what is recorded. The snapshotter waits for its
//! alarm. This code knows nothing of profiles.

#![cfg_attr(
    not(test),
    deny(
        clippy::disallowed_macros,
        clippy::disallowed_methods,
        clippy::disallowed_types,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

#[cfg(feature = "snapshotter")]
mod alarm;
mod errno;
mod fork;
mod global;
mod hook;
mod losses;
mod retry;
mod sampling;
mod settings;
mod size;
mod stats;
mod sync;
mod tables;
mod unwind;

pub use hook::{DefaultInner, SamplingAllocator};
pub use losses::Lost;
pub use stats::Stats;
#[cfg(heaptide_compare)]
pub use unwind::{Comparison, comparison};

#[cfg(feature = "snapshotter")]
pub(crate) use alarm::Alarm;
pub(crate) use losses::RecordError;
#[cfg(any(fuzzing, test, feature = "http", feature = "snapshotter"))]
pub(crate) use size::parse_size;
pub(crate) use tables::{Bucket, BucketId, LiveSample};
pub(crate) use unwind::Marker;

use sampling::thread;

/// The present state of the profiler.
///
/// ```
/// let stats = heaptide::stats();
/// assert!(stats.lost.is_nothing());
/// ```
#[must_use]
pub fn stats() -> Stats {
    let recorder = global::recorder();
    let (live, stacks) = recorder.table_sizes();
    let overhead = muted(|| thread::with(|thread| recorder.overhead_bytes(thread)));
    Stats {
        installed: global::is_in_use(),
        sample_interval: sample_interval(),
        samples: recorder.samples(),
        live_samples: live as u64,
        live_bytes: recorder.live_bytes(),
        stacks: stacks as u64,
        overhead_bytes: overhead.map(|bytes| bytes as u64),
        lost: recorder.lost(),
        environment_ignored: recorder.settings.is_environment_ignored(),
        small_unsampled: recorder.settings.is_small_unsampled(),
    }
}

/// The sample interval in force: the mean bytes between samples, or 0 while recording is off.
#[must_use]
pub fn sample_interval() -> u64 {
    let settings = &global::recorder().settings;
    if settings.is_on() {
        settings.drawing_interval()
    } else {
        0
    }
}

/// The mean bytes between sample points. Also while recording is off.
pub(crate) fn drawing_interval() -> u64 {
    global::recorder().settings.drawing_interval()
}

/// Whether `HEAPTIDE_SAMPLE_INTERVAL` could not be read and was ignored.
pub(crate) fn is_environment_ignored() -> bool {
    global::recorder().settings.is_environment_ignored()
}

/// Whether an allocator of this process leaves small blocks unsampled.
pub(crate) fn is_small_unsampled() -> bool {
    global::recorder().settings.is_small_unsampled()
}

/// What was lost since the program started.
pub(crate) fn lost() -> Lost {
    global::recorder().lost()
}

/// Sets the mean bytes between samples for the whole process: 0 switches recording off, 1 records
/// every allocation.
///
/// A thread adopts the new interval at its next sample, or after at most 64 MiB of allocations.
/// Samples that were recorded before keep their weight. So estimates stay unbiased across any
/// number of changes.
pub fn set_sample_interval(bytes: u64) {
    global::recorder().settings.set(bytes);
}

/// Whether this target records at all.
pub(crate) const IS_SUPPORTED: bool = true;

/// Runs the profiler's own work outside malloc. Meanwhile this thread's allocations are not
/// sampled.
pub(crate) fn muted<R>(work: impl FnOnce() -> R) -> R {
    thread::with(|thread| {
        let _muted = thread.mute();
        work()
    })
}

/// The estimate of live bytes alone, which is cheaper than all of [`stats()`].
#[cfg(feature = "snapshotter")]
pub(crate) fn live_bytes() -> u64 {
    global::recorder().live_bytes()
}

/// The alarm that rings when the estimate of live bytes reaches a level.
#[cfg(feature = "snapshotter")]
pub(crate) fn alarm() -> &'static Alarm {
    &global::recorder().alarm
}

/// Everything that is recorded, copied to plain data.
#[derive(Debug, Default)]
pub(crate) struct Copied {
    pub(crate) live: Vec<LiveSample>,
    pub(crate) buckets: Vec<Bucket>,
    /// The addresses of all call stacks. Each bucket holds its range.
    pub(crate) addresses: Vec<usize>,
}

/// Copies what is recorded, shard by shard, while the program runs on. `None` if no allocation ever
/// came through a [`SamplingAllocator`].
pub(crate) fn copy() -> Option<Result<Copied, RecordError>> {
    if !global::is_in_use() {
        return None;
    }
    let copied = muted(|| {
        // Any allocation of a muted thread takes the slow path, which does the deferred frees.
        // Whether this one succeeds does not matter.
        let mut any = Vec::<u8>::new();
        let _ = any.try_reserve_exact(1);
        drop(std::hint::black_box(any));
        thread::with(|thread| {
            let mut copied = Copied::default();
            global::recorder()
                .copy(
                    thread,
                    &mut copied.live,
                    &mut copied.buckets,
                    &mut copied.addresses,
                )
                .map(|()| copied)
        })
    });
    Some(copied)
}
