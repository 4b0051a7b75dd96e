//! The live table: all sampled blocks that are not freed yet, by address.
//!
//! An entry is taken out *before* the block goes back to the inner allocator: afterwards another
//! thread may own the address. While a large block is reallocated in place its entry stays, marked
//! as in [transit](super::transit). So restoring it after a failed call needs no memory. For all
//! other operations an entry in transit does not exist. Marked blocks are never in transit: without
//! the entry the layout to give back would be unknown.

use super::{
    shards::{Shard, Shards, mix},
    stacks::{BucketId, CopyError},
};
use crate::record::{
    losses::RecordError,
    sync::{AtomicU64, AtomicUsize, Ordering},
};
use core::alloc::Layout;

/// At the default interval a heap of 100 GiB has 200,000 live samples. Smaller intervals need more.
/// 4 million take 277 MB: 131,072 places of 33 bytes in each shard.
#[cfg(not(any(test, miri)))]
const MOST_LIVE: usize = 1 << 22;
#[cfg(any(test, miri))]
const MOST_LIVE: usize = 100;

const SHARDS: usize = 64;

/// A sampled block that is not freed yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LiveSample {
    /// The requested bytes.
    pub(crate) size: u64,
    /// How many blocks like this one it stands for.
    pub(crate) weight: f64,
    /// The call stack, size group and interval.
    pub(crate) bucket: BucketId,
}

/// A [`LiveSample`] and its transit. The fields lie side by side, so that there is no padding.
pub(super) struct LiveEntry {
    size: u64,
    weight: f64,
    bucket: BucketId,
    pub(super) transit: u32,
}

// The cost of a live sample, without the padding of its mark: 32 bytes with its key, and 38 in the
// table at its highest load of 7/8.
const _: () = assert!(size_of::<(usize, LiveEntry)>() == 32);

#[derive(Debug)]
pub(super) struct LiveTable {
    pub(super) shards: Shards<usize, LiveEntry>,
    live: AtomicUsize,
    /// The sum of [`LiveSample::estimated_bytes`]. Each entry's bytes are added once and subtracted
    /// once, under its shard's lock, so the sum never falls below zero.
    live_bytes: AtomicU64,
    pub(super) transits: AtomicUsize,
}

/// A place in the table. Its shard stays locked until the place is [filled](Self::insert) or
/// dropped.
#[must_use]
#[derive(Debug)]
pub(super) struct ReservedEntry<'a> {
    table: &'a LiveTable,
    shard: Shard<'a, usize, LiveEntry>,
    address: usize,
}

/// The answer of the table for an address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::record) enum Lookup<T> {
    Sampled(T),
    NotSampled,
    /// The shard could not be locked.
    Busy,
}

impl LiveSample {
    /// The bytes that it stands for.
    fn estimated_bytes(&self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and saturating beyond the range"
        )]
        let bytes = (self.size as f64 * self.weight).round() as u64;
        bytes
    }
}

impl LiveEntry {
    fn new(sample: LiveSample) -> Self {
        Self {
            size: sample.size,
            weight: sample.weight,
            bucket: sample.bucket,
            transit: 0,
        }
    }

    pub(super) fn sample(&self) -> LiveSample {
        LiveSample {
            size: self.size,
            weight: self.weight,
            bucket: self.bucket,
        }
    }
}

impl LiveTable {
    pub(super) fn new() -> Self {
        Self {
            shards: Shards::new(SHARDS),
            live: AtomicUsize::new(0),
            live_bytes: AtomicU64::new(0),
            transits: AtomicUsize::new(0),
        }
    }

    /// The layout of the block that [`new`](Self::new) asks the allocator for. The stack table asks
    /// for the same.
    pub(super) fn first_block() -> Layout {
        Shards::<usize, LiveEntry>::first_block(SHARDS)
    }

