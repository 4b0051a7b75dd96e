//! Threads for answers that take time, so that whoever serves us does not wait for a profile.
//!
//! Plain threads and no pool of the host's runtime: there may be none, and a profile over 30 seconds would
//! hold one of its places. A thread is started for each such answer, which costs little beside a profile.

use super::{
    caller::Caller,
    reply::{self, Reply},
};
use crate::record;
use ::http::StatusCode;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use tokio::sync::oneshot;

/// More than are ever of use: how many profiles are made at once is bounded before that, and the rest wait.
const MOST: u32 = 16;

/// At most so many answers in the making. Clones count together.
#[derive(Clone, Debug, Default)]
pub(super) struct Threads {
    /// The process in the upper half, and how many of its threads run. A forked child has none of them.
    running: Arc<AtomicU64>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
struct Place(Threads);

impl Threads {
    /// Has a thread make an answer. If nobody waits for it any more, the caller that it is given has hung up.
    pub(super) async fn answer(
        &self,
        make: impl FnOnce(&Caller) -> Reply + Send + 'static,
    ) -> Reply {
        let Some(place) = self.take() else {
            return reply::later(StatusCode::TOO_MANY_REQUESTS, "too many profiles at once");
        };
        let (line, caller) = Caller::on_line();
        let (reply, answer) = oneshot::channel();
        let work = move || {
            record::muted(|| {
                let made = make(&caller);
                // Before whoever waits can ask for the next.
                drop(place);
                // Nobody may wait for it any more.
                let _unheard = reply.send(made);
            });
        };
        let named = thread::Builder::new().name("heaptide-answer".to_owned());
        if let Err(error) = record::muted(|| named.spawn(work)) {
            let why = format!("could not start a thread for the profile: {error}");
            return reply::later(StatusCode::SERVICE_UNAVAILABLE, &why);
        }
        let answered = answer.await;
        drop(line);
        answered.unwrap_or_else(|_ended| {
            let why = "the thread that made the answer ended without one";
            reply::error(StatusCode::INTERNAL_SERVER_ERROR, why)
        })
    }

    fn take(&self) -> Option<Place> {
        let process = u64::from(std::process::id()) << 32;
        let take_one = |state: u64| {
            let running = if state & !u64::from(u32::MAX) == process {
                state - process
            } else {
                0
            };
            (running < u64::from(MOST)).then_some(process + running + 1)
        };
        // Relaxed: it counts, and guards nothing.
        self.running
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one)
            .ok()
            .map(|_before| Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::header;
    use std::{
        sync::mpsc::channel,
        task::{Context, Waker},
        time::Duration,
    };

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(future)
    }

    #[test]
    fn one_who_hangs_up_ends_the_thread_and_frees_its_place() {
        let threads = Threads::default();
        let (tell, told) = channel();
        let mut waiting = Box::pin(threads.answer(move |caller| {
            tell.send(None).unwrap();
            tell.send(Some(caller.stays(Duration::from_secs(3600))))
                .unwrap();
            reply::text("too late")
        }));
        let mut nothing = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut nothing).is_pending());
        assert_eq!(told.recv(), Ok(None), "it is at work");
        drop(waiting);
        assert_eq!(told.recv(), Ok(Some(false)), "and has heard of it");
        // Its end of the channel goes with the closure, after which the place is free.
        assert!(told.recv().is_err());
        while threads.running.load(Ordering::Relaxed) & u64::from(u32::MAX) != 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn the_seventeenth_comes_later_and_not_once_one_is_done() {
        let threads = Threads::default();
        let mut nothing = Context::from_waker(Waker::noop());
        let mut waiting: Vec<_> = (0..MOST)
            .map(|_| {
                let forever = |caller: &Caller| {
                    let _hung_up = caller.stays(Duration::from_secs(3600));
                    reply::text("")
                };
                Box::pin(threads.answer(forever))
            })
            .collect();
        for one in &mut waiting {
            assert!(one.as_mut().poll(&mut nothing).is_pending());
        }
        let refused = block_on(threads.answer(|_| reply::text("")));
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
        drop(waiting.pop());
        loop {
            let taken = block_on(threads.answer(|_| reply::text("taken")));
            if taken.status() == StatusCode::OK {
                break;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn a_forked_child_has_no_threads_of_its_parents() {
        let threads = Threads::default();
        let parents = u64::from(std::os::unix::process::parent_id()) << 32;
        let full = parents + u64::from(MOST);
        threads.running.store(full, Ordering::Relaxed);
        let place = threads.take().unwrap();
        assert_eq!(threads.running.load(Ordering::Relaxed) & 0xffff, 1);
        drop(place);
        assert_eq!(threads.running.load(Ordering::Relaxed) & 0xffff, 0);
    }

    #[test]
    fn a_panic_is_an_answer() {
        let threads = Threads::default();
        let answer = block_on(threads.answer(|_| panic!("a planted one")));
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(threads.running.load(Ordering::Relaxed) & 0xffff, 0);
        let next = block_on(threads.answer(|_| reply::text("")));
        assert_eq!(next.status(), StatusCode::OK);
    }
}
