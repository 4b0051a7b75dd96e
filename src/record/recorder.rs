//! The slow path: decides, records, forgets. Owns the tables, the settings and the loss counters.
//!
//! A value, so that it is tested without being anybody's allocator; the one that the program uses is
//! [`global`](super::global)'s. It knows addresses and sizes, no pointers: memory is the business of
//! [`allocator`](super::allocator).

use super::{
    aside::{Aside, PendingFree},
    filter::Filter,
    gate::Gate,
    live::{LiveSample, LiveTable, Lookup, Transit},
    lost::{Losses, Lost, RecordError},
    settings::Settings,
    stacks::{Allocation, Bucket, BucketId, CopyError, StackTable},
    sync::{AtomicU8, AtomicU64, AtomicUsize, Ordering, yield_now},
    thread::{Pick, Thread},
    unwind::Stack,
};
use std::sync::OnceLock;

/// Attempts at a gate that a fork keeps closed, before a snapshot gives up.
const GATE_ATTEMPTS: u32 = 100_000;

/// Everything world 1 shares between threads.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(super) settings: Settings,
    pub(super) filter: Filter,
    pub(super) losses: Losses,
    pub(super) gate: Gate,
    aside: Aside,
    tables: OnceLock<Tables>,
    /// 1 once somebody makes the tables: whoever else needs them meanwhile passes through unsampled.
    tables_claimed: AtomicU8,
    threads: AtomicU64,
    samples: AtomicU64,
    /// Bytes that marking live blocks costs.
    padding: AtomicUsize,
}

#[derive(Debug)]
struct Tables {
    stacks: StackTable,
    live: LiveTable,
}

/// How far recording a sample got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recorded {
    /// In the sums and in the live table.
    Live,
    /// Nowhere yet: there is no place in the live table. The caller may still
    /// [add it to the sums](Recorder::record_without_live).
    NoPlace,
    /// Nowhere; counted as lost.
    Lost,
}

