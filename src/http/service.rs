//! [`Service`]: the endpoints as a `tower` service, for whatever framework serves HTTP already.
//!
//! Reading a request's body, and which thread an answer is made on; what the answer is, [`Endpoints`] says.

use super::{
    Endpoints,
    caller::Caller,
    hosts::Hosts,
    reply::{self, Reply},
    room, symbol,
    threads::Threads,
};
use crate::{Result, record};
use ::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use std::{
    convert::Infallible,
    error, fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// The longest there is a use for are addresses to symbolize: of as many as are answered, each takes 15 bytes
/// as `pprof` writes them (`0x7f0123456789+`), and no more than this with 16.
const BODY_BYTES: usize = symbol::MOST_ADDRESSES * 16;

/// The endpoints as a [`tower_service::Service`] of requests with any body: what axum, hyper and tonic take.
///
/// It serves under any prefix, taken off or not. A request never holds up the thread that it comes on: a
/// profile is made on a thread of its own, at most 16 at once, and that thread ends early if the response's
/// future is dropped, as servers do when a client goes away. No particular runtime is needed.
///
/// A body above 1 MiB is answered 413, and none is read of who shows no token where one is required. What else has to be bounded, such as the time that a client takes
/// and the number of connections, is up to the server that it is part of. [`Server`](super::Server) does it.
///
/// ```
/// # #[cfg(feature = "axum")] {
/// let app: axum::Router = axum::Router::new()
///     .route("/", axum::routing::get(|| async { "hello" }))
///     .nest_service("/debug/pprof", heaptide::http::service());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Service {
    endpoints: Endpoints,
    threads: Threads,
    hosts: Option<Arc<Hosts>>,
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
            threads: Threads::default(),
            hosts: None,
        }
    }
}

impl Service {
    /// Answers 403 where the `Host` header is none of localhost, 127.0.0.0/8 and `[::1]`, so that no web page
    /// can read profiles under a name of its own that leads here ("DNS rebinding"); and where a browser says that
    /// a page of another site asks (`Sec-Fetch-Site`), unless a person has followed its link. For a service that is
    /// reached on loopback only; others know their names best.
    #[must_use]
    pub fn check_host(mut self) -> Self {
        self.hosts.get_or_insert_default();
        self
    }

    /// As [`check_host`](Self::check_host), with this name or address besides, without a port.
    ///
    /// # Errors
    ///
    /// [Setting](crate::Error::is_setting), if it is neither.
    pub fn allow_host(mut self, host: &str) -> Result<Self> {
        Arc::make_mut(self.hosts.get_or_insert_default()).allow(host)?;
        Ok(self)
    }

    /// With these hosts and no others.
    pub(super) fn with_hosts(mut self, hosts: Hosts) -> Self {
        self.hosts = Some(Arc::new(hosts));
        self
    }

    /// What to answer to a request that is none for us, or of who may not ask, before its body is read.
    pub(super) fn refuse<B>(&self, request: &Request<B>) -> Option<Reply> {
        let checked = self.hosts.as_ref().map(|hosts| hosts.check(request));
        match checked {
            Some(Err((status, why))) => Some(reply::error(status, &why)),
            _ => self.endpoints.refuse(request),
        }
    }

    /// The request with its body read, where there is a use for one; or what to answer if that is too long or
    /// breaks off.
    pub(super) async fn read<B>(&self, request: Request<B>) -> Result<Request<Bytes>, Reply>
    where
        B: Body,
        B::Error: Into<Box<dyn error::Error + Send + Sync>>,
    {
        let too_large = || {
            let why = format!("the request's body is larger than {BODY_BYTES} bytes");
            reply::error(StatusCode::PAYLOAD_TOO_LARGE, &why)
        };
        let (mut head, body) = request.into_parts();
        if head.method != Method::POST {
            return Ok(Request::from_parts(head, Bytes::new()));
        }
        let size = body.size_hint();
        if size.lower() > BODY_BYTES as u64 {
            return Err(too_large());
        }
        let most = size.upper().and_then(|most| usize::try_from(most).ok());
        let share = self
            .endpoints
            .room()
            .take(most.map_or(BODY_BYTES, |most| most.min(BODY_BYTES)));
        // It goes with the request.
        head.extensions
            .insert(Arc::new(share.ok_or_else(room::full)?));
        match Limited::new(body, BODY_BYTES).collect().await {
            Ok(body) => Ok(Request::from_parts(head, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
            Err(error) => {
                let why = format!("could not read the request's body: {error}");
                Err(reply::error(StatusCode::BAD_REQUEST, &why))
            }
        }
    }

    /// The answer, made here if that takes no time.
    pub(super) async fn answer(&self, request: Request<Bytes>) -> Reply {
        #[cfg(feature = "axum")]
        if let Some(redirect) = super::mount::redirect(&request, "") {
            return redirect;
        }
        if Endpoints::is_quick(&request) {
            return record::muted(|| self.endpoints.answer(&request, &Caller::patient()));
        }
        let endpoints = self.endpoints.clone();
        self.threads
            .answer(move |caller| endpoints.answer(&request, caller))
            .await
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
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let service = self.clone();
        ResponseFuture(Box::pin(async move {
            if let Some(refusal) = service.refuse(&request) {
                return refusal;
            }
            match service.read(request).await {
                Ok(request) => service.answer(request).await,
                Err(reply) => reply,
            }
        }))
    }
}

/// The response of a [`Service`]. Dropping it gives up what is being made.
#[must_use = "nothing is answered unless it is polled"]
pub struct ResponseFuture(Pin<Box<dyn Future<Output = Reply> + Send>>);

impl Future for ResponseFuture {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = self.0.as_mut().poll(context);
        reply.map(|reply| Ok(reply.map(Full::new)))
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
