//! Bounded retry: the thread we wait for may be stopped or gone after a fork.
//!
//! No thread waits in a queue here: the thread that would wake it may be stopped, gone after a
//! fork, or waiting for us. So a thread tries again and again. After the last attempt it gives up,
//! and the caller counts a loss.
//!
//! | function | gives up after | for |
//! |---|---|---|
//! | [`retry`] | 0.2 s | a sample: the program's allocation waits for it |
//! | [`retry_longer`] | 2 s | what would stay wrong for good, or is not urgent |
//!
//! The longer time exceeds the time for which a host takes the processor from a virtual machine.

use super::sync::yield_now;
use std::time::Duration;

/// Attempts that are followed by a spin, before it starts to yield.
const SPINS: u32 = if cfg!(loom) { 0 } else { 64 };
/// Attempts that are followed by a yield, before it starts to sleep.
const YIELDS: u32 = if cfg!(loom) { 4 } else { 64 };
/// Attempts that are followed by a sleep of `PAUSE`: 0.2 s in all. A thread that is not stopped
/// needs hundreds of times less.
const PAUSES: u32 = if cfg!(loom) { 0 } else { 2000 };
const BEFORE_SLEEP: u32 = SPINS + YIELDS;
const PAUSE: Duration = Duration::from_micros(100);
/// How often [`retry_longer`] calls a bounded wait: 2 s in all.
const WAITS: u32 = if cfg!(loom) { 1 } else { 10 };

/// Calls `attempt` until it returns something. `None` after the last attempt.
pub(super) fn retry<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    for number in 0..BEFORE_SLEEP + PAUSES {
        let found = attempt();
        if found.is_some() {
            return found;
        }
        if number < SPINS {
            core::hint::spin_loop();
        } else if number < BEFORE_SLEEP {
            yield_now();
        } else {
            std::thread::sleep(PAUSE);
            #[cfg(test)]
            pauses::count();
        }
    }
    None
}

/// Calls `wait`, itself a bounded wait, until it returns something. `None` after the last call.
pub(super) fn retry_longer<T>(mut wait: impl FnMut() -> Option<T>) -> Option<T> {
    (0..WAITS).find_map(|_| wait())
}

/// Counts the pauses of a thread, so that a test can hold something up for that long.
#[cfg(test)]
pub(super) mod pauses {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{Duration, Instant};

    /// The pauses of one thread.
    #[derive(Clone, Copy)]
    pub(in crate::record) struct Pauses(&'static AtomicU32);

    std::thread_local! {
        static COUNTED: Cell<Option<Pauses>> = const { Cell::new(None) };
    }

    /// Counts the pauses of this thread from now on.
    pub(in crate::record) fn of_this_thread() -> Pauses {
        let pauses = Pauses(Box::leak(Box::default()));
        COUNTED.set(Some(pauses));
        pauses
    }

    pub(super) fn count() {
        if let Some(Pauses(count)) = COUNTED.get() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Pauses {
        /// Whether the thread has waited longer than [`retry`](super::retry) does, and less long
        /// than [`retry_longer`](super::retry_longer).
        fn are_more_than_an_allocation_waits(self) -> bool {
            self.0.load(Ordering::Relaxed) > super::PAUSES + super::PAUSES / 2
        }

        /// Returns once that is so, or after far more time than that takes.
        pub(in crate::record) fn wait(self) {
            self.wait_unless(|| false);
        }

        /// The same, or once it need not wait any more.
        pub(in crate::record) fn wait_unless(self, is_over: impl Fn() -> bool) {
            let deadline = Instant::now() + Duration::from_secs(30);
            let is_late = || Instant::now() > deadline;
            while !self.are_more_than_an_allocation_waits() && !is_over() && !is_late() {
                std::thread::yield_now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tries_until_there_is_a_result_but_not_forever() {
        let mut tries = 0;
        let mut try_from = |from: u32| {
            retry(|| {
                tries += 1;
                (tries >= from).then_some(tries)
            })
        };
        assert_eq!(try_from(1), Some(1));
        assert_eq!(try_from(200), Some(200), "past the spins and the yields");
        assert_eq!(try_from(u32::MAX), None);
    }

    #[test]
    fn the_longer_retry_waits_more_than_once_but_not_forever() {
        let mut waits = 0;
        let mut wait = |from: u32| {
            retry_longer(|| {
                waits += 1;
                (waits >= from).then_some(waits)
            })
        };
        assert_eq!(wait(1), Some(1));
        assert_eq!(wait(1 + WAITS), Some(1 + WAITS));
        assert_eq!(wait(u32::MAX), None);
    }
}
