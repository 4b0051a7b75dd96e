//! Every limit of the endpoints, the page and the server, each with its reason.

use std::time::Duration;

/// The longest `seconds=N` unless set: ten times what people ask for by hand.
pub(super) const MAX_SECONDS: Duration = Duration::from_secs(300);
/// Requests that may wait while a profile is made, unless set: more would wait for seconds.
pub(super) const MAX_WAITING: usize = 4;
/// Requests with `seconds=N` at a time: each of them keeps a raw profile.
pub(super) const MAX_DELTAS: usize = 8;
/// Clients of `delta_heap` whose last profile is kept: more than one service has scrapers.
pub(super) const MAX_CLIENTS: usize = 16;
/// Compressed bytes of all these profiles: 4 MiB for each client.
pub(super) const MAX_CLIENT_BYTES: usize = 64 << 20;
/// The longest name of a client, in bytes: it is kept too.
pub(super) const MAX_CLIENT_NAME: usize = 64;
/// Bytes of bodies that arrive and replies that are not taken yet, for all clients together.
pub(super) const MAX_HELD_BYTES: usize = 64 << 20;
/// Replies up to this many bytes do not count as held: errors, the index, most files of the page.
pub(super) const SMALL_REPLY: usize = 64 << 10;
/// Answers in the making, each on a thread: one makes a profile, the others wait.
pub(super) const MAX_ANSWERS: usize = 16;
/// How often a request that waits for its turn checks whether it was cancelled.
pub(super) const CANCEL_CHECK: Duration = Duration::from_millis(100);
/// Parameters of a query: more than any client has a use for.
pub(super) const MAX_PARAMETERS: usize = 100;
/// Addresses for `symbol`: `pprof` asks for all of a mapping at once, and each costs a lookup.
pub(super) const MAX_ADDRESSES: usize = 1 << 16;
/// The longest body: `pprof` writes an address in 15 bytes, `0x7f0123456789+`.
pub(super) const MAX_BODY_BYTES: usize = MAX_ADDRESSES * 16;

/// Bytes of a compiled regular expression. Matching takes linear time.
pub(super) const MAX_REGEX_BYTES: usize = 1 << 20;
/// Rows of the page's table: a filter finds the others.
pub(super) const MAX_ROWS: usize = 2_000;
/// Nodes of the page's flame graph: a browser draws this many without a pause.
pub(super) const MAX_NODES: usize = 20_000;
/// A node below this part of the whole is narrower than a tenth of a pixel on a large screen.
pub(super) const SMALLEST_PART: u128 = 20_000;
/// Earlier heaps that the page can compare with: enough to halve the age some 20 times.
pub(super) const MAX_HISTORY: usize = 24;
/// Compressed bytes of these heaps: they stay in memory for as long as the endpoints do.
pub(super) const MAX_HISTORY_BYTES: usize = 8 << 20;
/// Heaps nearer to each other than this would only push older ones out.
pub(super) const MIN_HISTORY_NANOS: u64 = 10_000_000_000;
/// How often a heap is kept once the page was opened.
pub(super) const HISTORY_INTERVAL: Duration = Duration::from_secs(60);

/// Connections to the server. Twice the 64 clients of `benches/http_load.rs`, since the server may
/// not have seen the end of a connection when its client opens the next one.
pub(super) const MAX_CONNECTIONS: usize = 128;
/// Bytes of a request's line and headers: browsers send less than half of it.
pub(super) const MAX_HEAD_BYTES: usize = 16 << 10;
/// From the time a connection is free for a request until the head of one has arrived. So it is
/// also how long an idle connection is kept.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(10);
/// From then on until the body has arrived.
pub(super) const BODY_TIME: Duration = Duration::from_secs(10);
/// Until the answer is made, in addition to the longest `seconds` that is accepted.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(60);
/// Until the client has taken the answer; each 16 KiB of it give one second more.
pub(super) const TAKING_TIME: Duration = Duration::from_secs(30);
/// Until the client has seen the end of its connection. The end of the server takes up to twice as
/// long.
pub(super) const FAREWELL_TIME: Duration = Duration::from_millis(500);
/// After a failed `accept`, as a rule for want of file descriptors, until the next one.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A client that vanished is noticed after this silence and ten unanswered probes.
pub(super) const KEEPALIVE_AFTER: Duration = Duration::from_secs(15);
/// Between two of these probes.
pub(super) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// How long a drop of the server waits for its thread: longer than its connections may take to end.
pub(super) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than any process lives, and short enough to be added to a point in time.
pub(super) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How long a client may take to receive so many bytes.
pub(super) fn taking_time(bytes: usize) -> Duration {
    let seconds = u64::try_from(bytes >> 14).unwrap_or(u64::MAX);
    TAKING_TIME.saturating_add(Duration::from_secs(seconds))
}
