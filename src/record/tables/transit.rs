//! Entries of the live table in transit, while their block is reallocated in place.

use super::live::{LiveTable, Lookup, hash};
use crate::record::sync::Ordering;

/// A realloc in progress; no two running at the same time share one, and 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transit(u32);

impl LiveTable {
    /// Marks the entry of a block that is not marked by its address as in transit, while the block is
    /// reallocated.
    pub(super) fn begin_transit(&self, address: usize) -> Lookup<Transit> {
        let Some(mut shard) = self.shards.lock(hash(&address)) else {
            return Lookup::Busy;
        };
        let entry = shard.find(hash(&address), |key| *key == address);
        let Some(entry) = entry.filter(|entry| entry.transit == 0) else {
            return Lookup::NotSampled;
        };
        // Wraps after two billion reallocs of sampled blocks, long after this one has ended.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any nonzero number will do"
        )]
        let token = (self.transits.fetch_add(1, Ordering::Relaxed) as u32) | 1 << 31;
        entry.transit = token;
        Lookup::Sampled(Transit(token))
    }

    /// Ends a transit: takes the entry out if the block has gone, keeps it otherwise. An entry that
    /// another thread has made at the address since is not touched. False if the shard could not be
    /// locked.
    pub(super) fn end_transit(&self, address: usize, transit: Transit, gone: bool) -> bool {
        let Some(mut shard) = self.shards.lock(hash(&address)) else {
            return false;
        };
        let Some(entry) = shard.find(hash(&address), |key| *key == address) else {
            return true;
        };
        if entry.transit != transit.0 {
            return true;
        }
        entry.transit = 0;
        if gone && let Some(entry) = shard.remove(hash(&address), |key| *key == address) {
            self.count_removed(&entry.sample());
        }
        true
    }
}
