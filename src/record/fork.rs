//! The fork gate: open while the program runs, closed around a `fork`, so that no shard lock is held by
//! a thread that the child does not have.

use super::{
    retry,
    sync::{AtomicUsize, Ordering, const_unless_loom},
};

/// The upper bits count the forks under way, since two threads may fork at once; the lower ones who is
/// inside.
const CLOSER: usize = 1 << (usize::BITS / 2);
const INSIDE: usize = CLOSER - 1;

/// Counts who is inside and can be closed. Nobody waits to get in.
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

    /// Goes in, until the pass drops; `None` while the gate is closed.
    pub(super) fn enter(&self) -> Option<GatePass<'_>> {
        // Acquire pairs with the release of `open`; what the pass protects is done after it.
        let before = self.state.fetch_add(1, Ordering::Acquire);
        let pass = GatePass(self);
        (before < CLOSER).then_some(pass)
    }

    /// Closes the gate and waits, within bounds, until nobody but the caller is inside; `own` is how
    /// many passes the calling thread holds itself. False if somebody stayed: what that one has locked
    /// stays locked in the child.
    pub(super) fn close(&self, own: usize) -> bool {
        // Acquire pairs with the release of each pass, so the tables are as they left them.
        self.state.fetch_add(CLOSER, Ordering::Acquire);
        let is_empty = || self.state.load(Ordering::Acquire) & INSIDE <= own;
        // Each is gone within microseconds, unless it was stopped; a child that is forked too early has a
        // shard that is locked for good.
        retry::retry_longer(|| retry::retry(|| is_empty().then_some(()))).is_some()
    }

    /// Opens it again after a fork, in the process that made it, unless another fork is under way.
    pub(super) fn open(&self) {
        self.state.fetch_sub(CLOSER, Ordering::Release);
    }

    /// Opens it in a forked child, where of all that were inside only the calling thread is left.
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

    #[test]
    fn closed_means_closed_until_opened() {
        let gate = ForkGate::new();
        drop(gate.enter());
        assert!(gate.close(0));
        assert!(gate.enter().is_none());
        gate.open();
        assert!(gate.enter().is_some());
    }

    #[test]
    fn two_forks_at_once_keep_it_closed_until_both_have_ended() {
        let gate = ForkGate::new();
        assert!(gate.close(0) && gate.close(0));
        gate.open();
        assert!(gate.enter().is_none(), "the other fork is still under way");
        gate.open();
        assert!(gate.enter().is_some());
    }

    #[test]
    fn closing_waits_for_others_but_not_for_oneself() {
        let gate = ForkGate::new();
        let pass = gate.enter();
        assert!(gate.close(1));
        assert!(!gate.close(0), "somebody is inside and stays");
        gate.open_in_child(1);
        drop(pass);
        assert!(gate.close(0));
    }

    #[test]
    fn closing_waits_for_one_whose_processor_was_taken_away() {
        let gate = ForkGate::new();
        let inside = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _pass = gate.enter();
                inside.wait();
                std::thread::sleep(std::time::Duration::from_millis(700));
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
    fn nobody_is_inside_once_it_is_closed() {
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