    /// Reserves a place for the entry of a block at `address`.
    pub(super) fn reserve(&self, address: usize) -> Result<ReservedEntry<'_>, RecordError> {
        // Relaxed: the cap may be exceeded by the number of threads.
        if self.live.load(Ordering::Relaxed) >= MOST_LIVE {
            return Err(RecordError::Full);
        }
        let mut shard = self.shards.lock(hash(&address)).ok_or(RecordError::Busy)?;
        if !shard.reserve(hash) {
            return Err(RecordError::NoMemory);
        }
        Ok(ReservedEntry {
            table: self,
            shard,
            address,
        })
    }

    /// Takes out the entry of a block.
    pub(super) fn take(&self, address: usize) -> Lookup<LiveSample> {
        let Some(mut shard) = self.shards.lock(hash(&address)) else {
            return Lookup::Busy;
        };
        match shard.find(hash(&address), |key| *key == address) {
            Some(entry) if entry.transit == 0 => {}
            _ => return Lookup::NotSampled,
        }
        match shard.remove(hash(&address), |key| *key == address) {
            Some(entry) => {
                self.count_removed(&entry.sample());
                Lookup::Sampled(entry.sample())
            }
            None => Lookup::NotSampled,
        }
    }

    /// Whether a block is in the table.
    pub(super) fn look_up(&self, address: usize) -> Lookup<()> {
        let Some(mut shard) = self.shards.lock(hash(&address)) else {
            return Lookup::Busy;
        };
        match shard.find(hash(&address), |key| *key == address) {
            Some(entry) if entry.transit == 0 => Lookup::Sampled(()),
            _ => Lookup::NotSampled,
        }
    }

    pub(super) fn count_removed(&self, sample: &LiveSample) {
        self.live.fetch_sub(1, Ordering::Relaxed);
        let bytes = sample.estimated_bytes();
        self.live_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Blocks in the table.
    pub(super) fn len(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// The bytes that the blocks in the table stand for.
    pub(super) fn live_bytes(&self) -> u64 {
        self.live_bytes.load(Ordering::Relaxed)
    }

    /// How many shards there are to [copy](Self::copy).
    pub(super) fn shard_count(&self) -> usize {
        self.shards.count()
    }

    /// Appends the blocks of one shard. If `into` lacks room it copies nothing and returns the
    /// missing room, since no memory may be allocated under a shard lock.
    pub(super) fn copy(&self, shard: usize, into: &mut Vec<LiveSample>) -> Result<(), CopyError> {
        let shard = self.shards.lock_at(shard).ok_or(CopyError::Busy)?;
        if into.capacity() - into.len() < shard.len() {
            return Err(CopyError::Room {
                entries: shard.len(),
                addresses: 0,
            });
        }
        shard.for_each(|_, entry| into.push(entry.sample()));
        Ok(())
    }

    /// Bytes that this table occupies. `None` if a shard could not be locked.
    pub(super) fn bytes(&self) -> Option<usize> {
        (0..self.shards.count())
            .map(|index| Some(self.shards.lock_at(index)?.table_bytes()))
            .sum()
    }
}

impl ReservedEntry<'_> {
    /// Inserts the entry. An entry that exists already belongs to a block that is gone: it was in
    /// transit when its address was reused, or its free was lost.
    pub(super) fn insert(mut self, sample: LiveSample) {
        let address = self.address;
        let entry = LiveEntry::new(sample);
        let live_bytes = &self.table.live_bytes;
        live_bytes.fetch_add(sample.estimated_bytes(), Ordering::Relaxed);
        if let Some(stale) = self.shard.find(hash(&address), |key| *key == address) {
            live_bytes.fetch_sub(stale.sample().estimated_bytes(), Ordering::Relaxed);
            *stale = entry;
            return;
        }
        self.shard.insert(hash(&address), address, entry, hash);
        self.table.live.fetch_add(1, Ordering::Relaxed);
    }
}

