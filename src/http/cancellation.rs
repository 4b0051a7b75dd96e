//! Threads for answers that take time, and how they learn that nobody waits any more.
//!
//! No thread of the host waits for a profile. The host's runtime may have no pool, and a profile
//! over 30 seconds would occupy a place in it. Starting a thread costs little compared with a
//! profile.
//!
//! When the client goes away, the future that holds the [`CancelGuard`] is dropped. A thread that
//! waits ends at once. Other long work checks the [`Cancellation`] from time to time.

use super::quota::Quota;
use super::reply::{self, Reply};
use crate::record;
use ::http::StatusCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::{convert::Infallible, thread, time::Duration};
use tokio::sync::oneshot;

/// Makes an answer on a thread, which takes a share of `running`. Dropping the future cancels the
/// request.
pub(super) async fn answer(
    running: Quota,
    make: impl FnOnce(&Cancellation) -> Reply + Send + 'static,
) -> Reply {
    let Some(share) = running.take(1) else {
        return *reply::too_many("too many profiles at once").0;
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
    use crate::http::limits::MAX_ANSWERS;
    use ::http::header;
    use std::task::{Context, Waker};

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(future)
    }

    #[test]
    fn dropping_the_future_ends_the_thread_and_frees_its_share() {
        let threads = Quota::new(MAX_ANSWERS);
        let (tell, told) = channel();
        let mut waiting = Box::pin(answer(threads.clone(), move |cancellation| {
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
        while !threads.is_unused() {
            thread::yield_now();
        }
    }

    #[test]
    fn the_seventeenth_request_gets_429_until_another_one_ends() {
        let threads = Quota::new(MAX_ANSWERS);
        let mut nothing = Context::from_waker(Waker::noop());
        let mut waiting: Vec<_> = (0..16)
            .map(|_| {
                let forever = |cancellation: &Cancellation| {
                    cancellation.wait(Duration::from_secs(3600));
                    reply::text("")
                };
                Box::pin(answer(threads.clone(), forever))
            })
            .collect();
        for one in &mut waiting {
            assert!(one.as_mut().poll(&mut nothing).is_pending());
        }
        let refused = block_on(answer(threads.clone(), |_| reply::text("")));
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
        drop(waiting.pop());
        loop {
            let taken = block_on(answer(threads.clone(), |_| reply::text("taken")));
            if taken.status() == StatusCode::OK {
                break;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn a_panic_becomes_an_answer() {
        let threads = Quota::new(MAX_ANSWERS);
        let reply = block_on(answer(threads.clone(), |_| panic!("a seeded bug")));
        assert_eq!(reply.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(threads.is_unused());
        let next = block_on(answer(threads.clone(), |_| reply::text("")));
        assert_eq!(next.status(), StatusCode::OK);
    }

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
