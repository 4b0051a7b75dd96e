//! One profile at a time: who makes one, and who waits for it.
//!
//! A profile takes memory for a copy of the tables and a processor for as long as it is made. However many
//! ask, the program pays for one at a time, and only a few wait; the others are told to come back.

use super::caller::Caller;
use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How often who waits looks whether the caller is still there.
const LOOK: Duration = Duration::from_millis(100);

/// Who has the turn, and behind it who waits, in the order they came.
#[derive(Debug)]
pub(super) struct Turns {
    most_waiting: usize,
    queue: Mutex<Queue>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    tickets: VecDeque<u64>,
    next: u64,
}

/// The right to make a profile, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    ticket: u64,
}

/// Why there is no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// Enough wait already.
    Full,
    /// The caller has hung up.
    Gone,
}

impl Turns {
    pub(super) fn new(most_waiting: usize) -> Self {
        Self {
            most_waiting,
            queue: Mutex::default(),
            moved: Condvar::new(),
        }
    }

    /// Waits for the turn, if not too many do.
    pub(super) fn take(&self, caller: &Caller) -> Result<Turn<'_>, NoTurn> {
        self.enter(caller, Some(self.most_waiting))
    }

    /// Waits for the turn however many do: for who has waited before, and is bounded by that.
    pub(super) fn take_again(&self, caller: &Caller) -> Result<Turn<'_>, NoTurn> {
        self.enter(caller, None)
    }

    fn enter(&self, caller: &Caller, most_waiting: Option<usize>) -> Result<Turn<'_>, NoTurn> {
        let mut queue = self.lock();
        if most_waiting.is_some_and(|most| queue.tickets.len() > most) {
            return Err(NoTurn::Full);
        }
        let ticket = queue.next;
        queue.next = queue.next.wrapping_add(1);
        queue.tickets.push_back(ticket);
        // From here on dropping it takes the ticket out again.
        let turn = Turn {
            turns: self,
            ticket,
        };
        while queue.tickets.front() != Some(&ticket) {
            let waited = self.moved.wait_timeout(queue, LOOK);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
            if !caller.is_there() {
                // Before the turn, which locks the queue as it goes.
                drop(queue);
                drop(turn);
                return Err(NoTurn::Gone);
            }
        }
        drop(queue);
        Ok(turn)
    }

    /// A panic inside leaves at worst what it was before.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.lock().tickets.retain(|t| *t != self.ticket);
        self.turns.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc::channel, thread};

    fn queued(turns: &Turns) -> usize {
        turns.lock().tickets.len()
    }

    fn wait_until(turns: &Turns, count: usize) {
        while queued(turns) != count {
            thread::yield_now();
        }
    }

    #[test]
    fn turns_come_in_order_and_one_too_many_is_refused() {
        let turns = Turns::new(2);
        let patient = Caller::patient();
        let first = turns.take(&patient).unwrap();
        let (done, order) = channel();
        thread::scope(|scope| {
            for number in [1, 2] {
                let (turns, done) = (&turns, done.clone());
                scope.spawn(move || {
                    let turn = turns.take(&Caller::patient()).unwrap();
                    done.send(number).unwrap();
                    drop(turn);
                });
                wait_until(turns, 1 + number);
            }
            assert_eq!(turns.take(&patient).unwrap_err(), NoTurn::Full);
            // Who was there before is let in all the same.
            scope.spawn(|| {
                let _turn = turns.take_again(&Caller::patient()).unwrap();
                done.send(3).unwrap();
            });
            wait_until(&turns, 4);
            assert!(order.try_recv().is_err(), "nobody overtakes");
            drop(first);
        });
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(queued(&turns), 0);
    }

    #[test]
    fn who_hangs_up_leaves_the_queue() {
        let turns = Turns::new(1);
        let first = turns.take(&Caller::patient()).unwrap();
        let (line, caller) = Caller::on_line();
        drop(line);
        assert_eq!(turns.take(&caller).unwrap_err(), NoTurn::Gone);
        assert_eq!(queued(&turns), 1);
        drop(first);
        assert_eq!(queued(&turns), 0);
    }

    #[test]
    fn a_turn_ends_with_a_panic() {
        let turns = Turns::new(0);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _turn = turns.take(&Caller::patient()).unwrap();
            panic!("planned");
        }));
        assert!(panicked.is_err());
        assert!(turns.take(&Caller::patient()).is_ok());
    }
}
