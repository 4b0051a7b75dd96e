//! [`Service`]: the endpoints as a `tower` service, for frameworks that serve HTTP already.
//!
//! It reads a request's body and decides which thread makes the answer. [`Endpoints`] decides what
//! the answer is.

use super::cancellation::{self, Cancellation};
use super::limits::{MAX_ANSWERS, MAX_BODY_BYTES};
use super::reply::{self, Reply};
use super::{endpoints::Endpoints, hosts::Hosts, quota::Quota};
use crate::{Result, record};
use ::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use std::task::{Context, Poll};
use std::{convert::Infallible, error, pin::Pin, sync::Arc};

/// The endpoints as a [`tower_service::Service`] of requests with any body, for axum, hyper and
/// tonic.
///
/// It works under any prefix, stripped or not. A request never blocks the thread that it comes on:
/// a thread of heaptide's makes the profile, at most 16 at once, and ends early if the response's
/// future is dropped, as servers do when a client goes away. It needs no particular runtime.
///
/// A body above 1 MiB gets status 413, and an unauthorized request's body is not read. The server
/// around it has to bound the rest, such as the number of connections and how long a client may
/// take. [`Server`](super::Server) does so.
///
/// In axum:
///
/// ```
/// let app: axum::Router = axum::Router::new()
///     .route("/", axum::routing::get(|| async { "hello" }))
///     .nest_service("/debug/pprof", heaptide::http::service());
/// ```
#[derive(Clone, Debug)]
pub struct Service {
    endpoints: Endpoints,
    threads: Quota,
    pub(super) hosts: Option<Arc<Hosts>>,
}

/// The endpoints with their defaults, as a [`Service`].
#[must_use]
pub fn service() -> Service {
    Endpoints::builder().build().service()
}

impl Endpoints {
    /// These endpoints as a `tower` service.
    #[must_use]
    pub fn service(&self) -> Service {
        Service {
            endpoints: self.clone(),
            threads: Quota::new(MAX_ANSWERS),
            hosts: None,
        }
    }
}

impl Service {
    /// Answers 403 in two cases, for a service that is reached on loopback only:
    ///
    /// - The `Host` header is not localhost, 127.0.0.0/8 or `[::1]`. So no web page can read
    ///   profiles under a name of its own that leads here ("DNS rebinding").
    /// - A browser says that a page of another site asks (`Sec-Fetch-Site`), and no person has
    ///   followed a link.
    #[must_use]
    pub fn check_host(mut self) -> Self {
        self.hosts.get_or_insert_default();
        self
    }

    /// As [`check_host`](Self::check_host), and allows this name or address too, without a port.
    ///
    /// # Errors
    ///
    /// [Setting](crate::Error::is_setting), if it is neither.
    pub fn allow_host(mut self, host: &str) -> Result<Self> {
        Arc::make_mut(self.hosts.get_or_insert_default()).allow(host)?;
        Ok(self)
    }

    /// The reply to a request for another host or without authorization, before its body is read.
    pub(super) fn refuse<B>(&self, request: &Request<B>) -> Option<Reply> {
        let hosts = self.hosts.as_ref();
        match hosts.map_or(Ok(()), |hosts| hosts.check(request)) {
            Ok(()) => self.endpoints.refuse(request),
            Err(refusal) => Some(*refusal.0),
        }
    }

    /// The request with its body read, if its method uses one; or the reply to a body that is too
    /// long or breaks off.
    pub(super) async fn read<B>(&self, request: Request<B>) -> Result<Request<Bytes>, Reply>
    where
        B: Body,
        B::Error: Into<Box<dyn error::Error + Send + Sync>>,
    {
        let too_large = || {
            let why = format!("the request's body is larger than {MAX_BODY_BYTES} bytes");
            reply::error(StatusCode::PAYLOAD_TOO_LARGE, &why)
        };
        let (mut head, body) = request.into_parts();
        if head.method != Method::POST {
            return Ok(Request::from_parts(head, Bytes::new()));
        }
        let size = body.size_hint();
        if size.lower() > MAX_BODY_BYTES as u64 {
            return Err(too_large());
        }
        let most = size.upper().and_then(|most| usize::try_from(most).ok());
        let most = most.map_or(MAX_BODY_BYTES, |most| most.min(MAX_BODY_BYTES));
        let share = self.endpoints.state.held.take(most);
        // The request keeps its share until it is answered.
        let share = share.ok_or_else(|| *reply::held_by_others().0)?;
        head.extensions.insert(Arc::new(share));
        match Limited::new(body, MAX_BODY_BYTES).collect().await {
            Ok(body) => Ok(Request::from_parts(head, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
            Err(error) => {
                let why = format!("could not read the request's body: {error}");
                Err(reply::error(StatusCode::BAD_REQUEST, &why))
            }
        }
    }

    /// The answer, made on this thread if that takes no time.
    pub(super) async fn answer(&self, request: Request<Bytes>) -> Reply {
        let endpoints = self.endpoints.clone();
        if Endpoints::is_quick(&request) {
            return record::muted(|| endpoints.answer(&request, &Cancellation::never()));
        }
        let make = move |cancellation: &Cancellation| endpoints.answer(&request, cancellation);
        cancellation::answer(self.threads.clone(), make).await
    }
}

impl<B> tower_service::Service<Request<B>> for Service
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn error::Error + Send + Sync>>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Dropping the future cancels the request.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let read = match service.refuse(&request) {
                Some(refusal) => Err(refusal),
                None => service.read(request).await,
            };
            let reply = match read {
                Ok(request) => service.answer(request).await,
                Err(refusal) => refusal,
            };
            Ok(reply.map(Full::new))
        })
    }
}
