//! The recorder: it decides, records and forgets samples.
//!
//! It owns the tables, the settings and the loss counters. It is a value, so that it can be tested
//! without an allocator; the program's one is in [`global`](crate::record::global). It knows
//! addresses and sizes but no pointers: memory is the task of [`hook`](crate::record::hook).

use super::{
    deferred_frees::{DeferredFree, DeferredFrees},
    lazy_tables::{LazyTables, Tables},
    live::{LiveSample, Lookup},
    stacks::{Allocation, BucketId},
};
#[cfg(feature = "snapshotter")]
use crate::record::alarm::Alarm;
use crate::record::{
    fork::ForkGate,
    losses::{Losses, RecordError},
    sampling::{countdown::Pick, thread::Thread},
    settings::Settings,
    sync::{AtomicU64, AtomicUsize, Ordering, const_unless_loom, yield_now},
    unwind::Stack,
};
use std::time::Duration;

/// How often a gate that a fork keeps closed is tried with a yield, and then with a `GATE_PAUSE` in
/// between: four seconds in all. Closing the gate may take two, and the fork of a process of 100
/// GiB one.
const GATE_YIELDS: u32 = 1_000;
const GATE_PAUSES: u32 = 40_000;
const GATE_PAUSE: Duration = Duration::from_micros(100);

/// All state of the recording side that threads share.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(in crate::record) settings: Settings,
    pub(super) losses: Losses,
    pub(in crate::record) gate: ForkGate,
    deferred_frees: DeferredFrees,
    pub(super) tables: LazyTables,
    threads: AtomicU64,
    pub(super) samples: AtomicU64,
    /// Bytes that the marks of live blocks cost.
    pub(super) padding: AtomicUsize,
    #[cfg(feature = "snapshotter")]
    pub(in crate::record) alarm: Alarm,
}

/// How far a sample was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::record) enum Recorded {
    /// In the sums and in the live table.
    Live,
    /// Nowhere yet: the live table has no place. The caller may still [add it to the
    /// sums](Recorder::record_without_live).
    NoPlace,
    /// Nowhere, and counted as lost.
    Lost,
}

impl Recorder {
    const_unless_loom! {
        pub(in crate::record) fn new() -> Self {
            Self {
                settings: Settings::new(),
                losses: Losses::new(),
                gate: ForkGate::new(),
                deferred_frees: DeferredFrees::new(),
                tables: LazyTables::new(),
                threads: AtomicU64::new(0),
                samples: AtomicU64::new(0),
                padding: AtomicUsize::new(0),
                #[cfg(feature = "snapshotter")]
                alarm: Alarm::new(),
            }
        }
    }

