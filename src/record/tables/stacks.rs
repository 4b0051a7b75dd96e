//! The stack table: all call stacks ever sampled, by block size group, with cumulative sums.
//!
//! The key of a bucket is the stack, the size group and the interval that its samples were drawn
//! with. A bucket is never evicted, because the alloc columns of a profile must not fall. Above the
//! cap, samples go to the reserved stack [`Marker::TableFull`], so totals stay right.

use super::shards::{Shards, mix};
use crate::record::{
    losses::RecordError,
    sync::{AtomicU64, AtomicUsize, Ordering},
    unwind::Marker,
};

/// The call stacks that one process samples are rarely more than tens of thousands. A million take
/// 136 MB, and 8 bytes for each address: 0.34 GB at 40 addresses each, 1.1 GB at most.
#[cfg(not(any(test, miri)))]
const MOST_BUCKETS: usize = 1 << 20;
#[cfg(any(test, miri))]
const MOST_BUCKETS: usize = 100;

const SHARDS: usize = 64;

/// Identifies a bucket: one call stack and one size group at one interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BucketId(u32);

/// What a sample adds to its bucket.
#[derive(Clone, Copy, Debug)]
pub(in crate::record) struct Allocation {
    pub(in crate::record) size: u64,
    pub(in crate::record) weight: f64,
    pub(in crate::record) interval: u64,
}

// DashMap requires these traits. Shards are searched by hash and by comparing the parts.
#[derive(PartialEq, Eq, Hash)]
struct BucketKey {
    addresses: Box<[usize]>,
    size_group: u64,
    interval: u64,
}

struct Sums {
    id: BucketId,
    samples: u64,
    objects: f64,
    bytes: f64,
}

/// A bucket, copied to plain data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) id: BucketId,
    /// The range of its addresses among those that were copied with it.
    pub(crate) addresses: core::ops::Range<usize>,
    pub(crate) size_group: u64,
    pub(crate) interval: u64,
    /// The number of samples, unweighted.
    pub(crate) samples: u64,
    /// Estimated allocations.
    pub(crate) objects: f64,
    /// Estimated bytes.
    pub(crate) bytes: f64,
}

#[derive(Debug)]
pub(in crate::record) struct StackTable {
    shards: Shards<BucketKey, Sums>,
    buckets: AtomicUsize,
    next_id: AtomicU64,
    /// Bytes of the copied stacks.
    stack_bytes: AtomicUsize,
}

impl StackTable {
    pub(in crate::record) fn new() -> Self {
        Self {
            shards: Shards::new(SHARDS),
            buckets: AtomicUsize::new(0),
            next_id: AtomicU64::new(0),
            stack_bytes: AtomicUsize::new(0),
        }
    }

    /// Adds a sample to the sums of its stack. Returns the bucket, and `true` if the table was full
    /// and the sample went to the reserved stack.
    pub(in crate::record) fn add(
        &self,
        addresses: &[usize],
        allocation: Allocation,
    ) -> Result<(BucketId, bool), RecordError> {
        match self.add_to(addresses, allocation, false) {
            Err(RecordError::Full) => {
                let reserved = [Marker::TableFull.address()];
                self.add_to(&reserved, allocation, true)
                    .map(|id| (id, true))
            }
            added => added.map(|id| (id, false)),
        }
    }

    fn add_to(
        &self,
        addresses: &[usize],
        allocation: Allocation,
        beyond_cap: bool,
    ) -> Result<BucketId, RecordError> {
        let size_group = crate::record::sampling::sampler::size_group(allocation.size);
        let interval = allocation.interval;
        let hash = hash_parts(addresses, size_group, interval);
        let mut shard = self.shards.lock(hash).ok_or(RecordError::Busy)?;
        let is_it = |key: &BucketKey| {
            key.size_group == size_group && key.interval == interval && *key.addresses == *addresses
        };
        if let Some(sums) = shard.find(hash, is_it) {
            sums.add(allocation);
            return Ok(sums.id);
        }

        // Relaxed: the cap may be exceeded by the number of threads.
        if self.buckets.load(Ordering::Relaxed) >= MOST_BUCKETS && !beyond_cap {
            return Err(RecordError::Full);
        }
        let addresses = copy(addresses).ok_or(RecordError::NoMemory)?;
        if !shard.reserve(hash_of_key) {
            return Err(RecordError::NoMemory);
        }
        // Relaxed: an id only has to be unique.
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let id = BucketId(u32::try_from(id).map_err(|_out_of_ids| RecordError::Full)?);
        self.buckets.fetch_add(1, Ordering::Relaxed);
        self.stack_bytes
            .fetch_add(size_of_val(&*addresses), Ordering::Relaxed);
        let key = BucketKey {
            addresses,
            size_group,
            interval,
        };
        let mut sums = Sums {
            id,
            samples: 0,
            objects: 0.0,
            bytes: 0.0,
        };
        sums.add(allocation);
        shard.insert(hash, key, sums, hash_of_key);
        Ok(id)
    }

    /// Buckets in the table.
    pub(super) fn len(&self) -> usize {
        self.buckets.load(Ordering::Relaxed)
    }

    /// How many shards there are to [copy](Self::copy).
    pub(in crate::record) fn shard_count(&self) -> usize {
        self.shards.count()
    }

