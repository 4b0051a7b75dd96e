//! [`Endpoints`]: who may ask, by which methods, and which file answers.
//!
//! One function turns a request into a response. It does not know how requests arrive.

use super::profiles::{self, ProfileKind};
use super::reply::{self, Reply, ReplyResult};
use super::{
    cancellation::Cancellation, control, credential::Credential, index, page, route::Route,
};
use super::{state::EndpointState, symbol};
use crate::record;
use ::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use std::sync::Arc;

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
    state: Arc<EndpointState>,
}

impl Endpoints {
    pub(super) fn new(state: EndpointState) -> Self {
        let state = Arc::new(state);
        Self { state }
    }

    pub(super) fn state(&self) -> &EndpointState {
        &self.state
    }

    /// Answers a request. It blocks while the profile is made, and for as long as `seconds=N` says,
    /// even if the client has gone. Do not call it on a thread of an async runtime: use
    /// [`service`](Self::service) there.
    #[must_use]
    pub fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        self.answer(request, &Cancellation::never())
    }

    /// Rejects unauthorized requests before reading the body, so that strangers occupy neither memory
    /// nor a thread.
    pub(super) fn refuse<B>(&self, request: &Request<B>) -> Option<Reply> {
        let route = Route::of(request.uri().path());
        let refusal = record::muted(|| self.admit(request, route)).err()?;
        Some(for_method(request.method(), *refusal))
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
        // The memory that an answer takes belongs to the profiler.
        let reply = record::muted(|| {
            let route = Route::of(request.uri().path());
            let answer = self
                .admit(request, route)
                .and_then(|credential| self.dispatch(request, route, cancellation, credential));
            let reply = answer.unwrap_or_else(|refusal| *refusal);
            self.state.held.hold(reply)
        });
        for_method(request.method(), reply)
    }

    /// Checks token, process and method; returns the credential that the request carries.
    fn admit<B>(&self, request: &Request<B>, route: Route<'_>) -> ReplyResult<Option<Credential>> {
        let token = self.state.settings.token.as_ref();
        let credential = token.and_then(|token| token.check(request.headers()));
        if token.is_some() && credential.is_none() {
            return Err(unauthorized());
        }
        // Before any lock: another thread may have held one at the fork.
        if !self.state.is_own_process() {
            return reply::refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "this process was forked from the one that serves profiles: it has none of its own; \
                 build its endpoints after the fork",
            );
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
        Err(Box::new(reply::with(refusal, header::ALLOW, allow)))
    }

    fn dispatch(
        &self,
        request: &Request<Bytes>,
        route: Route<'_>,
        cancellation: &Cancellation,
        credential: Option<Credential>,
    ) -> ReplyResult<Reply> {
        let state = &self.state;
        match route {
            Route::Index => Ok(index::answer()),
            Route::Heap => profiles::answer(state, ProfileKind::Heap, request, cancellation),
            Route::Allocs => profiles::answer(state, ProfileKind::Allocs, request, cancellation),
            Route::DeltaHeap => profiles::delta_heap(state, request, cancellation),
            Route::Symbol => symbol::answer(state, request, cancellation),
            Route::CommandLine => self.command_line(),
            Route::Control => control::answer(state, request, credential),
            Route::Page(path) => page::answer(state, path, request, cancellation),
            Route::Redirect => {
                let status = StatusCode::TEMPORARY_REDIRECT;
                Ok(reply::redirect(status, "pprof/", request.uri().query()))
            }
            Route::Unknown => reply::refused(StatusCode::NOT_FOUND, UNKNOWN),
        }
    }

    fn command_line(&self) -> ReplyResult<Reply> {
        if !self.state.settings.shows_command_line {
            return reply::forbidden(
                "the command line is not shown, since it may hold secrets: enable it with \
                 `EndpointsBuilder::command_line`",
            );
        }
        let arguments: Vec<_> = std::env::args_os()
            .map(|a| a.into_encoded_bytes())
            .collect();
        Ok(reply::text(arguments.join(&0)))
    }
}

fn for_method(method: &Method, reply: Reply) -> Reply {
    if *method == Method::HEAD {
        reply::without_body(reply)
    } else {
        reply
    }
}

/// Go's words first. `go tool pprof` asks for a CPU profile when it is given a bare address, and a
/// person who did so reads the rest.
const UNKNOWN: &str = "Unknown profile\n\
    heaptide serves /debug/pprof/heap, /debug/pprof/allocs and /debug/pprof/delta_heap, and a page at \
    /debug/pprof/ui; there is no CPU profile (profile), trace, goroutine, threadcreate, block or mutex of a \
    Rust program";

fn unauthorized() -> Box<Reply> {
    let mut refusal = reply::error(
        StatusCode::UNAUTHORIZED,
        "this endpoint needs a token: `Authorization: Bearer TOKEN`, or the token as the password in \
         http://any:TOKEN@host/debug/pprof/",
    );
    // A browser asks a person for the second one.
    for scheme in ["Bearer", "Basic realm=\"heaptide\", charset=\"UTF-8\""] {
        let scheme = HeaderValue::from_static(scheme);
        refusal
            .headers_mut()
            .append(header::WWW_AUTHENTICATE, scheme);
    }
    Box::new(refusal)
}
