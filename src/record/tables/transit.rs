//! Entries in transit: the live table's entries of blocks that are being reallocated.

use super::live::{LiveTable, Lookup, hash};
use crate::record::sync::Ordering;

/// A realloc in progress. No two concurrent ones share a token; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transit(u32);

impl LiveTable {
    /// Marks an entry as in transit, while its block is reallocated. The block is one that is not
    /// marked by its address.
    pub(super) fn begin_transit(&self, address: usize) -> Lookup<Transit> {
        let Some(mut shard) = self.shards.lock(hash(&address)) else {
            return Lookup::Busy;
        };
        let entry = shard.find(hash(&address), |key| *key == address);
        let Some(entry) = entry.filter(|entry| entry.transit == 0) else {
            return Lookup::NotSampled;
        };
        // Wraps after two billion reallocs of sampled blocks. This one ends long before.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any nonzero number is a valid token"
        )]
        let token = (self.transits.fetch_add(1, Ordering::Relaxed) as u32) | 1 << 31;
        entry.transit = token;
        Lookup::Sampled(Transit(token))
    }

    /// Ends a transit: takes the entry out if the block is gone, and keeps it otherwise. It does
    /// not touch an entry that another thread has made at the address since. False if the shard
    /// could not be locked.
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
