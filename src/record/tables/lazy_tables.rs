//! The two tables, made when the first sample comes.
//!
//! `OnceLock::get_or_init` would have all but the first thread wait in a queue of the standard library,
//! and a child forked meanwhile wait for ever.

use super::{live::LiveTable, reserved_memory, stacks::StackTable};
use crate::record::{
    retry,
    sampling::thread::Thread,
    sync::{AtomicU8, Ordering, const_unless_loom},
};
use std::sync::OnceLock;

/// Nobody has begun to make the tables, or whoever had had no memory for them.
const NOBODY: u8 = 0;
/// A thread makes them, or has made them.
const SOMEBODY: u8 = 1;
/// A thread took too long; should it end after all, they are there.
const STOPPED: u8 = 2;

#[derive(Debug)]
pub(super) struct Tables {
    pub(super) stacks: StackTable,
    pub(super) live: LiveTable,
}

/// The tables, once they are needed.
#[derive(Debug)]
pub(super) struct LazyTables {
    tables: OnceLock<Tables>,
    /// Who makes them: `NOBODY`, `SOMEBODY` or `STOPPED`. Relaxed throughout: it is `tables` that
    /// publishes them.
    maker: AtomicU8,
}

impl LazyTables {
    const_unless_loom! {
        pub(super) fn new() -> Self {
            Self {
                tables: OnceLock::new(),
                maker: AtomicU8::new(NOBODY),
            }
        }
    }

    /// The tables; `None` if nothing has ever been recorded.
    pub(super) fn get(&self) -> Option<&Tables> {
        self.tables.get()
    }

    /// The tables, made if this is the first sample; `None` if there is no memory for them, or if the
    /// thread that makes them was stopped.
    pub(super) fn get_or_make(&self, thread: &Thread) -> Option<&Tables> {
        let tables = self.get();
        if tables.is_some() {
            return tables;
        }
        match self.replace_maker(NOBODY, SOMEBODY) {
            Ok(_) => self.make(thread),
            Err(STOPPED) => self.get(),
            Err(_) => self.wait(),
        }
    }

    fn make(&self, thread: &Thread) -> Option<&Tables> {
        // 8 KiB for each of the two.
        let made = reserved_memory::construct(thread, LiveTable::first_block(), || Tables {
            stacks: StackTable::new(),
            live: LiveTable::new(),
        });
        let Some(made) = made else {
            self.maker.store(NOBODY, Ordering::Relaxed);
            return None;
        };
        // Only the thread that is the maker gets here, so `set` neither waits nor fails.
        let _ = self.tables.set(made);
        self.get()
    }

    /// The tables that another thread makes: the first samples of two threads may come at once.
    fn wait(&self) -> Option<&Tables> {
        let look = || match self.get() {
            Some(tables) => Some(Some(tables)),
            // It had no memory for them.
            None if self.maker.load(Ordering::Relaxed) == NOBODY => Some(None),
            None => None,
        };
        // Once in a process's life.
        let ended = retry::retry_longer(|| retry::retry(look));
        ended.unwrap_or_else(|| {
            // In a forked child it never comes back, and not every sample is to wait for it.
            let _ = self.replace_maker(SOMEBODY, STOPPED);
            self.get()
        })
    }

    fn replace_maker(&self, old: u8, new: u8) -> Result<u8, u8> {
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        self.maker.compare_exchange(old, new, success, failure)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::{
        sync::Barrier,
        thread,
        time::{Duration, Instant},
    };

    #[test]
    fn whoever_needs_them_while_they_are_made_gets_them() {
        const THREADS: usize = 4;
        for _ in 0..300 {
            let tables = LazyTables::new();
            let together = Barrier::new(THREADS);
            let get = || {
                let thread = Thread::new();
                together.wait();
                tables.get_or_make(&thread).is_some()
            };
            thread::scope(|scope| {
                let threads = [(); THREADS].map(|()| scope.spawn(get));
                assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
            });
        }
    }

    #[test]
    fn a_maker_whose_processor_was_taken_away_is_waited_for() {
        let tables = LazyTables::new();
        let claimed = tables.replace_maker(NOBODY, SOMEBODY);
        assert_eq!(claimed, Ok(NOBODY));
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(700));
                assert!(tables.make(&Thread::new()).is_some());
            });
            assert!(tables.get_or_make(&Thread::new()).is_some());
        });
    }

    #[test]
    fn a_maker_that_never_ends_is_waited_for_once() {
        let tables = LazyTables::new();
        let claimed = tables.replace_maker(NOBODY, SOMEBODY);
        assert_eq!(claimed, Ok(NOBODY));
        let thread = Thread::new();
        assert!(tables.get_or_make(&thread).is_none());

        // Thirty waits take a minute; none, next to nothing.
        let start = Instant::now();
        assert!((0..30).all(|_| tables.get_or_make(&thread).is_none()));
        assert!(start.elapsed() < Duration::from_secs(30));

        assert!(tables.make(&thread).is_some(), "it was only slow");
        assert!(tables.get_or_make(&thread).is_some());
    }

    #[test]
    fn who_waits_for_a_maker_without_memory_gets_nothing_and_the_next_tries_again() {
        let tables = LazyTables::new();
        let claimed = tables.replace_maker(NOBODY, SOMEBODY);
        assert_eq!(claimed, Ok(NOBODY));
        let thread = Thread::new();
        thread::scope(|scope| {
            scope.spawn(|| tables.maker.store(NOBODY, Ordering::Relaxed));
            // The maker again, should the other thread have been first.
            let _ = tables.get_or_make(&thread);
        });
        assert!(tables.get_or_make(&thread).is_some());
    }
}