impl Recorder {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self {
            settings: Settings::new(),
            filter: Filter::new(),
            losses: Losses::new(),
            gate: Gate::new(),
            aside: Aside::new(),
            tables: OnceLock::new(),
            tables_claimed: AtomicU8::new(0),
            threads: AtomicU64::new(0),
            samples: AtomicU64::new(0),
            padding: AtomicUsize::new(0),
        }
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self {
            settings: Settings::new(),
            filter: Filter::new(),
            losses: Losses::new(),
            gate: Gate::new(),
            aside: Aside::new(),
            tables: OnceLock::new(),
            tables_claimed: AtomicU8::new(0),
            threads: AtomicU64::new(0),
            samples: AtomicU64::new(0),
            padding: AtomicUsize::new(0),
        }
    }

    /// Decides an allocation whose countdown has run out; `seed` is this process's own.
    pub(super) fn decide(&self, thread: &Thread, size: usize, seed: u64) -> Option<Pick> {
        let interval = self.settings.drawing_interval();
        let pick = thread.decide(size, interval, || {
            // Threads reuse each other's addresses, so a counter tells them apart.
            let number = self.threads.fetch_add(1, Ordering::Relaxed);
            seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        pick.filter(|_| self.settings.is_on())
    }

    /// Records a sampled block. The sums come first and the live entry second, so that a snapshot,
    /// which copies them in the other order, never sees more in use than was allocated.
    pub(super) fn record(
        &self,
        thread: &Thread,
        address: usize,
        allocation: Allocation,
        stack: &Stack,
        padding: usize,
    ) -> Recorded {
        self.with_tables(thread, |tables| {
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
        })
        .unwrap_or_else(|| {
            self.losses.count_sample();
            Recorded::Lost
        })
    }

    /// Records a sampled block that has no place in the live table: its `alloc` part alone.
    pub(super) fn record_without_live(
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

    /// Takes a block out of the live table that is about to be freed.
    pub(super) fn take(&self, thread: &Thread, address: usize, padding: usize) -> Lookup<()> {
        match self.look(thread, |tables| tables.live.take(address)) {
            Lookup::Sampled(_) => {
                // Saturates: what was lost between two counters must not wrap around.
                let less = |bytes: usize| Some(bytes.saturating_sub(padding));
                let _always = self
                    .padding
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
                Lookup::Sampled(())
            }
            Lookup::NotSampled => Lookup::NotSampled,
            Lookup::Busy => Lookup::Busy,
        }
    }

    /// Whether a block is in the live table.
    pub(super) fn look_up(&self, thread: &Thread, address: usize) -> Lookup<()> {
        self.look(thread, |tables| tables.live.look_up(address))
    }

    /// Begins the realloc in place of a sampled block that is not marked by its address.
    pub(super) fn begin_transit(&self, thread: &Thread, address: usize) -> Lookup<Transit> {
        self.look(thread, |tables| tables.live.begin_transit(address))
    }

    /// Ends it: the block has moved or changed its size, or stayed what it was.
    pub(super) fn end_transit(
        &self,
        thread: &Thread,
        address: usize,
        transit: Transit,
        gone: bool,
    ) {
        let ended = self.with_tables(thread, |tables| {
            tables.live.end_transit(address, transit, gone)
        });
        if gone {
            self.filter.remove(address);
        }
        if ended != Some(true) {
            self.losses.count_live();
        }
    }

    /// Keeps a free for a later slow path, or counts its block as leaked.
    pub(super) fn put_aside(&self, free: PendingFree) {
        if !self.aside.put(free) {
            self.losses.count_free();
        }
    }

    /// Takes out the next free that `owner` has put aside; `from` starts at 0.
    #[inline]
    pub(super) fn take_pending(
        &self,
        thread: &Thread,
        owner: usize,
        from: &mut usize,
    ) -> Option<PendingFree> {
        if self.aside.is_empty() || thread.is_locked() {
            return None;
        }
        self.aside.take(owner, from)
    }

    /// Samples recorded so far.
    pub(super) fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    /// What was lost so far.
    pub(super) fn lost(&self) -> Lost {
        self.losses.read()
    }

    /// Live samples and distinct stacks by size group.
    pub(super) fn table_sizes(&self) -> (usize, usize) {
        let sizes = |tables: &Tables| (tables.live.len(), tables.stacks.len());
        self.tables.get().map_or((0, 0), sizes)
    }

    /// Bytes of the tables and of the padding of marked blocks; `None` if a shard could not be locked.
    pub(super) fn overhead_bytes(&self, thread: &Thread) -> Option<usize> {
        if self.tables.get().is_none() {
            return Some(0);
        }
        let tables = self.with_tables(thread, |tables| {
            Some(tables.live.bytes()? + tables.stacks.bytes()?)
        });
        Some(tables??.saturating_add(self.padding.load(Ordering::Relaxed)))
    }

    /// Copies the live samples, then the buckets with their addresses, shard by shard.
    pub(super) fn copy(
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
            loop {
                match self.through_gate(thread, || tables.live.copy(shard, live))? {
                    Ok(()) => break,
                    Err(CopyError::Busy) => return Err(RecordError::Busy),
                    Err(CopyError::Room { entries, .. }) => make_room(live, entries)?,
                }
            }
        }
        for shard in 0..tables.stacks.shard_count() {
            loop {
                let copied =
                    self.through_gate(thread, || tables.stacks.copy(shard, buckets, addresses))?;
                match copied {
                    Ok(()) => break,
                    Err(CopyError::Busy) => return Err(RecordError::Busy),
                    Err(CopyError::Room {
                        entries,
                        addresses: more,
                    }) => {
                        make_room(buckets, entries)?;
                        make_room(addresses, more)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn look<T>(&self, thread: &Thread, find: impl FnOnce(&Tables) -> Lookup<T>) -> Lookup<T> {
        match self.tables.get() {
            // Nothing has ever been recorded.
            None => Lookup::NotSampled,
            Some(_) => self.with_tables(thread, find).unwrap_or(Lookup::Busy),
        }
    }

    /// Runs `f` locked and inside the gate; `None` if that cannot be now.
    fn with_tables<R>(&self, thread: &Thread, f: impl FnOnce(&Tables) -> R) -> Option<R> {
        let _locked = thread.lock()?;
        let _pass = self.gate.enter()?;
        Some(f(self.tables()?))
    }

    fn tables(&self) -> Option<&Tables> {
        let tables = self.tables.get();
        if tables.is_some() || self.tables_claimed.swap(1, Ordering::Relaxed) != 0 {
            return tables;
        }
        // DashMap's constructor aborts where there is no memory, so it is asked for beforehand. The two
        // tables take 8 KiB each.
        let mut probe = Vec::<u8>::new();
        if probe.try_reserve_exact(64 << 10).is_err() {
            self.tables_claimed.store(0, Ordering::Relaxed);
            return None;
        }
        drop(probe);
        let made = Tables {
            stacks: StackTable::new(),
            live: LiveTable::new(),
        };
        // Only the thread that claimed the tables gets here, so `set` neither waits nor fails.
        let _never_fails = self.tables.set(made);
        self.tables.get()
    }

    /// A fork lasts milliseconds; a snapshot can wait for it, outside of all locks.
    fn through_gate<R>(&self, thread: &Thread, mut f: impl FnMut() -> R) -> Result<R, RecordError> {
        for _ in 0..GATE_ATTEMPTS {
            let _locked = thread.lock().ok_or(RecordError::Busy)?;
            if let Some(_pass) = self.gate.enter() {
                return Ok(f());
            }
            yield_now();
        }
        Err(RecordError::Busy)
    }
}

/// Room for what was seen and for a quarter more, as the table may grow before it is copied.
fn make_room<T>(vec: &mut Vec<T>, entries: usize) -> Result<(), RecordError> {
    vec.try_reserve(entries + entries / 4 + 16)
        .map_err(|_no_memory| RecordError::NoMemory)
}
