//! [`Endpoints`]: what is served and what is remembered between requests, and the one function from a request
//! to a response.
//!
//! Here is decided who is let in, by which methods, and which part of the room answers. It must not know how
//! requests come.

use super::{
    builder::{EndpointsBuilder, Shared},
    caller::Caller,
    control, index, page, profiles,
    reply::{self, Reply, Result},
    room::Room,
    route::Route,
    symbol,
    token::Shown,
};
use crate::record;
use ::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

/// Go's endpoints for this process. Clones share what is remembered.
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
    shared: Arc<Shared>,
}

impl Endpoints {
    /// As they are by default: what shows secrets or changes anything is off, and there is no token.
    #[must_use]
    pub fn builder() -> EndpointsBuilder {
        EndpointsBuilder::default()
    }

    pub(super) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Answers a request. Blocks while the profile is made, and with `seconds=N` for as long, even if the client has
    /// hung up meanwhile: not for a thread of an async runtime, where [`service`](Self::service) is.
    #[must_use]
    pub fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        self.answer(request, &Caller::patient())
    }

    /// Whether every request has to carry a token.
    pub(super) fn has_token(&self) -> bool {
        self.shared.token.is_some()
    }

    /// What clients may leave in memory.
    pub(super) fn room(&self) -> &Room {
        &self.shared.room
    }

    /// The longest `seconds=N` that is accepted.
    pub(super) fn longest_delta(&self) -> Duration {
        self.shared.longest_delta
    }

    /// What is said to who may not come in, whatever stands in the body: so that strangers occupy neither
    /// memory for one nor a thread.
    pub(super) fn refuse<B>(&self, request: &Request<B>) -> Option<Reply> {
        let route = Route::of(request.uri().path());
        let refusal = record::muted(|| self.admit(request, route)).err()?;
        Some(for_method(request.method(), *refusal))
    }

    /// Whether [`answer`](Self::answer) returns at once, so that it may be called on a thread that must not
    /// block.
    pub(super) fn is_quick(request: &Request<Bytes>) -> bool {
        let route = Route::of(request.uri().path());
        !matches!(
            route,
            Route::Heap | Route::Allocs | Route::DeltaHeap | Route::Symbol | Route::Page(_)
        )
    }

    /// Answers a request; gives up when the caller hangs up.
    pub(super) fn answer(&self, request: &Request<Bytes>, caller: &Caller) -> Reply {
        // What is remembered and what is made on the way to an answer is the profiler's own.
        let reply = record::muted(|| {
            let route = Route::of(request.uri().path());
            let answered = self
                .admit(request, route)
                .and_then(|shown| self.dispatch(request, route, caller, shown));
            self.shared
                .room
                .hold(answered.unwrap_or_else(|refusal| *refusal))
        });
        for_method(request.method(), reply)
    }

    /// Who may come in, and by which methods.
    fn admit<B>(&self, request: &Request<B>, route: Route<'_>) -> Result<Shown> {
        let shown = match &self.shared.token {
            None => Shown::Nothing,
            Some(token) => match token.shown(request.headers()) {
                Shown::Nothing => return Err(Box::new(unauthorized())),
                shown => shown,
            },
        };
        // Before any lock, which another thread may have held at the fork.
        if !self.shared.is_own_process() {
            return reply::refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "this process was forked from the one that serves profiles: it has none of its own; build \
                 its endpoints after the fork",
            );
        }
        let method = request.method();
        let takes_post = matches!(route, Route::Symbol | Route::Control);
        let is_taken = matches!(*method, Method::GET | Method::HEAD)
            || (takes_post && *method == Method::POST);
        if !is_taken {
            let allow = if takes_post {
                "GET, HEAD, POST"
            } else {
                "GET, HEAD"
            };
            // Go's mux says this before any handler of its pprof.
            let refusal = reply::plain_error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
            let allow = HeaderValue::from_static(allow);
            return Err(Box::new(reply::with(refusal, header::ALLOW, allow)));
        }
        Ok(shown)
    }

    fn dispatch(
        &self,
        request: &Request<Bytes>,
        route: Route<'_>,
        caller: &Caller,
        shown: Shown,
    ) -> Result<Reply> {
        let shared = &self.shared;
        match route {
            Route::Index => Ok(index::answer()),
            Route::Heap => profiles::answer(shared, profiles::Kind::Heap, request, caller),
            Route::Allocs => profiles::answer(shared, profiles::Kind::Allocs, request, caller),
            Route::DeltaHeap => profiles::delta_heap(shared, request, caller),
            Route::Symbol => symbol::answer(shared, request, caller),
            Route::CommandLine => command_line(shared),
            Route::Control => control::answer(shared, request, shown),
            Route::Page(path) => page::answer(shared, path, request, caller),
            Route::Redirect => Ok(reply::redirect(
                StatusCode::TEMPORARY_REDIRECT,
                "pprof/",
                request.uri().query(),
            )),
            Route::Unknown => reply::refused(StatusCode::NOT_FOUND, UNKNOWN),
        }
    }
}

fn for_method(method: &Method, reply: Reply) -> Reply {
    if method == Method::HEAD {
        reply::without_body(reply)
    } else {
        reply
    }
}

/// Go's words first; then what a person who asks for a CPU profile, as `go tool pprof` does of a bare address,
/// needs to know.
const UNKNOWN: &str = "Unknown profile\n\
    heaptide serves /debug/pprof/heap, /debug/pprof/allocs and /debug/pprof/delta_heap, and a page at \
    /debug/pprof/ui; there is no CPU profile (profile), trace, goroutine, threadcreate, block or mutex of a \
    Rust program";

fn unauthorized() -> Reply {
    let refusal = reply::error(
        StatusCode::UNAUTHORIZED,
        "this endpoint needs a token: `Authorization: Bearer TOKEN`, or the token as the password in \
         http://any:TOKEN@host/debug/pprof/",
    );
    // The second is what a browser asks a person for.
    let mut refusal = reply::with(
        refusal,
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer"),
    );
    let basic = HeaderValue::from_static("Basic realm=\"heaptide\", charset=\"UTF-8\"");
    refusal
        .headers_mut()
        .append(HeaderName::from_static("www-authenticate"), basic);
    refusal
}

/// The arguments, which may hold secrets.
fn command_line(shared: &Shared) -> Result<Reply> {
    if !shared.shows_command_line {
        return reply::refused(
            StatusCode::FORBIDDEN,
            "the command line is not shown, since it may hold secrets: enable it with \
             `EndpointsBuilder::command_line`",
        );
    }
    let arguments: Vec<Vec<u8>> = std::env::args_os()
        .map(|argument| argument.into_encoded_bytes())
        .collect();
    Ok(reply::text(arguments.join(&0)))
}
