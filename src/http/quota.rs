//! How much of something all clients together may use: threads, waiting requests, bytes held.
//!
//! The bytes are those of bodies that still arrive and of replies that are not taken yet. Time and
//! size bound one slow client, but there are many. Nobody waits for a share: without one the
//! request gets status 429.

use super::limits::SMALL_REPLY;
use super::reply::{self, Reply};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Clones count together. Atomics and no semaphore, whose lock a fork may leave locked in the
/// child.
#[derive(Clone, Debug)]
pub(super) struct Quota {
    max: usize,
    used: Arc<AtomicUsize>,
}

/// A part of the quota, until it is dropped.
#[derive(Debug)]
pub(super) struct QuotaShare {
    quota: Quota,
    size: usize,
}

impl Quota {
    pub(super) fn new(max: usize) -> Self {
        let used = Arc::default();
        Self { max, used }
    }

    /// A share of this size if it is free; of an unused quota a share of any size.
    pub(super) fn take(&self, size: usize) -> Option<QuotaShare> {
        let more = |used: usize| {
            let sum = used.checked_add(size)?;
            (used == 0 || sum <= self.max).then_some(sum)
        };
        // Relaxed: it counts, and guards nothing.
        self.used.fetch_update(Relaxed, Relaxed, more).ok()?;
        let quota = self.clone();
        Some(QuotaShare { quota, size })
    }

    /// The reply, whose bytes keep a share until the last of them is dropped; or status 429.
    pub(super) fn hold(&self, reply: Reply) -> Reply {
        if reply.body().len() <= SMALL_REPLY {
            return reply;
        }
        match self.take(reply.body().len()) {
            Some(share) => reply.map(|bytes| Bytes::from_owner(HeldBody(bytes, share))),
            None => *reply::held_by_others().0,
        }
    }
}

impl Drop for QuotaShare {
    fn drop(&mut self) {
        self.quota.used.fetch_sub(self.size, Relaxed);
    }
}

struct HeldBody(
    Bytes,
    #[expect(dead_code, reason = "dropped with the bytes")] QuotaShare,
);

impl AsRef<[u8]> for HeldBody {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Quota {
        pub(in crate::http) fn is_unused(&self) -> bool {
            self.used.load(Relaxed) == 0
        }
    }

    #[test]
    fn a_reply_keeps_its_share_until_it_is_taken() {
        let quota = Quota::new(300_000);
        let large = |bytes| reply::text(vec![b'x'; bytes]);
        let hold = |bytes| quota.hold(large(bytes));
        let first = hold(200_000);
        assert_eq!(
            (first.status().as_u16(), first.body().len()),
            (200, 200_000)
        );
        assert!(!quota.is_unused());
        let refused = hold(100_001);
        assert_eq!(refused.status(), 429);
        assert_eq!(refused.headers()["retry-after"], "1");
        assert_eq!(hold(SMALL_REPLY).status(), 200, "small: whatever is held");
        let second = hold(100_000);
        assert_eq!(second.status(), 200);
        // What a server keeps of a response is its body, or the rest of it.
        let rest = first.into_body().split_off(199_999);
        drop(second);
        assert_eq!(hold(100_001).status(), 429);
        drop(rest);
        assert_eq!(hold(100_001).status(), 200);
    }

    #[test]
    fn a_share_larger_than_the_quota_needs_all_of_it() {
        let quota = Quota::new(10);
        let share = quota.take(20).unwrap();
        assert!(quota.take(1).is_none() && quota.take(usize::MAX).is_none());
        drop(share);
        assert!(quota.is_unused() && quota.take(10).is_some());
    }
}