pub(super) fn hash(address: &usize) -> u64 {
    mix(0, *address as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn sample(size: u64) -> LiveSample {
        let stacks = super::super::stacks::StackTable::new();
        let allocation = super::super::stacks::Allocation {
            size: 1,
            weight: 1.0,
            interval: 1,
        };
        LiveSample {
            size,
            weight: 2.0,
            bucket: stacks.add(&[1], allocation).unwrap().0,
        }
    }

    fn sizes(table: &LiveTable) -> Vec<u64> {
        let mut all = Vec::with_capacity(2 * MOST_LIVE);
        for shard in 0..table.shard_count() {
            table.copy(shard, &mut all).unwrap();
        }
        let mut sizes: Vec<u64> = all.iter().map(|sample| sample.size).collect();
        sizes.sort_unstable();
        sizes
    }

    #[derive(Clone, Debug)]
    enum Operation {
        Insert(usize, u64),
        Take(usize),
        Realloc {
            from: usize,
            fails: bool,
            reused: Option<u64>,
        },
    }

    fn operations() -> impl Strategy<Value = Vec<Operation>> {
        let operation = prop_oneof![
            (0usize..12, 1u64..1000).prop_map(|(address, size)| Operation::Insert(address, size)),
            (0usize..12).prop_map(Operation::Take),
            (0usize..12, any::<bool>(), prop::option::of(1u64..1000)).prop_map(
                |(from, fails, reused)| Operation::Realloc {
                    from,
                    fails,
                    reused
                }
            ),
        ];
        prop::collection::vec(operation, 0..80)
    }

    proptest! {
        // Invariants: an address has at most one entry. The table holds the same as a map. A failed
        // realloc leaves the entry as it was. A transit never removes a newer entry.
        #[test]
        fn behaves_like_a_map(operations in operations()) {
            let table = LiveTable::new();
            let mut model = BTreeMap::new();
            for operation in operations {
                match operation {
                    Operation::Insert(address, size) => {
                        table.reserve(address).unwrap().insert(sample(size));
                        model.insert(address, size);
                    }
                    Operation::Take(address) => {
                        let taken = match table.take(address) {
                            Lookup::Sampled(sample) => Some(sample.size),
                            Lookup::NotSampled => None,
                            Lookup::Busy => panic!("busy"),
                        };
                        prop_assert_eq!(taken, model.remove(&address));
                    }
                    Operation::Realloc { from, fails, reused } => {
                        let Lookup::Sampled(transit) = table.begin_transit(from) else {
                            prop_assert!(!model.contains_key(&from));
                            continue;
                        };
                        prop_assert_eq!(table.take(from), Lookup::NotSampled);
                        let reused = reused.filter(|_| !fails);
                        if let Some(size) = reused {
                            table.reserve(from).unwrap().insert(sample(size));
                        }
                        prop_assert!(table.end_transit(from, transit, !fails));
                        match reused {
                            Some(size) => drop(model.insert(from, size)),
                            None if fails => {}
                            None => drop(model.remove(&from)),
                        }
                    }
                }
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.live_bytes(), 2 * model.values().sum::<u64>());
            }
            let mut expected: Vec<u64> = model.into_values().collect();
            expected.sort_unstable();
            prop_assert_eq!(sizes(&table), expected);
        }
    }

    #[test]
    fn above_the_cap_nothing_is_inserted_until_a_free_makes_room() {
        let table = LiveTable::new();
        for address in 0..MOST_LIVE {
            table.reserve(address).unwrap().insert(sample(1));
        }
        assert_eq!(table.reserve(MOST_LIVE).err(), Some(RecordError::Full));
        assert!(matches!(table.take(3), Lookup::Sampled(_)));
        assert!(table.reserve(MOST_LIVE).is_ok());
    }

    #[test]
    fn a_copy_without_room_copies_nothing_and_returns_the_missing_room() {
        let table = LiveTable::new();
        table.reserve(16).unwrap().insert(sample(1));
        let mut none = Vec::new();
        let errors = (0..table.shard_count()).filter_map(|i| table.copy(i, &mut none).err());
        let missing = CopyError::Room {
            entries: 1,
            addresses: 0,
        };
        assert_eq!(errors.collect::<Vec<_>>(), [missing]);
    }
}
