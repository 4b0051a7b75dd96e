//! [`EndpointsBuilder`]: what is served, to whom, and how much work one may ask for; and [`Shared`], what
//! comes of it and lives as long as the endpoints.

use super::{
    caller::Caller,
    delta::Clients,
    endpoints::Endpoints,
    page::Moments,
    reply::{self, Reply, Result},
    room::{Room, Share},
    token::Token,
    turn::{NoTurn, Turn, Turns},
};
use ::http::StatusCode;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The longest `seconds=N` unless set.
const MOST_SECONDS: Duration = Duration::from_secs(300);
/// Who may wait for a profile while another is made, unless set.
const MOST_WAITING: usize = 4;
/// How many may wait for the end of their `seconds` at a time. Each keeps a raw profile meanwhile.
const MOST_DELTAS: usize = 8;
/// How many clients of `delta_heap` are remembered, and how many bytes for all of them.
const MOST_CLIENTS: usize = 16;
const MOST_CLIENT_BYTES: usize = 64 << 20;
/// What all clients together may leave in memory of what they send and are sent.
const MOST_HELD_BYTES: usize = 64 << 20;

/// What is served.
///
/// ```
/// use heaptide::http::Endpoints;
/// use std::time::Duration;
///
/// let endpoints = Endpoints::builder()
///     .token("a long random word")
///     .control()
///     .longest_delta(Duration::from_secs(60))
///     .build();
/// # let _ = endpoints;
/// ```
#[derive(Clone, Debug)]
pub struct EndpointsBuilder {
    token: Option<Token>,
    command_line: bool,
    control: bool,
    longest_delta: Duration,
    waiting: usize,
}

impl Default for EndpointsBuilder {
    fn default() -> Self {
        Self {
            token: None,
            command_line: false,
            control: false,
            longest_delta: MOST_SECONDS,
            waiting: MOST_WAITING,
        }
    }
}

impl EndpointsBuilder {
    /// Answers only who shows this token: as `Authorization: Bearer TOKEN`, or as the password of
    /// `Basic`. An empty token is none that anyone could show: every request is turned away.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Token::new(token));
        self
    }

    /// Serves `cmdline`, the arguments the program was started with. They may hold secrets.
    #[must_use]
    pub fn command_line(mut self) -> Self {
        self.command_line = true;
        self
    }

    /// Serves `control`, which shows the state of the profiler and sets the sample interval. It needs a
    /// [`token`](Self::token) too, and answers 403 without.
    #[must_use]
    pub fn control(mut self) -> Self {
        self.control = true;
        self
    }

    /// The longest `seconds=N` that is accepted, in whole seconds; 5 minutes unless set.
    #[must_use]
    pub fn longest_delta(mut self, duration: Duration) -> Self {
        self.longest_delta = duration;
        self
    }

    /// How many requests may wait while a profile is made; 4 unless set. The others are answered 429.
    #[must_use]
    pub fn waiting(mut self, requests: usize) -> Self {
        self.waiting = requests;
        self
    }

    /// The endpoints, as chosen. They belong to this process: in a child that is forked from it they answer
    /// 503.
    #[must_use]
    pub fn build(self) -> Endpoints {
        let turns = Arc::new(Turns::new(self.waiting));
        Endpoints::new(Shared {
            moments: Moments::new(Arc::clone(&turns)),
            token: self.token,
            shows_command_line: self.command_line,
            has_control: self.control,
            longest_delta: self.longest_delta,
            turns,
            deltas: Room::new(MOST_DELTAS),
            clients: Clients::new(MOST_CLIENTS, MOST_CLIENT_BYTES),
            room: Room::new(MOST_HELD_BYTES),
            built_at: Instant::now(),
            process: std::process::id(),
        })
    }
}

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) token: Option<Token>,
    pub(super) shows_command_line: bool,
    pub(super) has_control: bool,
    pub(super) longest_delta: Duration,
    pub(super) clients: Clients,
    pub(super) moments: Moments,
    pub(super) room: Room,
    pub(super) built_at: Instant,
    turns: Arc<Turns>,
    deltas: Room,
    process: u32,
}

impl Shared {
    /// Whether this is the process they were made in, and not a forked child of it.
    pub(super) fn is_own_process(&self) -> bool {
        std::process::id() == self.process
    }

