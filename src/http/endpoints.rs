//! [`Endpoints`]: what is served, to whom, by which methods, and which file answers.
//!
//! One function turns a request into a response. It does not know how requests arrive.

use super::credential::{Credential, Token};
use super::reply::{self, Refusal, Reply, ReplyResult};
use super::state::{EndpointSettings, EndpointState, RequestContext};
use super::{cancellation::Cancellation, route::Route};
use super::{control, index, page, profiles, symbol};
use crate::{ProfileOptions, record};
use ::http::{HeaderValue, Request, Response, StatusCode, header};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

/// Go's endpoints for this process. Clones share what is kept between requests.
///
/// ```
/// # #[cfg(feature = "jemalloc")] {
/// use bytes::Bytes;
/// use heaptide::{Profile, http::Endpoints};
///
/// #[global_allocator]
/// static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();
///
/// let endpoints = Endpoints::builder().build();
/// let request = http::Request::get("/debug/pprof/heap").body(Bytes::new()).unwrap();
/// let response = endpoints.respond(&request);
/// assert_eq!(response.status(), 200);
/// assert!(Profile::read(response.body()).is_ok());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Endpoints {
    pub(super) state: Arc<EndpointState>,
}

impl Endpoints {
    /// The default settings: there is no token, and what may show secrets or changes anything is
    /// off.
    pub fn builder() -> EndpointsBuilder {
        EndpointsBuilder::default()
    }

    pub(super) fn new(state: EndpointState) -> Self {
        let state = Arc::new(state);
        Self { state }
    }

    /// Answers a request. It blocks while the profile is made, and for as long as `seconds=N` says,
    /// even if the client has gone. Do not call it on a thread of an async runtime: use
    /// [`service`](Self::service) there.
    #[must_use]
    pub fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        self.answer(request, &Cancellation::never())
    }

    /// Rejects unauthorized requests before reading the body, so that strangers occupy neither
    /// memory nor a thread.
    pub(super) fn refuse<B>(&self, request: &Request<B>) -> Option<Reply> {
        let route = Route::of(request.uri().path());
        let refusal = record::muted(|| self.admit(request, route)).err()?;
        Some(reply::for_method(request.method(), *refusal.0))
    }

    /// Whether [`answer`](Self::answer) returns at once, so that an async thread may call it.
    pub(super) fn is_quick(request: &Request<Bytes>) -> bool {
        !matches!(
            Route::of(request.uri().path()),
            Route::Heap | Route::Allocs | Route::DeltaHeap | Route::Symbol | Route::Page(_)
        )
    }

    /// Answers a request; gives up when it is cancelled.
    pub(super) fn answer(&self, request: &Request<Bytes>, cancellation: &Cancellation) -> Reply {
        let (state, route) = (&*self.state, Route::of(request.uri().path()));
        let context = RequestContext {
            state,
            request,
            cancellation,
        };
        // The memory that an answer takes belongs to the profiler.
        let reply = record::muted(|| {
            let admitted = self.admit(request, route);
            let answer = admitted.and_then(|with| self.dispatch(&context, route, with));
            state.held.hold(answer.unwrap_or_else(|refusal| *refusal.0))
        });
        reply::for_method(request.method(), reply)
    }

    /// Checks token, process and method; returns the credential that the request carries.
    fn admit<B>(&self, request: &Request<B>, route: Route<'_>) -> ReplyResult<Option<Credential>> {
        let token = self.state.settings.token.as_ref();
        let credential = token.and_then(|token| token.check(request.headers()));
        if token.is_some() && credential.is_none() {
            return Err(unauthorized());
        }
        // Before any lock: another thread may have held one at the fork.
        if self.state.process != std::process::id() {
            let why = "this process was forked from the one that serves profiles: it has none of \
                       its own; build its endpoints after the fork";
            return reply::refused(StatusCode::SERVICE_UNAVAILABLE, why);
        }
        let allow = match route {
            Route::Symbol | Route::Control => "GET, HEAD, POST",
            _ => "GET, HEAD",
        };
        if allow.split(", ").any(|allowed| request.method() == allowed) {
            return Ok(credential);
        }
        // In Go the mux says this, before any handler of pprof: so without `X-Go-Pprof`.
        let refusal = reply::plain_error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
        Err(reply::refusal(reply::with(refusal, header::ALLOW, allow)))
    }

    fn dispatch(
        &self,
        context: &RequestContext<'_>,
        route: Route<'_>,
        credential: Option<Credential>,
    ) -> ReplyResult<Reply> {
        match route {
            Route::Index => Ok(index::answer()),
            Route::Heap => profiles::answer(context, "heap", ProfileOptions::heap),
            Route::Allocs => profiles::answer(context, "allocs", ProfileOptions::allocs),
            Route::DeltaHeap => profiles::delta_heap(context),
            Route::Symbol => symbol::answer(context),
            Route::CommandLine => self.command_line(),
            Route::Control => control::answer(context, credential),
            Route::Page(path) => page::answer(context, path),
            Route::Redirect => Ok(context.redirect(StatusCode::TEMPORARY_REDIRECT, "pprof/")),
            Route::Unknown => reply::refused(StatusCode::NOT_FOUND, UNKNOWN),
        }
    }

    fn command_line(&self) -> ReplyResult<Reply> {
        if !self.state.settings.shows_command_line {
            let why = "the command line is not shown, since it may hold secrets: enable it with \
                       `EndpointsBuilder::command_line`";
            return reply::forbidden(why);
        }
        let arguments = std::env::args_os().map(|argument| argument.into_encoded_bytes());
        Ok(reply::text(arguments.collect::<Vec<_>>().join(&0)))
    }
}

