//! Threads for answers that take time, so that no thread of the host waits for a profile.
//!
//! They are plain threads. The host's runtime may have no pool, and a profile over 30 seconds would
//! occupy a place in it. Starting a thread costs little compared with a profile.

use super::reply::{self, Reply};
use super::{cancellation::Cancellation, limits::MAX_ANSWERS, quota::Quota};
use crate::record;
use ::http::StatusCode;
use std::thread;
use tokio::sync::oneshot;

/// Makes answers on threads. Clones count together.
#[derive(Clone, Debug)]
pub(super) struct AnswerThreads {
    running: Quota,
}

impl Default for AnswerThreads {
    fn default() -> Self {
        let running = Quota::new(MAX_ANSWERS);
        Self { running }
    }
}

impl AnswerThreads {
    /// Makes an answer on a thread. Dropping the future cancels the request.
    pub(super) async fn answer(
        &self,
        make: impl FnOnce(&Cancellation) -> Reply + Send + 'static,
    ) -> Reply {
        let Some(share) = self.running.take(1) else {
            return *reply::too_many("too many profiles at once");
        };
        let (_guard, cancellation) = Cancellation::guarded();
        let (sender, answer) = oneshot::channel();
        let work = move || {
            record::muted(|| {
                let reply = make(&cancellation);
                // Before the client can send its next request.
                drop(share);
                // It fails if the request was cancelled: then nobody wants the reply.
                let _ = sender.send(reply);
            });
        };
        let named = thread::Builder::new().name("heaptide-answer".to_owned());
        if let Err(error) = record::muted(|| named.spawn(work)) {
            let why = format!("could not start a thread for the profile: {error}");
            return reply::later(StatusCode::SERVICE_UNAVAILABLE, &why);
        }
        answer.await.unwrap_or_else(|_panicked| {
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
    fn dropping_the_future_ends_the_thread_and_frees_its_share() {
        let threads = AnswerThreads::default();
        let (tell, told) = channel();
        let mut waiting = Box::pin(threads.answer(move |cancellation| {
            tell.send(None).unwrap();
            tell.send(Some(cancellation.wait(Duration::from_secs(3600))))
                .unwrap();
            reply::text("too late")
        }));
        let mut nothing = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut nothing).is_pending());
        assert_eq!(told.recv(), Ok(None), "it works");
        drop(waiting);
        assert_eq!(told.recv(), Ok(Some(false)), "it was cancelled");
        // The closure drops its end of the channel, and then the share is free.
        assert!(told.recv().is_err());
        while !threads.running.is_unused() {
            thread::yield_now();
        }
    }

    #[test]
    fn the_seventeenth_request_gets_429_until_another_one_ends() {
        let threads = AnswerThreads::default();
        let mut nothing = Context::from_waker(Waker::noop());
        let mut waiting: Vec<_> = (0..16)
            .map(|_| {
                let forever = |cancellation: &Cancellation| {
                    cancellation.wait(Duration::from_secs(3600));
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
    fn a_panic_becomes_an_answer() {
        let threads = AnswerThreads::default();
        let answer = block_on(threads.answer(|_| panic!("a seeded bug")));
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(threads.running.is_unused());
        let next = block_on(threads.answer(|_| reply::text("")));
        assert_eq!(next.status(), StatusCode::OK);
    }
}