    /// Appends the buckets of one shard, and their addresses. If a vector lacks room it copies
    /// nothing and returns the missing room, since no memory may be allocated under a shard lock.
    pub(in crate::record) fn copy(
        &self,
        shard: usize,
        buckets: &mut Vec<Bucket>,
        addresses: &mut Vec<usize>,
    ) -> Result<(), CopyError> {
        let shard = self.shards.lock_at(shard).ok_or(CopyError::Busy)?;
        let mut total = 0;
        shard.for_each(|key, _| total += key.addresses.len());
        if buckets.capacity() - buckets.len() < shard.len()
            || addresses.capacity() - addresses.len() < total
        {
            return Err(CopyError::Room {
                entries: shard.len(),
                addresses: total,
            });
        }
        shard.for_each(|key, sums| {
            let start = addresses.len();
            addresses.extend_from_slice(&key.addresses);
            buckets.push(Bucket {
                id: sums.id,
                addresses: start..addresses.len(),
                size_group: key.size_group,
                interval: key.interval,
                samples: sums.samples,
                objects: sums.objects,
                bytes: sums.bytes,
            });
        });
        Ok(())
    }

    /// Bytes that this table occupies. `None` if a shard could not be locked.
    pub(super) fn bytes(&self) -> Option<usize> {
        let mut bytes = self.stack_bytes.load(Ordering::Relaxed);
        for index in 0..self.shards.count() {
            bytes += self.shards.lock_at(index)?.table_bytes();
        }
        Some(bytes)
    }
}

/// Why a shard was not copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::record) enum CopyError {
    Busy,
    /// This much room is missing. Reserve more, for entries that are added meanwhile.
    Room {
        entries: usize,
        addresses: usize,
    },
}

impl Sums {
    fn add(&mut self, allocation: Allocation) {
        self.samples = self.samples.saturating_add(1);
        self.objects += allocation.weight;
        self.bytes += allocation.weight * allocation.size as f64;
    }
}

/// The one copy of the stack. `None` if there is no memory for it.
fn copy(addresses: &[usize]) -> Option<Box<[usize]>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(addresses.len()).ok()?;
    copy.extend_from_slice(addresses);
    Some(copy.into_boxed_slice())
}

fn hash_of_key(key: &BucketKey) -> u64 {
    hash_parts(&key.addresses, key.size_group, key.interval)
}

fn hash_parts(addresses: &[usize], size_group: u64, interval: u64) -> u64 {
    let start = mix(size_group, interval);
    addresses
        .iter()
        .fold(start, |hash, address| mix(hash, *address as u64))
}

#[cfg(test)]
impl StackTable {
    /// Copies all buckets and their addresses.
    pub(in crate::record) fn copy_all(&self) -> (Vec<Bucket>, Vec<usize>) {
        let (mut buckets, mut addresses) = (Vec::new(), Vec::new());
        for shard in 0..self.shard_count() {
            while let Err(error) = self.copy(shard, &mut buckets, &mut addresses) {
                let CopyError::Room {
                    entries,
                    addresses: more,
                } = error
                else {
                    panic!("busy")
                };
                buckets.reserve(entries);
                addresses.reserve(more);
            }
        }
        (buckets, addresses)
    }
}

#[cfg(test)]
impl BucketId {
    /// The identity of a bucket in a test's own snapshot.
    pub(crate) fn for_test(id: u32) -> Self {
        Self(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Samples, objects and bytes by stack, size group and interval.
    type Model = BTreeMap<(Vec<usize>, u64, u64), (u64, f64, f64)>;

    fn all(table: &StackTable) -> Model {
        let (buckets, addresses) = table.copy_all();
        let rows = buckets.into_iter().map(|b| {
            let stack = addresses[b.addresses].to_vec();
            (
                (stack, b.size_group, b.interval),
                (b.samples, b.objects, b.bytes),
            )
        });
        rows.collect()
    }

    proptest! {
        #[test]
        fn its_sums_equal_those_of_a_plain_map(
            samples in prop::collection::vec((0usize..6, 0usize..4, 1u64..40, 1u64..3), 0..60)
        ) {
            let table = StackTable::new();
            let mut model = BTreeMap::new();
            for (leaf, depth, size, interval) in samples {
                let stack: Vec<usize> = (0..depth).map(|i| leaf * 100 + i).collect();
                let allocation = Allocation { size, weight: 2.0, interval };
                let (_, full) = table.add(&stack, allocation).unwrap();
                prop_assert!(!full);
                let key = (stack, crate::record::sampling::sampler::size_group(size), interval);
                let sums = model.entry(key).or_insert((0, 0.0, 0.0));
                sums.0 += 1;
                sums.1 += 2.0;
                sums.2 += 2.0 * size as f64;
            }
            prop_assert_eq!(all(&table), model);
        }
    }

    #[test]
    fn above_the_cap_samples_go_to_the_reserved_stack_and_totals_stay_right() {
        let table = StackTable::new();
        let allocation = Allocation {
            size: 8,
            weight: 1.0,
            interval: 1,
        };
        let full = (0..MOST_BUCKETS + 10)
            .filter(|i| table.add(&[i + 1], allocation).unwrap().1)
            .count();
        assert_eq!(full, 10);
        let all = all(&table);
        assert_eq!(all.len(), MOST_BUCKETS + 1);
        let total: f64 = all.values().map(|sums| sums.1).sum();
        assert_eq!(total, (MOST_BUCKETS + 10) as f64);
        let reserved = &all[&(vec![Marker::TableFull.address()], 8, 1)];
        assert_eq!(reserved.0, 10);
    }
}
