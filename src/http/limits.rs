//! How much, and how long, a client of the stand-alone server may take.

use std::time::Duration;

/// What each connection is held to. A value, so that tests need not wait as long as clients may.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections at once; the next one is told to come later. Twice the 64 clients of benches/http_load.rs,
    /// since one that asks anew may not have been seen to close.
    pub(super) connections: usize,
    /// A request's line and headers.
    pub(super) head_bytes: usize,
    /// From when a connection is free for a request to when the head of one is there. So it is also how long
    /// a connection without requests is kept.
    pub(super) head: Duration,
    /// From then on, until the body is there.
    pub(super) body: Duration,
    /// Until the answer is made, besides the longest `seconds` that is accepted.
    pub(super) answer: Duration,
    /// Until the client has taken the answer; and for each 16 KiB of it a second more.
    pub(super) taking: Duration,
    /// Until the client has seen that the connection ends; and, twice, what is done when the server ends.
    pub(super) farewell: Duration,
}

impl Limits {
    pub(super) fn taking(&self, body_bytes: usize) -> Duration {
        let seconds = u64::try_from(body_bytes >> 14).unwrap_or(u64::MAX);
        self.taking.saturating_add(Duration::from_secs(seconds))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 128,
            head_bytes: 16 << 10,
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            taking: Duration::from_secs(30),
            farewell: Duration::from_millis(500),
        }
    }
}
