//! The realloc of a sampled large block, whose entry stays until the outcome is known.
//!
//! The block is one that is not marked by its address. The inner allocator works while the entry is
//! in transit. This is separate from the [recorder](super::recorder), whose other steps end when
//! they return. It knows no pointers either.

use super::{
    live::{LiveTable, Lookup},
    recorder::Recorder,
    transit::Transit,
};
use crate::record::{
    fork::GatePass,
    losses::Losses,
    retry,
    sampling::thread::{Locked, Thread},
};

impl Recorder {
    /// Begins the realloc of a sampled block that is not marked by its address.
    pub(in crate::record) fn begin_realloc<'a>(
        &'a self,
        thread: &'a Thread,
        address: usize,
    ) -> Lookup<Realloc<'a>> {
        let Some(tables) = self.tables.get() else {
            return Lookup::NotSampled;
        };
        let (Some(locked), Some(pass)) = (thread.lock(), self.gate.enter()) else {
            return Lookup::Busy;
        };
        match tables.live.begin_transit(address) {
            Lookup::Sampled(transit) => Lookup::Sampled(Realloc {
                live: &tables.live,
                losses: &self.losses,
                address,
                transit,
                _pass: pass,
                _locked: locked,
            }),
            Lookup::NotSampled => Lookup::NotSampled,
            Lookup::Busy => Lookup::Busy,
        }
    }
}

/// A sampled block that is being reallocated. No fork begins meanwhile. Otherwise the gate would be
/// closed when the entry has to go, and a block that is gone would be shown forever.
#[must_use]
#[derive(Debug)]
pub(in crate::record) struct Realloc<'a> {
    live: &'a LiveTable,
    losses: &'a Losses,
    address: usize,
    transit: Transit,
    // Dropped in this order: a thread inside the gate is locked.
    _pass: GatePass<'a>,
    _locked: Locked<'a>,
}

impl Realloc<'_> {
    /// Ends the realloc. `gone`: the block was moved or changed in place; otherwise it stayed as it
    /// was.
    pub(in crate::record) fn end(self, gone: bool) {
        let end = || self.live.end_transit(self.address, self.transit, gone);
        // No other thread would end the transit, and it cannot be deferred.
        if retry::retry_longer(|| end().then_some(())).is_none() {
            self.losses.count_free();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::record::tables::recorder::ADDRESS;

    fn begun<'a>(recorder: &'a Recorder, thread: &'a Thread) -> Realloc<'a> {
        match recorder.begin_realloc(thread, ADDRESS) {
            Lookup::Sampled(realloc) => realloc,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_fork_begins_in_the_middle_of_a_realloc() {
        let thread = Thread::new();
        let recorder = Recorder::with_a_block(&thread);
        let realloc = begun(&recorder, &thread);
        assert!(thread.is_locked(), "a signal handler's frees wait");
        assert!(!recorder.gate.close(0), "the realloc is inside the gate");
        realloc.end(true);
        assert!(!thread.is_locked());
        recorder.gate.open();
        assert_eq!(recorder.table_sizes().0, 0, "the block is gone");
        assert!(recorder.lost().is_nothing());
    }

    #[test]
    fn a_failed_realloc_leaves_the_block_as_it_was() {
        let thread = Thread::new();
        let recorder = Recorder::with_a_block(&thread);
        for _ in 0..2 {
            begun(&recorder, &thread).end(false);
        }
        let found = recorder.look_up(&thread, ADDRESS);
        assert_eq!(found, Lookup::Sampled(()));
        begun(&recorder, &thread).end(true);
        assert_eq!(recorder.table_sizes().0, 0);
    }

    #[test]
    fn the_end_of_a_realloc_waits_longer_for_a_shard_than_an_allocation() {
        let thread = Thread::new();
        let recorder = Recorder::with_a_block(&thread);
        let realloc = begun(&recorder, &thread);
        recorder.while_shard_is_held(|| realloc.end(true));
        assert_eq!(recorder.table_sizes().0, 0, "the block is gone");
        assert!(recorder.lost().is_nothing());
    }
}
