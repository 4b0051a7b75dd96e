//! The fork gate: a forked child must not inherit a shard lock that no thread will release.
//!
//! The gate is open while the program runs and closed around a `fork`. A thread that holds a shard
//! lock is inside the gate.

use super::{
    retry,
    sync::{AtomicUsize, Ordering, const_unless_loom},
};

/// The upper bits count the forks in progress, since two threads may fork at once. The lower bits
/// count the threads inside.
const CLOSER: usize = 1 << (usize::BITS / 2);
const INSIDE: usize = CLOSER - 1;

/// Counts the threads inside, and can be closed. No thread waits to enter.
#[derive(Debug)]
pub(super) struct ForkGate {
    state: AtomicUsize,
}

impl ForkGate {
    const_unless_loom! {
        pub(super) fn new() -> Self {
            Self {
                state: AtomicUsize::new(0),
            }
        }
    }

    /// Enters the gate until the pass drops. `None` while the gate is closed.
    pub(super) fn enter(&self) -> Option<GatePass<'_>> {
        // Acquire pairs with the release of `open`: what the pass protects happens after it.
        let before = self.state.fetch_add(1, Ordering::Acquire);
        let pass = GatePass(self);
        (before < CLOSER).then_some(pass)
    }

    /// Closes the gate and waits, within bounds, until only the caller is inside. `own` is the
    /// number of passes that the calling thread holds. False if another thread stayed inside: the
    /// shards that it has locked stay locked in the child.
    pub(super) fn close(&self, own: usize) -> bool {
        // Acquire pairs with the release of each pass: the caller sees the tables as they were
        // left.
        self.state.fetch_add(CLOSER, Ordering::Acquire);
        let is_empty = || self.state.load(Ordering::Acquire) & INSIDE <= own;
        // A thread leaves within microseconds, unless it was stopped. A child that is forked too
        // early has a shard that stays locked.
        retry::retry_longer(|| retry::retry(|| is_empty().then_some(()))).is_some()
    }

    /// Opens the gate after a fork, in the parent, unless another fork is in progress.
    pub(super) fn open(&self) {
        self.state.fetch_sub(CLOSER, Ordering::Release);
    }

    /// Opens the gate in a forked child, where only the calling thread is left.
    pub(super) fn open_in_child(&self, own: usize) {
        self.state.store(own, Ordering::Release);
    }
}

/// The right to lock shards.
#[must_use]
#[derive(Debug)]
pub(super) struct GatePass<'a>(&'a ForkGate);

impl Drop for GatePass<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::record::retry::pauses;

    #[test]
    fn a_closed_gate_stays_closed_until_it_is_opened() {
        let gate = ForkGate::new();
        drop(gate.enter());
        assert!(gate.close(0));
        assert!(gate.enter().is_none());
        gate.open();
        assert!(gate.enter().is_some());
    }

    #[test]
    fn two_concurrent_forks_keep_the_gate_closed_until_both_have_ended() {
        let gate = ForkGate::new();
        assert!(gate.close(0) && gate.close(0));
        gate.open();
        assert!(
            gate.enter().is_none(),
            "the other fork is still in progress"
        );
        gate.open();
        assert!(gate.enter().is_some());
    }

    #[test]
    fn closing_waits_for_other_threads_but_not_for_the_caller() {
        let gate = ForkGate::new();
        let pass = gate.enter();
        assert!(gate.close(1));
        assert!(!gate.close(0), "another thread is inside and stays");
        gate.open_in_child(1);
        drop(pass);
        assert!(gate.close(0));
    }

    #[test]
    fn closing_waits_for_a_thread_that_pauses_inside() {
        let gate = ForkGate::new();
        let inside = std::sync::Barrier::new(2);
        let pauses = pauses::of_this_thread();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _pass = gate.enter();
                inside.wait();
                pauses.wait();
            });
            inside.wait();
            assert!(gate.close(0));
        });
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::{
        sync::{Arc, atomic::AtomicBool},
        thread,
    };

    #[test]
    fn no_thread_is_inside_a_closed_gate() {
        loom::model(|| {
            let gate = Arc::new(ForkGate::new());
            let inside = Arc::new(AtomicBool::new(false));
            let other = {
                let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
                thread::spawn(move || {
                    if let Some(_pass) = gate.enter() {
                        inside.store(true, Ordering::Relaxed);
                        inside.store(false, Ordering::Relaxed);
                    }
                })
            };
            if gate.close(0) {
                assert!(!inside.load(Ordering::Relaxed));
            }
            gate.open();
            other.join().unwrap();
        });
    }
}
