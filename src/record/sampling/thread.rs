//! The state of each thread: its countdown, and what the slow paths may do on it.
//!
//! Its `thread_local!` is const-initialized and has no Drop, like all on the recording side. So it
//! works before `main`, in thread-exit destructors and after them. Access to it never allocates.

#[cfg(test)]
use super::seeded_bugs::{self, Bug};
use crate::record::tables::reserved_memory::ReservedMemory;
use core::{
    cell::Cell,
    sync::atomic::{Ordering, compiler_fence},
};
use rand_xoshiro::Xoshiro256PlusPlus;

/// The countdown while muted: every allocation takes the slow path, and even the largest size does
/// not wrap around.
pub(super) const PARKED: i64 = -1;

thread_local! {
    static THREAD: Thread = const { Thread::new() };
}

/// Runs `f` with the calling thread's state.
#[inline(always)]
pub(in crate::record) fn with<R>(f: impl FnOnce(&Thread) -> R) -> R {
    THREAD.with(f)
}

/// The state of one thread. No other thread reads it; only signal handlers of the same thread run
/// concurrently.
pub(in crate::record) struct Thread {
    /// Bytes that this thread may allocate before the slow path decides. "New", "muted" and "a
    /// sample is due" are all below zero, so that the fast path has one branch.
    pub(super) left: Cell<i64>,
    /// The value of the countdown while muted.
    kept: Cell<i64>,
    /// The interval that the present gap was drawn with; 0 before the first draw.
    pub(super) interval: Cell<u64>,
    /// Whether the countdown ends before its sample point, at `LONGEST_COUNTDOWN`.
    pub(super) cut_short: Cell<bool>,
    muted: Cell<u32>,
    locked: Cell<u32>,
    pub(super) random: Cell<Option<Xoshiro256PlusPlus>>,
    /// Blocks for the constructor of the tables, while it runs.
    pub(in crate::record) reserved: Cell<ReservedMemory>,
}

impl Thread {
    pub(in crate::record) const fn new() -> Self {
        Self {
            left: Cell::new(0),
            kept: Cell::new(0),
            interval: Cell::new(0),
            cut_short: Cell::new(false),
            muted: Cell::new(0),
            locked: Cell::new(0),
            random: Cell::new(None),
            reserved: Cell::new(ReservedMemory::NOTHING),
        }
    }

    /// Mutes the thread until the guard drops: its allocations are not sampled and use no bytes of
    /// the countdown. Nests. Frees are not affected.
    pub(in crate::record) fn mute(&self) -> Muted<'_> {
        #[cfg(test)]
        if seeded_bugs::is(Bug::OwnBytesCounted) {
            return Muted(self);
        }
        let depth = self.muted.get();
        self.muted.set(depth + 1);
        if depth == 0 {
            self.kept.set(self.left.replace(PARKED));
        }
        Muted(self)
    }

    pub(super) fn is_muted(&self) -> bool {
        self.muted.get() > 0
    }

    /// Locks the thread until the guard drops: it may hold a shard lock or the gate. A signal
    /// handler that frees a sampled block meanwhile must not look it up. `None` if the thread is
    /// locked already.
    pub(in crate::record) fn lock(&self) -> Option<Locked<'_>> {
        if self.is_locked() {
            return None;
        }
        self.enter_lock();
        Some(Locked(self))
    }

    /// As [`lock`](Self::lock), for the fork handlers: it outlives one function, and nests.
    pub(in crate::record) fn enter_lock(&self) {
        self.locked.set(self.locked.get() + 1);
        // A signal handler on this thread must see the state before any lock is taken.
        compiler_fence(Ordering::SeqCst);
    }

    /// Ends [`enter_lock`](Self::enter_lock).
    pub(in crate::record) fn leave_lock(&self) {
        compiler_fence(Ordering::SeqCst);
        self.locked.set(self.locked.get().saturating_sub(1));
    }

    pub(in crate::record) fn is_locked(&self) -> bool {
        self.locked.get() > 0
    }
}

impl core::fmt::Debug for Thread {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Thread").finish_non_exhaustive()
    }
}

/// Keeps a thread muted.
#[must_use]
#[derive(Debug)]
pub(in crate::record) struct Muted<'a>(&'a Thread);

impl Drop for Muted<'_> {
    fn drop(&mut self) {
        #[cfg(test)]
        if seeded_bugs::is(Bug::OwnBytesCounted) {
            return;
        }
        let depth = self.0.muted.get().saturating_sub(1);
        if depth == 0 {
            self.0.left.set(self.0.kept.get());
        }
        self.0.muted.set(depth);
    }
}

/// Keeps a thread locked.
#[must_use]
#[derive(Debug)]
pub(in crate::record) struct Locked<'a>(&'a Thread);

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.0.leave_lock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_muted_thread_samples_nothing_and_uses_no_bytes() {
        let thread = Thread::new();
        while !thread.count(100) {}
        thread.decide(100, 4096, || 5);
        let before = thread.left.get();
        {
            let _outer = thread.mute();
            let _inner = thread.mute();
            for _ in 0..100 {
                assert!(thread.count(1 << 40));
                assert_eq!(thread.decide(1 << 40, 1, || 5), None);
            }
            assert!(
                thread.count(usize::MAX >> 1),
                "the largest size takes the slow path too"
            );
        }
        assert_eq!(thread.left.get(), before);
    }

    #[test]
    fn a_locked_thread_is_not_locked_twice() {
        let thread = Thread::new();
        let locked = thread.lock();
        assert!(locked.is_some() && thread.lock().is_none());
        drop(locked);
        assert!(!thread.is_locked());
    }
}
