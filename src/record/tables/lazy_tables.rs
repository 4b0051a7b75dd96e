//! The two tables, made at the first sample.
//!
//! `OnceLock::get_or_init` would make all other threads wait in a queue of the standard library. A
//! child that is forked meanwhile would wait forever.

use super::{live::LiveTable, reserved_memory, stacks::StackTable};
use crate::record::{
    retry,
    sampling::thread::Thread,
    sync::{AtomicU8, Ordering, const_unless_loom},
};
use std::sync::OnceLock;

/// No thread has begun to make the tables, or the one that began had no memory for them.
const NOT_MADE: u8 = 0;
/// A thread is making the tables, or has made them.
const MAKING: u8 = 1;
/// The thread took too long. If it finishes later, the tables exist.
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
    /// The state of the making: `NOT_MADE`, `MAKING` or `STOPPED`. Relaxed throughout, since
    /// `tables` publishes the tables.
    maker: AtomicU8,
}

impl LazyTables {
    const_unless_loom! {
        pub(super) fn new() -> Self {
            Self {
                tables: OnceLock::new(),
                maker: AtomicU8::new(NOT_MADE),
            }
        }
    }

    /// The tables. `None` if nothing was ever recorded.
    pub(super) fn get(&self) -> Option<&Tables> {
        self.tables.get()
    }

    /// The tables, made at the first sample. `None` if there is no memory for them, or if the
    /// thread that makes them was stopped.
    pub(super) fn get_or_make(&self, thread: &Thread) -> Option<&Tables> {
        let tables = self.get();
        if tables.is_some() {
            return tables;
        }
        match self.replace_maker(NOT_MADE, MAKING) {
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
            self.maker.store(NOT_MADE, Ordering::Relaxed);
            return None;
        };
        // Never an error, and never a wait: only the one maker gets here.
        let _ = self.tables.set(made);
        self.get()
    }

    /// Waits for the tables that another thread makes: two threads may take their first sample at
    /// the same time.
    fn wait(&self) -> Option<&Tables> {
        let look = || match self.get() {
            Some(tables) => Some(Some(tables)),
            // The maker had no memory.
            None if self.maker.load(Ordering::Relaxed) == NOT_MADE => Some(None),
            None => None,
        };
        // This wait happens once in a process.
        let ended = retry::retry_longer(|| retry::retry(look));
        ended.unwrap_or_else(|| {
            // In a forked child the maker never returns, and later samples must not wait for it. If
            // this fails the maker has just ended.
            let _ = self.replace_maker(MAKING, STOPPED);
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
    use crate::record::retry::pauses;
    use std::{
        sync::Barrier,
        thread,
        time::{Duration, Instant},
    };

    #[test]
    fn threads_that_need_the_tables_while_they_are_made_get_them() {
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
    fn a_thread_that_pauses_while_it_makes_the_tables_is_waited_for() {
        let tables = LazyTables::new();
        let claimed = tables.replace_maker(NOT_MADE, MAKING);
        assert_eq!(claimed, Ok(NOT_MADE));
        let pauses = pauses::of_this_thread();
        thread::scope(|scope| {
            scope.spawn(|| {
                pauses.wait();
                assert!(tables.make(&Thread::new()).is_some());
            });
            assert!(tables.get_or_make(&Thread::new()).is_some());
        });
    }

    #[test]
    fn a_thread_that_never_finishes_the_tables_is_waited_for_once() {
        let tables = LazyTables::new();
        let claimed = tables.replace_maker(NOT_MADE, MAKING);
        assert_eq!(claimed, Ok(NOT_MADE));
        let thread = Thread::new();
        assert!(tables.get_or_make(&thread).is_none());

        // Thirty waits take a minute. No wait takes next to no time.
        let start = Instant::now();
        assert!((0..30).all(|_| tables.get_or_make(&thread).is_none()));
        assert!(start.elapsed() < Duration::from_secs(30));

        assert!(tables.make(&thread).is_some(), "it was only slow");
        assert!(tables.get_or_make(&thread).is_some());
    }

    #[test]
    fn without_memory_for_the_tables_a_later_sample_makes_them() {
        let tables = LazyTables::new();
        let claimed = tables.replace_maker(NOT_MADE, MAKING);
        assert_eq!(claimed, Ok(NOT_MADE));
        let thread = Thread::new();
        thread::scope(|scope| {
            scope.spawn(|| tables.maker.store(NOT_MADE, Ordering::Relaxed));
            // Makes the tables, or gets none, depending on which thread is first.
            let _ = tables.get_or_make(&thread);
        });
        assert!(tables.get_or_make(&thread).is_some());
    }
}
