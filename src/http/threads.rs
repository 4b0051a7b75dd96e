//! Threads for answers that take time, so that whoever serves us does not wait for a profile.
//!
//! Plain threads and no pool of the host's runtime: there may be none, and a profile over 30 seconds would
//! hold one of its places. A thread is started for each such answer, which costs little beside a profile.

use super::{
    caller::Caller,
    reply::{self, Reply},
    room::Room,
};
use crate::record;
use ::http::StatusCode;
use std::thread;
use tokio::sync::oneshot;

/// More than are ever of use: how many profiles are made at once is bounded before that, and the rest wait.
const MOST: usize = 16;

/// At most so many answers in the making. Clones count together.
#[derive(Clone, Debug)]
pub(super) struct Threads {
    running: Room,
}

impl Default for Threads {
    fn default() -> Self {
        Self {
            running: Room::new(MOST),
        }
    }
}

impl Threads {
    /// Has a thread make an answer. If nobody waits for it any more, the caller that it is given has hung up.
    pub(super) async fn answer(
        &self,
        make: impl FnOnce(&Caller) -> Reply + Send + 'static,
    ) -> Reply {
        let Some(place) = self.running.take(1) else {
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
        while !threads.running.is_empty() {
            thread::yield_now();
        }
    }

    #[test]
    fn the_seventeenth_comes_later_and_not_once_one_is_done() {
        let threads = Threads::default();
        let mut nothing = Context::from_waker(Waker::noop());
        let mut waiting: Vec<_> = (0..16)
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
    fn a_panic_is_an_answer() {
        let threads = Threads::default();
        let answer = block_on(threads.answer(|_| panic!("a planted one")));
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(threads.running.is_empty());
        let next = block_on(threads.answer(|_| reply::text("")));
        assert_eq!(next.status(), StatusCode::OK);
    }
}