/// Settings of [`Endpoints`].
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
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is served before `build`"]
pub struct EndpointsBuilder {
    settings: EndpointSettings,
}

impl EndpointsBuilder {
    /// Requires this token of every request: as `Authorization: Bearer TOKEN`, or as the password
    /// of `Basic`. No request can carry an empty token, so that one refuses them all.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.settings.token = Some(Token::new(token));
        self
    }

    /// Serves `cmdline`, the arguments the program was started with. They may hold secrets.
    pub fn command_line(mut self) -> Self {
        self.settings.shows_command_line = true;
        self
    }

    /// Serves `control`, which shows the state of the profiler and sets the sample interval. It
    /// needs a [`token`](Self::token) too, and answers 403 without one.
    pub fn control(mut self) -> Self {
        self.settings.has_control = true;
        self
    }

    /// The longest `seconds=N` that is accepted, in whole seconds; 5 minutes unless set.
    pub fn longest_delta(mut self, duration: Duration) -> Self {
        self.settings.longest_delta = Some(duration);
        self
    }

    /// How many requests may wait while a profile is made; 4 unless set. The others get status 429.
    pub fn waiting(mut self, requests: usize) -> Self {
        self.settings.max_waiting = Some(requests);
        self
    }

    /// The endpoints with these settings. They belong to this process: in a child that is forked
    /// from it they answer 503.
    #[must_use]
    pub fn build(self) -> Endpoints {
        Endpoints::new(EndpointState::new(self.settings))
    }
}

/// Go's words first. `go tool pprof` asks for a CPU profile when it is given a bare address, and a
/// person who did so reads the rest.
const UNKNOWN: &str = "Unknown profile\n\
    heaptide serves /debug/pprof/heap, /debug/pprof/allocs and /debug/pprof/delta_heap, and a page \
    at /debug/pprof/ui; there is no CPU profile (profile), trace, goroutine, threadcreate, block \
    or mutex of a Rust program";

fn unauthorized() -> Refusal {
    let why = "this endpoint needs a token: `Authorization: Bearer TOKEN`, or the token as the \
               password in http://any:TOKEN@host/debug/pprof/";
    let mut refusal = reply::error(StatusCode::UNAUTHORIZED, why);
    // A browser asks a person for the second one.
    for scheme in ["Bearer", "Basic realm=\"heaptide\", charset=\"UTF-8\""] {
        let scheme = HeaderValue::from_static(scheme);
        refusal
            .headers_mut()
            .append(header::WWW_AUTHENTICATE, scheme);
    }
    reply::refusal(refusal)
}
