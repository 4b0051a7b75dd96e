//! DashMap's raw shards, locked without waiting in DashMap's parking table.
//!
//! DashMap's own methods park in the process-wide table of `parking_lot_core`. The program's locks
//! share this table, and it allocates while it holds its buckets. A sampled allocation in there
//! would deadlock the program.
//!
//! So both tables of the recording side lock shards by `try_write` with a [bounded
//! retry](crate::record::retry). They reserve room before every insert, since a failed allocation
//! must not abort, and they hash with their own function. They take only write locks: the sampled
//! path has next to no readers, and releasing a write lock never needs to unpark a thread.

#![expect(
    unsafe_code,
    reason = "a snapshot iterates a raw hashbrown table, which is unsafe"
)]

use crate::record::retry;
use core::alloc::Layout;
use dashmap::{DashMap, RwLockWriteGuard, SharedValue};
use std::{collections::hash_map::DefaultHasher, hash::BuildHasherDefault, hash::Hash};

// The map's own hasher is never called: callers pass hashes to find shards and slots.
type Map<K, V> = DashMap<K, V, BuildHasherDefault<DefaultHasher>>;
type ShardEntry<K, V> = (K, SharedValue<V>);
type ShardTable<K, V> = hashbrown::raw::RawTable<ShardEntry<K, V>>;

/// A hash map in a fixed number of shards. It never waits for a lock without bound.
pub(super) struct Shards<K, V>(Map<K, V>);

impl<K: Eq + Hash, V> Shards<K, V> {
    /// `count` is a power of two above 1.
    pub(super) fn new(count: usize) -> Self {
        let hasher = BuildHasherDefault::default();
        Self(Map::with_capacity_and_hasher_and_shard_amount(
            0, hasher, count,
        ))
    }

    /// The layout of the one block that [`new`](Self::new) asks the allocator for. It does not
    /// depend on the types of keys and values.
    pub(super) fn first_block(count: usize) -> Layout {
        fn array_of<M, T>(_shards_of: fn(&M) -> &[T], count: usize) -> Layout {
            // Not an error: `count` is 64.
            Layout::array::<T>(count).unwrap_or(Layout::new::<()>())
        }
        array_of(|map: &Map<K, V>| map.shards(), count)
    }

    /// Locks the shard that `hash` belongs to. `None` if that took too long.
    pub(super) fn lock(&self, hash: u64) -> Option<Shard<'_, K, V>> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any bits of the hash are good enough"
        )]
        self.lock_at(self.0.determine_shard(hash as usize))
    }

    /// Locks the shard at `index`, for a loop over all of them.
    pub(super) fn lock_at(&self, index: usize) -> Option<Shard<'_, K, V>> {
        let shard = self.0.shards().get(index)?;
        retry::retry(|| shard.try_write().map(Shard))
    }

    /// How many shards there are.
    pub(super) fn count(&self) -> usize {
        self.0.shards().len()
    }
}

impl<K, V> core::fmt::Debug for Shards<K, V> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Shards").finish_non_exhaustive()
    }
}

/// A locked shard. Its thread is *locked*
/// ([`Thread::lock`](crate::record::sampling::thread::Thread::lock)).
pub(super) struct Shard<'a, K, V>(RwLockWriteGuard<'a, ShardTable<K, V>>);

impl<K, V> Shard<'_, K, V> {
    /// The value of the key that `is_it` accepts.
    pub(super) fn find(&mut self, hash: u64, is_it: impl Fn(&K) -> bool) -> Option<&mut V> {
        let entry = self.0.get_mut(hash, |(key, _)| is_it(key));
        entry.map(|(_, value)| value.get_mut())
    }

    /// Makes room for the next [`insert`](Self::insert). False if there is no memory.
    pub(super) fn reserve(&mut self, hash_of: impl Fn(&K) -> u64) -> bool {
        self.0.try_reserve(1, |(key, _)| hash_of(key)).is_ok()
    }

    /// Inserts a key that is not in the table. Its room was [reserved](Self::reserve) under this
    /// same lock; otherwise growing could fail and abort.
    pub(super) fn insert(&mut self, hash: u64, key: K, value: V, hash_of: impl Fn(&K) -> u64) {
        let entry = (key, SharedValue::new(value));
        self.0.insert(hash, entry, |(key, _)| hash_of(key));
    }

    /// Takes out the entry whose key `is_it` accepts.
    pub(super) fn remove(&mut self, hash: u64, is_it: impl Fn(&K) -> bool) -> Option<V> {
        let entry = self.0.remove_entry(hash, |(key, _)| is_it(key));
        entry.map(|(_, value)| value.into_inner())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Bytes of the table itself, with keys and values.
    pub(super) fn table_bytes(&self) -> usize {
        // Each slot has one control byte.
        self.0
            .buckets()
            .saturating_mul(size_of::<ShardEntry<K, V>>() + 1)
    }

    pub(super) fn for_each(&self, mut visit: impl FnMut(&K, &V)) {
        // SAFETY: the iterator must not outlive the table, and the table must not change meanwhile.
        // The guard in `self` is borrowed for the whole loop, and `visit` has no access to it.
        for bucket in unsafe { self.0.iter() } {
            // SAFETY: the iterator yields only full buckets, and the borrow of the guard keeps
            // them.
            let (key, value) = unsafe { bucket.as_ref() };
            visit(key, value.get());
        }
    }
}

impl<K, V> core::fmt::Debug for Shard<'_, K, V> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Shard").finish_non_exhaustive()
    }
}

/// Mixes a word into a hash by a folded 128-bit multiplication, as wyhash does. Every bit of either
/// word reaches every bit of the result. The choice of the shard and hashbrown's tags need that.
pub(super) fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word ^ 0x2d35_8dcc_aa6c_78a5) * 0x8bb8_4b93_962e_acc9;
    #[expect(clippy::cast_possible_truncation, reason = "folds the two halves")]
    let folded = (product as u64) ^ (product >> 64) as u64;
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(key: &u64) -> u64 {
        mix(0, *key)
    }

    #[test]
    fn an_inserted_key_is_found_until_it_is_removed() {
        let shards = Shards::new(4);
        for key in 0..1000u64 {
            let mut shard = shards.lock(hash_of(&key)).unwrap();
            assert!(shard.reserve(hash_of));
            shard.insert(hash_of(&key), key, key * 2, hash_of);
        }
        let mut seen = Vec::new();
        for index in 0..shards.count() {
            let shard = shards.lock_at(index).unwrap();
            assert!(shard.len() > 150, "the hash spreads over the shards");
            shard.for_each(|key, value| seen.push((*key, *value)));
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..1000).map(|k| (k, k * 2)).collect::<Vec<_>>());
        let hash = hash_of(&7);
        assert_eq!(
            shards.lock(hash).unwrap().remove(hash, |k| *k == 7),
            Some(14)
        );
        assert_eq!(shards.lock(hash).unwrap().find(hash, |k| *k == 7), None);
    }

    #[test]
    fn a_held_lock_is_given_up_after_a_while() {
        let shards = Shards::<u64, u64>::new(2);
        let _held = shards.lock_at(0).unwrap();
        assert!(shards.lock_at(0).is_none());
        assert!(shards.lock_at(1).is_some());
    }
}