    /// Decides an allocation whose countdown has run out. `seed` is the process's.
    pub(in crate::record) fn decide(
        &self,
        thread: &Thread,
        size: usize,
        seed: u64,
    ) -> Option<Pick> {
        let interval = self.settings.drawing_interval();
        let pick = thread.decide(size, interval, || {
            // Threads reuse each other's addresses, so a counter distinguishes them.
            let number = self.threads.fetch_add(1, Ordering::Relaxed);
            seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        pick.filter(|_| self.settings.is_on())
    }

    /// Records a sampled block: first the sums, then the live entry. A snapshot copies them in the
    /// other order, so it never sees more bytes in use than allocated.
    pub(in crate::record) fn record(
        &self,
        thread: &Thread,
        address: usize,
        allocation: Allocation,
        stack: &Stack,
        padding: usize,
    ) -> Recorded {
        let recorded = self.with_tables(thread, |tables| {
            let Ok(reserved) = tables.live.reserve(address) else {
                return Recorded::NoPlace;
            };
            match self.add(tables, stack, allocation) {
                Ok(bucket) => {
                    reserved.insert(LiveSample {
                        size: allocation.size,
                        weight: allocation.weight,
                        bucket,
                    });
                    self.padding.fetch_add(padding, Ordering::Relaxed);
                    Recorded::Live
                }
                Err(_) => {
                    self.losses.count_sample();
                    Recorded::Lost
                }
            }
        });
        // After all locks are released: the woken thread may want them at once.
        #[cfg(feature = "snapshotter")]
        self.alarm.check(self.live_bytes());
        recorded.unwrap_or_else(|| {
            self.losses.count_sample();
            Recorded::Lost
        })
    }

    /// Records only the `alloc` part of a sampled block: the live table has no place for it.
    pub(in crate::record) fn record_without_live(
        &self,
        thread: &Thread,
        allocation: Allocation,
        stack: &Stack,
    ) {
        let added = self.with_tables(thread, |tables| self.add(tables, stack, allocation).is_ok());
        if added == Some(true) {
            self.losses.count_live();
        } else {
            self.losses.count_sample();
        }
    }

    fn add(
        &self,
        tables: &Tables,
        stack: &Stack,
        allocation: Allocation,
    ) -> Result<BucketId, RecordError> {
        let (bucket, table_full) = tables.stacks.add(stack.addresses(), allocation)?;
        self.samples.fetch_add(1, Ordering::Relaxed);
        if table_full {
            self.losses.count_stack();
        }
        Ok(bucket)
    }

    /// Takes a block that is about to be freed out of the live table. `Busy` if that is impossible
    /// now: then the free is deferred, and the caller has nothing left to do.
    pub(in crate::record) fn take(
        &self,
        thread: &Thread,
        free: DeferredFree,
        padding: usize,
    ) -> Lookup<()> {
        let take = |tables: &Tables| tables.live.take(free.address);
        let mut found = self.look(thread, take);
        if found == Lookup::Busy {
            if self.deferred_frees.defer(free) {
                return Lookup::Busy;
            }
            // All slots are full. A fork is what fills them, so wait for its end rather than lose
            // the block.
            if let Some(tables) = self.tables.get() {
                let late = self.through_gate(thread, || take(tables));
                found = late.unwrap_or(Lookup::Busy);
            }
        }
        match found {
            Lookup::Sampled(_) => {
                // Saturates: a loss between two counters must not wrap around.
                let less = |bytes: usize| Some(bytes.saturating_sub(padding));
                // Never an error: the closure always returns a value.
                let _ = self
                    .padding
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
                Lookup::Sampled(())
            }
            Lookup::NotSampled => Lookup::NotSampled,
            Lookup::Busy => {
                self.losses.count_free();
                Lookup::Busy
            }
        }
    }

    /// Whether a block is in the live table.
    pub(in crate::record) fn look_up(&self, thread: &Thread, address: usize) -> Lookup<()> {
        self.look(thread, |tables| tables.live.look_up(address))
    }

    /// Takes out the next deferred free of `owner`; `from` starts at 0.
    #[inline]
    pub(in crate::record) fn take_deferred_free(
        &self,
        thread: &Thread,
        owner: usize,
        from: &mut usize,
    ) -> Option<DeferredFree> {
        if self.deferred_frees.is_empty() || thread.is_locked() {
            return None;
        }
        self.deferred_frees.take(owner, from)
    }

    fn look<T>(&self, thread: &Thread, find: impl FnOnce(&Tables) -> Lookup<T>) -> Lookup<T> {
        match self.tables.get() {
            // Nothing was ever recorded.
            None => Lookup::NotSampled,
            Some(_) => self.with_tables(thread, find).unwrap_or(Lookup::Busy),
        }
    }

    /// Runs `f` locked and inside the gate. `None` if that is impossible now.
    pub(super) fn with_tables<R>(
        &self,
        thread: &Thread,
        f: impl FnOnce(&Tables) -> R,
    ) -> Option<R> {
        let _locked = thread.lock()?;
        let _pass = self.gate.enter()?;
        Some(f(self.tables.get_or_make(thread)?))
    }

    /// As [`with_tables`](Self::with_tables), but waits for the end of a fork, outside all locks. A
    /// fork lasts milliseconds.
    pub(super) fn through_gate<R>(
        &self,
        thread: &Thread,
        mut f: impl FnMut() -> R,
    ) -> Result<R, RecordError> {
        for attempt in 0..GATE_YIELDS + GATE_PAUSES {
            let locked = thread.lock().ok_or(RecordError::Busy)?;
            if let Some(_pass) = self.gate.enter() {
                return Ok(f());
            }
            drop(locked);
            if attempt < GATE_YIELDS {
                yield_now();
            } else {
                std::thread::sleep(GATE_PAUSE);
            }
        }
        Err(RecordError::Busy)
    }
}

/// The address of the block of [`Recorder::with_a_block`].
#[cfg(all(test, not(loom)))]
pub(super) const ADDRESS: usize = 0x7f00_0012_3000;

#[cfg(all(test, not(loom)))]
impl Recorder {
    /// A recorder that has recorded one block at [`ADDRESS`].
    pub(super) fn with_a_block(thread: &Thread) -> Self {
        let recorder = Self::new();
        let allocation = Allocation {
            size: 100_000,
            weight: 1.0,
            interval: 1,
        };
        let stack = crate::record::unwind::capture(0);
        let recorded = recorder.record(thread, ADDRESS, allocation, &stack, 0);
        assert_eq!(recorded, Recorded::Live);
        recorder
    }

    /// Runs `work` while another thread holds the shard of [`ADDRESS`], for longer than an
    /// allocation waits and less long than other work does.
    pub(super) fn while_shard_is_held(&self, work: impl FnOnce()) {
        let both = std::sync::Barrier::new(2);
        let is_done = std::sync::atomic::AtomicBool::new(false);
        let pauses = crate::record::retry::pauses::of_this_thread();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let tables = self.tables.get();
                let held = tables.map(|tables| tables.live.reserve(ADDRESS));
                both.wait();
                pauses.wait_unless(|| is_done.load(Ordering::Relaxed));
                drop(held);
            });
            both.wait();
            work();
            is_done.store(true, Ordering::Relaxed);
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::record::unwind;
    use core::alloc::Layout;

    fn free(address: usize) -> DeferredFree {
        DeferredFree {
            address,
            layout: Layout::from_size_align(100_000, 8).unwrap(),
            owner: 5,
        }
    }

    #[test]
    fn a_lost_sample_is_counted_and_a_free_is_deferred() {
        let thread = Thread::new();
        let recorder = Recorder::with_a_block(&thread);
        let allocation = Allocation {
            size: 8,
            weight: 1.0,
            interval: 1,
        };
        let stack = unwind::capture(0);
        assert!(recorder.gate.close(0));
        let recorded = recorder.record(&thread, 0x30, allocation, &stack, 10);
        assert_eq!(recorded, Recorded::Lost);
        recorder.record_without_live(&thread, allocation, &stack);
        assert_eq!(recorder.lost().samples, 2);
        assert_eq!(recorder.samples(), 1);
        assert_eq!(recorder.take(&thread, free(ADDRESS), 0), Lookup::Busy);
        recorder.gate.open();

        let mut from = 0;
        assert_eq!(recorder.take_deferred_free(&thread, 6, &mut from), None);
        from = 0;
        let deferred = recorder.take_deferred_free(&thread, 5, &mut from);
        assert_eq!(deferred, Some(free(ADDRESS)));
        assert_eq!(
            recorder.take(&thread, free(ADDRESS), 0),
            Lookup::Sampled(())
        );
        recorder.record_without_live(&thread, allocation, &stack);
        assert_eq!((recorder.lost().live, recorder.lost().frees), (1, 0));
    }

    #[test]
    fn a_free_that_a_locked_thread_cannot_defer_is_counted() {
        let thread = Thread::new();
        let recorder = Recorder::with_a_block(&thread);
        let _locked = thread.lock();
        for block in 1..=300 {
            let found = recorder.take(&thread, free(block << 12), 0);
            assert_eq!(found, Lookup::Busy);
        }
        assert_eq!(recorder.lost().frees, 300 - 256);
    }

    #[test]
    fn padding_counts_only_live_marked_blocks() {
        let thread = Thread::new();
        let recorder = Recorder::with_a_block(&thread);
        let before = recorder.overhead_bytes(&thread).unwrap();
        let allocation = Allocation {
            size: 100,
            weight: 1.0,
            interval: 1,
        };
        let stack = unwind::capture(0);
        let addresses = [0x1030, 0x2030, 0x3030];
        for address in addresses {
            let recorded = recorder.record(&thread, address, allocation, &stack, 4000);
            assert_eq!(recorded, Recorded::Live);
        }
        // The tables grow too, but by less than one block's padding.
        let grown = recorder.overhead_bytes(&thread).unwrap() - before;
        assert!((12_000..16_000).contains(&grown), "{grown}");
        for address in addresses {
            let found = recorder.take(&thread, free(address), 4000);
            assert_eq!(found, Lookup::Sampled(()));
        }
        assert_eq!(
            recorder.padding.load(Ordering::Relaxed),
            0,
            "a free subtracts the padding"
        );
    }
}
