//! Reads out the tables: the copy for a snapshot, and the numbers of `stats`.
//!
//! It is separate from the [recorder](super::recorder) because it does not run in an allocation: a
//! reader may wait longer, and may allocate between two shards. It changes nothing.

use super::{
    lazy_tables::Tables,
    live::LiveSample,
    recorder::Recorder,
    stacks::{Bucket, CopyError},
};
use crate::record::{
    losses::{Lost, RecordError},
    retry,
    sampling::thread::Thread,
    sync::Ordering,
};

impl Recorder {
    /// The number of samples recorded so far.
    pub(in crate::record) fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    /// What was lost so far.
    pub(in crate::record) fn lost(&self) -> Lost {
        self.losses.read()
    }

    /// The number of live samples, and of distinct stacks by size group.
    pub(in crate::record) fn table_sizes(&self) -> (usize, usize) {
        let sizes = |tables: &Tables| (tables.live.len(), tables.stacks.len());
        self.tables.get().map_or((0, 0), sizes)
    }

    /// The bytes that the live samples stand for.
    pub(in crate::record) fn live_bytes(&self) -> u64 {
        self.tables
            .get()
            .map_or(0, |tables| tables.live.live_bytes())
    }

    /// Bytes of the tables and of the padding of marked blocks. `None` if a shard could not be
    /// locked.
    pub(in crate::record) fn overhead_bytes(&self, thread: &Thread) -> Option<usize> {
        if self.tables.get().is_none() {
            return Some(0);
        }
        let tables = self.with_tables(thread, |tables| {
            Some(tables.live.bytes()? + tables.stacks.bytes()?)
        });
        Some(tables??.saturating_add(self.padding.load(Ordering::Relaxed)))
    }

    /// Copies the live samples, then the buckets with their addresses, shard by shard.
    pub(in crate::record) fn copy(
        &self,
        thread: &Thread,
        live: &mut Vec<LiveSample>,
        buckets: &mut Vec<Bucket>,
        addresses: &mut Vec<usize>,
    ) -> Result<(), RecordError> {
        let Some(tables) = self.tables.get() else {
            return Ok(());
        };
        for shard in 0..tables.live.shard_count() {
            while let Some((entries, _)) =
                self.copy_shard(thread, || tables.live.copy(shard, live))?
            {
                make_room(live, entries)?;
            }
        }
        for shard in 0..tables.stacks.shard_count() {
            while let Some((entries, more)) =
                self.copy_shard(thread, || tables.stacks.copy(shard, buckets, addresses))?
            {
                make_room(buckets, entries)?;
                make_room(addresses, more)?;
            }
        }
        Ok(())
    }

    /// Copies one shard. Returns the missing room, in entries and addresses.
    fn copy_shard(
        &self,
        thread: &Thread,
        mut copy: impl FnMut() -> Result<(), CopyError>,
    ) -> Result<Option<(usize, usize)>, RecordError> {
        // No allocation waits for this, and a failed snapshot has no use. So it retries longer, and
        // lets forks begin in between.
        let copied = retry::retry_longer(|| match self.through_gate(thread, &mut copy) {
            Ok(Err(CopyError::Busy)) => None,
            copied => Some(copied),
        });
        match copied {
            Some(Ok(Ok(()))) => Ok(None),
            Some(Ok(Err(CopyError::Room { entries, addresses }))) => Ok(Some((entries, addresses))),
            Some(Err(error)) => Err(error),
            Some(Ok(Err(CopyError::Busy))) | None => Err(RecordError::Busy),
        }
    }
}

/// Reserves room for `entries` and a quarter more, since the table may grow before it is copied.
fn make_room<T>(vec: &mut Vec<T>, entries: usize) -> Result<(), RecordError> {
    vec.try_reserve(entries + entries / 4 + 16)
        .map_err(|_no_memory| RecordError::NoMemory)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_copy_waits_longer_for_a_shard_than_an_allocation() {
        let thread = Thread::new();
        let recorder = Recorder::with_a_block(&thread);
        recorder.while_shard_is_held(|| {
            let (mut live, mut buckets, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
            let copied = recorder.copy(&thread, &mut live, &mut buckets, &mut addresses);
            assert_eq!((copied, live.len(), buckets.len()), (Ok(()), 1, 1));
        });
    }
}
