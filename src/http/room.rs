//! [`Room`]: how much of something there is for all clients together: threads, requests that wait for the end of
//! their `seconds`, and memory, for bodies that are still arriving and answers that are not taken yet.
//!
//! Each of a slow client's is bounded in time and in size, but there are many clients. Nobody waits here: who
//! finds no room is told to come back.

use super::reply::{self, Reply};
use ::http::StatusCode;
use bytes::Bytes;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Answers up to this are sent whatever is held: errors, the index, most files of the page.
const SMALL: usize = 64 << 10;

/// Clones count together.
#[derive(Clone, Debug)]
pub(super) struct Room {
    most: usize,
    held: Arc<AtomicUsize>,
}

/// So much of it, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    held: Arc<AtomicUsize>,
    size: usize,
}

/// An answer's bytes, and their share of the room until the last of them is gone.
struct Body {
    bytes: Bytes,
    _share: Share,
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            held: Arc::default(),
        }
    }

    /// A share, if so much is free. Of an empty room anyone may have as much as they need.
    pub(super) fn take(&self, size: usize) -> Option<Share> {
        let more = |held: usize| {
            let sum = held.checked_add(size)?;
            (held == 0 || sum <= self.most).then_some(sum)
        };
        // Relaxed: it counts, and guards nothing.
        let taken = self
            .held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_before| Share {
            held: Arc::clone(&self.held),
            size,
        })
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.held.load(Ordering::Relaxed) == 0
    }

    /// The answer, which from now on has its share; or that there is none.
    pub(super) fn hold(&self, reply: Reply) -> Reply {
        let length = reply.body().len();
        if length <= SMALL {
            return reply;
        }
        match self.take(length) {
            Some(share) => reply.map(|bytes| {
                Bytes::from_owner(Body {
                    bytes,
                    _share: share,
                })
            }),
            None => full(),
        }
    }
}

pub(super) fn full() -> Reply {
    let why = "others have not taken their answers yet: try again";
    reply::later(StatusCode::TOO_MANY_REQUESTS, why)
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.fetch_sub(self.size, Ordering::Relaxed);
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_its_share_until_it_is_taken() {
        let room = Room::new(300_000);
        let large = |bytes| reply::text(vec![b'x'; bytes]);
        let first = room.hold(large(200_000));
        assert_eq!(
            (first.status().as_u16(), first.body().len()),
            (200, 200_000)
        );
        assert!(!room.is_empty());
        let refused = room.hold(large(100_001));
        assert_eq!(refused.status(), 429);
        assert_eq!(refused.headers()["retry-after"], "1");
        assert_eq!(room.hold(large(SMALL)).status(), 200, "whatever is held");
        let second = room.hold(large(100_000));
        assert_eq!(second.status(), 200);
        // What a server keeps of a response is its body, or the rest of it.
        let rest = first.into_body().split_off(199_999);
        drop(second);
        assert_eq!(room.hold(large(100_001)).status(), 429);
        drop(rest);
        assert_eq!(room.hold(large(100_001)).status(), 200);
    }

    #[test]
    fn one_that_is_larger_than_the_room_has_it_alone() {
        let room = Room::new(10);
        let share = room.take(20).unwrap();
        assert!(room.take(1).is_none() && room.take(usize::MAX).is_none());
        drop(share);
        assert!(room.is_empty() && room.take(10).is_some());
    }
}
