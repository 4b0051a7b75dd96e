//! The queue of requests for a profile, which are served one at a time.
//!
//! A profile takes memory for a copy of the tables, and a processor for as long as it is made. So
//! the program pays for one at a time. A few requests wait; the others get status 429.

use super::reply::{self, ReplyResult};
use super::{cancellation::Cancellation, limits::CANCEL_CHECK};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(super) struct ProfileQueue {
    max_waiting: usize,
    /// The ticket that is served, and behind it those that wait, in rising order.
    tickets: Mutex<VecDeque<u64>>,
    changed: Condvar,
}

/// The right to make a profile, until it is dropped.
#[derive(Debug)]
pub(super) struct ProfileTurn<'a> {
    queue: &'a ProfileQueue,
    ticket: u64,
}

impl ProfileQueue {
    pub(super) fn new(max_waiting: usize) -> Self {
        Self {
            max_waiting,
            tickets: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Waits for a turn, unless too many requests wait already.
    pub(super) fn join(&self, cancellation: &Cancellation) -> ReplyResult<ProfileTurn<'_>> {
        self.enter(cancellation, self.max_waiting)
    }

    /// Waits for a turn, however many requests wait: for a request that had a turn before. Another
    /// limit bounds their number.
    pub(super) fn rejoin(&self, cancellation: &Cancellation) -> ReplyResult<ProfileTurn<'_>> {
        self.enter(cancellation, usize::MAX)
    }

    fn enter(&self, cancellation: &Cancellation, max: usize) -> ReplyResult<ProfileTurn<'_>> {
        let mut tickets = self.lock();
        if tickets.len() > max {
            let why = "a profile is being made and others wait for theirs: try again";
            return Err(reply::too_many(why));
        }
        let ticket = tickets.back().map_or(0, |last| last.wrapping_add(1));
        tickets.push_back(ticket);
        // From here on its drop takes the ticket out of the queue.
        let turn = ProfileTurn {
            queue: self,
            ticket,
        };
        while tickets.front() != Some(&ticket) {
            if cancellation.is_cancelled() {
                // Its drop locks the tickets.
                drop(tickets);
                drop(turn);
                return Err(reply::cancelled());
            }
            let waited = self.changed.wait_timeout(tickets, CANCEL_CHECK);
            tickets = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(tickets);
        Ok(turn)
    }

    /// A panic while it is locked leaves at worst the state before.
    fn lock(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ProfileTurn<'_> {
    fn drop(&mut self) {
        self.queue.lock().retain(|t| *t != self.ticket);
        self.queue.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc::channel, thread};

    fn length(queue: &ProfileQueue) -> usize {
        queue.lock().len()
    }

    fn wait_for_length(queue: &ProfileQueue, count: usize) {
        while length(queue) != count {
            thread::yield_now();
        }
    }

    #[test]
    fn turns_come_in_order_and_one_request_too_many_gets_429() {
        let queue = ProfileQueue::new(2);
        let never = Cancellation::never();
        let first = queue.join(&never).unwrap();
        let (done, order) = channel();
        thread::scope(|scope| {
            for number in [1, 2] {
                let (queue, done) = (&queue, done.clone());
                scope.spawn(move || {
                    let turn = queue.join(&Cancellation::never()).unwrap();
                    done.send(number).unwrap();
                    drop(turn);
                });
                wait_for_length(queue, 1 + number);
            }
            let refusal = queue.join(&never).unwrap_err();
            assert_eq!(refusal.0.status(), 429);
            assert_eq!(refusal.0.headers()["retry-after"], "1");
            assert_eq!(refusal.0.headers()["x-go-pprof"], "1");
            // A request that had a turn before waits all the same.
            scope.spawn(|| {
                let _turn = queue.rejoin(&Cancellation::never()).unwrap();
                done.send(3).unwrap();
            });
            wait_for_length(&queue, 4);
            assert!(order.try_recv().is_err(), "nobody overtakes");
            drop(first);
        });
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(length(&queue), 0);
    }

    #[test]
    fn a_cancelled_request_leaves_the_queue() {
        let queue = ProfileQueue::new(1);
        let first = queue.join(&Cancellation::never()).unwrap();
        let (guard, cancellation) = Cancellation::guarded();
        drop(guard);
        let refusal = queue.join(&cancellation).unwrap_err();
        assert_eq!(*refusal.0.body(), "context canceled\n");
        assert_eq!(length(&queue), 1);
        drop(first);
        assert_eq!(length(&queue), 0);
    }

    #[test]
    fn a_turn_ends_with_a_panic() {
        let queue = ProfileQueue::new(0);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _turn = queue.join(&Cancellation::never()).unwrap();
            panic!("planned");
        }));
        assert!(panicked.is_err());
        assert!(queue.join(&Cancellation::never()).is_ok());
    }
}
