//! What the requests share: settings, queue, quotas, and what is kept from one request to the next.

use super::profile_queue::{ProfileQueue, ProfileTurn};
use super::quota::{Quota, QuotaShare};
use super::reply::{self, Reply, ReplyResult};
use super::{cancellation::Cancellation, query::Query};
use super::{credential::Token, delta::DeltaClients, limits, page::history::HeapHistory};
use ::http::{Request, StatusCode};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the program has chosen.
#[derive(Clone, Debug, Default)]
pub(super) struct EndpointSettings {
    pub(super) token: Option<Token>,
    pub(super) shows_command_line: bool,
    pub(super) has_control: bool,
    pub(super) longest_delta: Option<Duration>,
    pub(super) max_waiting: Option<usize>,
}

#[derive(Debug)]
pub(super) struct EndpointState {
    pub(super) settings: EndpointSettings,
    pub(super) queue: Arc<ProfileQueue>,
    pub(super) clients: DeltaClients,
    pub(super) history: HeapHistory,
    /// Bytes of bodies and replies.
    pub(super) held: Quota,
    pub(super) built_at: Instant,
    deltas: Quota,
    /// The process that made it: a forked child has only a copy.
    pub(super) process: u32,
}

impl EndpointState {
    pub(super) fn new(settings: EndpointSettings) -> Self {
        let queue = settings.max_waiting.unwrap_or(limits::MAX_WAITING);
        let queue = Arc::new(ProfileQueue::new(queue));
        Self {
            settings,
            clients: DeltaClients::new(limits::MAX_CLIENTS, limits::MAX_CLIENT_BYTES),
            history: HeapHistory::new(Arc::clone(&queue)),
            queue,
            held: Quota::new(limits::MAX_HELD_BYTES),
            built_at: Instant::now(),
            deltas: Quota::new(limits::MAX_DELTAS),
            process: std::process::id(),
        }
    }

    /// The right to wait for the end of `seconds=N`.
    pub(super) fn delta_share(&self) -> ReplyResult<QuotaShare> {
        let max = limits::MAX_DELTAS;
        let why = format!("{max} requests with \"seconds\" are under way already: try again");
        self.deltas.take(1).ok_or_else(|| reply::too_many(&why))
    }
}

/// A request, and what its answer is made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestContext<'a> {
    pub(super) state: &'a EndpointState,
    pub(super) request: &'a Request<Bytes>,
    pub(super) cancellation: &'a Cancellation,
}

impl<'a> RequestContext<'a> {
    pub(super) fn query(&self) -> ReplyResult<Query<'a>> {
        Query::parse(self.request.uri().query().unwrap_or_default())
    }

    /// Waits for the turn to make a profile.
    pub(super) fn turn(&self) -> ReplyResult<ProfileTurn<'a>> {
        self.state.queue.join(self.cancellation)
    }

    /// Sends the client to another address with the same query.
    pub(super) fn redirect(&self, status: StatusCode, target: &'static str) -> Reply {
        reply::redirect(status, target, self.request.uri().query())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Endpoints;

    #[test]
    fn one_request_too_many_is_told_when_to_come_back() {
        let state = EndpointState::new(EndpointSettings {
            max_waiting: Some(0),
            ..EndpointSettings::default()
        });
        let turn = state.queue.join(&Cancellation::never()).unwrap();
        let refusal = state.queue.join(&Cancellation::never()).unwrap_err();
        assert_eq!(refusal.0.status(), 429);
        assert_eq!(refusal.0.headers()["retry-after"], "1");
        assert_eq!(refusal.0.headers()["x-go-pprof"], "1");
        drop(turn);
        drop(state.queue.rejoin(&Cancellation::never()).unwrap());

        let shares: Vec<_> = (0..limits::MAX_DELTAS)
            .map(|_| state.delta_share())
            .collect();
        assert!(shares.iter().all(Result::is_ok));
        let refusal = state.delta_share().unwrap_err();
        assert_eq!(refusal.0.status(), 429);
        assert!(refusal.0.body().starts_with(b"8 requests with"));
        drop(shares);
        assert!(state.delta_share().is_ok());
    }

    #[test]
    fn bytes_that_clients_do_not_take_are_bounded() {
        let mut state = EndpointState::new(EndpointSettings::default());
        state.held = Quota::new(1);
        let endpoints = Endpoints::new(state);
        let ask = |path: &str| {
            let request = ::http::Request::get(path).body(Bytes::new());
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
            let body = http_body_util::Full::new(Bytes::from("0x1"));
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
    fn a_forked_child_answers_503() {
        let mut state = EndpointState::new(EndpointSettings::default());
        assert_eq!(state.process, std::process::id());
        state.process = std::os::unix::process::parent_id();
        let endpoints = Endpoints::new(state);
        for path in ["/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/nope"] {
            let request = ::http::Request::get(path).body(Bytes::new());
            let request = request.unwrap();
            assert!(endpoints.refuse(&request).is_some());
            let reply = endpoints.respond(&request);
            assert_eq!(reply.status(), 503, "{path}");
            assert!(reply.body().starts_with(b"this process was forked"));
        }
    }
}