    /// The turn to make a profile; whoever makes one has to hold it.
    pub(super) fn turn(&self, caller: &Caller) -> Result<Turn<'_>> {
        self.turns.take(caller).map_err(no_turn)
    }

    /// The turn of one who was let in before and has waited since.
    pub(super) fn turn_again(&self, caller: &Caller) -> Result<Turn<'_>> {
        self.turns.take_again(caller).map_err(no_turn)
    }

    /// A place to wait for the end of `seconds=N`.
    pub(super) fn place_to_wait(&self) -> Result<Share> {
        self.deltas.take(1).ok_or_else(|| {
            too_many(&format!(
                "{MOST_DELTAS} requests with \"seconds\" are under way already: try again"
            ))
        })
    }
}

fn no_turn(why: NoTurn) -> Box<Reply> {
    match why {
        NoTurn::Full => too_many("a profile is being made and others wait for theirs: try again"),
        NoTurn::Gone => gone(),
    }
}

fn too_many(message: &str) -> Box<Reply> {
    Box::new(reply::later(StatusCode::TOO_MANY_REQUESTS, message))
}

/// For who does not read it any more; Go's status and words.
pub(super) fn gone() -> Box<Reply> {
    Box::new(reply::error(
        StatusCode::INTERNAL_SERVER_ERROR,
        "context canceled",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared() -> Shared {
        let turns = Arc::new(Turns::new(0));
        Shared {
            moments: Moments::new(Arc::clone(&turns)),
            token: None,
            shows_command_line: false,
            has_control: false,
            longest_delta: MOST_SECONDS,
            turns,
            deltas: Room::new(MOST_DELTAS),
            clients: Clients::new(1, 1),
            room: Room::new(1),
            built_at: Instant::now(),
            process: std::process::id(),
        }
    }

    #[test]
    fn who_is_one_too_many_is_told_when_to_come_back() {
        let shared = shared();
        let turn = shared.turn(&Caller::patient()).unwrap();
        let refusal = shared.turn(&Caller::patient()).unwrap_err();
        assert_eq!(refusal.status(), 429);
        assert_eq!(refusal.headers()["retry-after"], "1");
        assert_eq!(refusal.headers()["x-go-pprof"], "1");
        drop(turn);
        drop(shared.turn_again(&Caller::patient()).unwrap());

        let places: Vec<_> = (0..MOST_DELTAS).map(|_| shared.place_to_wait()).collect();
        assert!(places.iter().all(std::result::Result::is_ok));
        let refusal = shared.place_to_wait().unwrap_err();
        assert_eq!(refusal.status(), 429);
        assert!(refusal.body().starts_with(b"8 requests with"));
        drop(places);
        assert!(shared.place_to_wait().is_ok());
    }

    #[test]
    fn what_clients_do_not_take_is_bounded() {
        let endpoints = Endpoints::new(shared());
        let ask = |path: &str| {
            let request = ::http::Request::get(path).body(bytes::Bytes::new());
            endpoints.respond(&request.unwrap())
        };
        let page = ask("/ui");
        let page = std::str::from_utf8(page.body()).unwrap();
        let version = page
            .split("ui/")
            .nth(1)
            .and_then(|rest| rest.split('/').next());
        let large = format!("/ui/{}/flamegraph.js", version.unwrap());
        let kept = ask(&large);
        assert_eq!(kept.status(), 200);
        assert_eq!(ask(&large).status(), 429);
        assert_eq!(ask("/ui").status(), 200, "small ones go on");
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap();
        let service = endpoints.service();
        let post = || {
            let body = http_body_util::Full::new(bytes::Bytes::from("0x1"));
            let request = ::http::Request::post("/symbol").body(body);
            let read = runtime.block_on(service.read(request.unwrap()));
            read.map_err(|refusal| refusal.status())
        };
        assert_eq!(post().unwrap_err(), 429, "nor is a body read");
        drop(kept);
        let read = post().unwrap();
        assert_eq!(read.body(), "0x1");
        assert_eq!(ask(&large).status(), 429, "it counts until it is answered");
        drop(read);
        assert_eq!(ask(&large).status(), 200);
    }

    #[test]
    fn a_forked_child_is_told_so() {
        let mut shared = shared();
        assert!(shared.is_own_process());
        shared.process = std::os::unix::process::parent_id();
        let endpoints = Endpoints::new(shared);
        for path in ["/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/nope"] {
            let request = ::http::Request::get(path).body(bytes::Bytes::new());
            let request = request.unwrap();
            assert!(endpoints.refuse(&request).is_some());
            let reply = endpoints.respond(&request);
            assert_eq!(reply.status(), 503, "{path}");
            assert!(reply.body().starts_with(b"this process was forked"));
        }
    }
}
