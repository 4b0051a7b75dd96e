//! Tells the thread that makes an answer when nobody waits for the answer any more.
//!
//! A profile over 30 seconds is made on a thread that mostly waits. When the client goes away, the
//! future that holds the [`CancelGuard`] is dropped, and the thread ends at once. Other long work
//! checks the [`Cancellation`] from time to time.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::{convert::Infallible, thread, time::Duration};

/// Dropping it cancels the request.
#[derive(Debug)]
pub(super) struct CancelGuard {
    _sender: Sender<Infallible>,
}

/// Whether a request was cancelled.
#[derive(Debug)]
pub(super) struct Cancellation(Option<Receiver<Infallible>>);

impl Cancellation {
    /// For a request that nobody can cancel.
    pub(super) fn never() -> Self {
        Self(None)
    }

    /// For a request that is cancelled when the guard is dropped.
    pub(super) fn guarded() -> (CancelGuard, Self) {
        let (sender, receiver) = channel();
        (CancelGuard { _sender: sender }, Self(Some(receiver)))
    }

    pub(super) fn is_cancelled(&self) -> bool {
        let guard = self.0.as_ref();
        guard.is_some_and(|guard| guard.try_recv() == Err(TryRecvError::Disconnected))
    }

    /// Waits, and returns true once the time is over; returns false as soon as it is cancelled.
    pub(super) fn wait(&self, duration: Duration) -> bool {
        match &self.0 {
            None => {
                thread::sleep(duration);
                true
            }
            Some(guard) => guard.recv_timeout(duration) == Err(RecvTimeoutError::Timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_the_guard_ends_the_wait() {
        let (guard, cancellation) = Cancellation::guarded();
        assert!(cancellation.wait(Duration::ZERO));
        assert!(!cancellation.is_cancelled());
        drop(guard);
        assert!(cancellation.is_cancelled());
        assert!(!cancellation.wait(Duration::from_secs(3600)));
        let never = Cancellation::never();
        assert!(!never.is_cancelled() && never.wait(Duration::ZERO));
    }
}
