//! [`Endpoints`]: what is served and what is remembered between requests, and the one function from a request
//! to a response.

use super::{
    caller::Caller,
    page,
    reply::{self, Reply},
    route::Route,
};
use crate::{Error, ProfileOptions, Result};
use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use std::sync::Arc;

/// Go's endpoints for this process. Clones share what is remembered.
#[derive(Clone, Debug)]
pub struct Endpoints {
    shared: Arc<Shared>,
}

/// What is served.
#[derive(Clone, Debug, Default)]
pub struct EndpointsBuilder {}

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {}

impl EndpointsBuilder {
    /// The endpoints, as chosen.
    #[must_use]
    pub fn build(self) -> Endpoints {
        Endpoints {
            shared: Arc::new(Shared {}),
        }
    }
}

impl Endpoints {
    /// As they are by default.
    #[must_use]
    pub fn builder() -> EndpointsBuilder {
        EndpointsBuilder::default()
    }

    /// Whether a request has to show a token.
    pub(super) fn has_token(&self) -> bool {
        false
    }

    /// Answers a request. Blocks while the profile is made, and with `seconds=N` for as long.
    #[must_use]
    pub fn respond(&self, request: &Request<Bytes>) -> Response<Bytes> {
        self.answer(request, &Caller::patient())
    }

    /// Whether [`answer`](Self::answer) returns at once, so that it may be called on a thread that must not block.
    pub(super) fn is_quick(&self, request: &Request<Bytes>) -> bool {
        !matches!(
            Route::of(request.uri().path()),
            Route::Heap | Route::Allocs | Route::Page(_)
        )
    }

    /// Answers a request; gives up when the caller hangs up.
    pub(super) fn answer(&self, request: &Request<Bytes>, _caller: &Caller) -> Reply {
        let options = ProfileOptions::new();
        match Route::of(request.uri().path()) {
            Route::Index => reply::text("heap\nallocs\n"),
            Route::Heap => profile("heap", options.heap()),
            Route::Allocs => profile("allocs", options.allocs()),
            Route::Page(path) => page::answer(&self.shared, path, request),
            Route::Unknown => reply::error(StatusCode::NOT_FOUND, "Unknown profile"),
        }
    }
}

fn profile(name: &'static str, profile: Result<crate::Profile>) -> Reply {
    let mut bytes = Vec::new();
    match profile.and_then(|profile| profile.write(&mut bytes)) {
        Ok(()) => reply::attachment(name, bytes),
        Err(error) => failure(&error),
    }
}

fn failure(error: &Error) -> Reply {
    let status = if error.is_not_installed() || error.is_unsupported() {
        StatusCode::NOT_IMPLEMENTED
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    };
    reply::error(status, &error.to_string())
}
