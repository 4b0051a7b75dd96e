//! The endpoints in an axum application. Feature `axum`.
//!
//! Two forms, since axum has two ways to put routers together. What is nested has its prefix taken off and so
//! must answer for every path below it; what is merged keeps its paths, and answering for all of them would
//! take the application's.

use super::{
    Endpoints, Service,
    reply::{self, Reply},
};
use ::http::{HeaderValue, Request, StatusCode, Uri, header};
use axum::{Router, extract::OriginalUri, routing::any};
use http_body_util::Full;
use tower_service::Service as _;

/// Where Go's tools look.
const PREFIX: &str = "/debug/pprof";

/// The endpoints with their defaults, to be nested in an axum application under any prefix:
///
/// ```
/// let app: axum::Router = axum::Router::new()
///     .route("/", axum::routing::get(|| async { "hello" }))
///     .nest("/debug/pprof", heaptide::http::router());
/// ```
///
/// It answers for all paths below its prefix. (axum gives no nested router the bare `/debug/pprof/`; the index
/// is at `/debug/pprof` and `/debug/pprof/index`. With `nest_service` and a [`Service`] it is where Go has it.)
/// So it is not for `merge`. [`Service`] is:
///
/// ```
/// // Serves /debug/pprof/, and no other path.
/// let app: axum::Router = axum::Router::new()
///     .route("/", axum::routing::get(|| async { "hello" }))
///     .merge(heaptide::http::service());
/// ```
pub fn router() -> Router {
    Endpoints::builder().build().router()
}

impl Endpoints {
    /// These endpoints as a router, to be nested in an axum application under any prefix. See
    /// [`router`](super::router()).
    pub fn router(&self) -> Router {
        self.service().router()
    }
}

impl Service {
    /// This service as a router, to be nested in an axum application under any prefix. See
    /// [`router`](super::router()).
    pub fn router(self) -> Router {
        // No fallback: axum drops it where a router is nested that has this one nested in it.
        let (mut bare, mut index) = (self.clone(), self.clone());
        let bare = move |request: axum::extract::Request| {
            let refused = bare.refuse(&request).is_some();
            let redirect = redirect(&request, "index").filter(|_| !refused);
            let answer = bare.call(request);
            async move {
                match redirect {
                    Some(redirect) => Ok(redirect.map(Full::new)),
                    None => answer.await,
                }
            }
        };
        let index = move |mut request: axum::extract::Request| {
            *request.uri_mut() = Uri::from_static("/");
            // Relative links are right here.
            request.extensions_mut().remove::<OriginalUri>();
            index.call(request)
        };
        Router::new()
            .route("/", any(bare))
            .route("/index", any(index))
            .route_service("/{*path}", self)
    }
}

/// For `merge`: serves `/debug/pprof/`, and no other path.
impl<S: Clone + Send + Sync + 'static> From<Service> for Router<S> {
    fn from(service: Service) -> Self {
        Router::new().nest_service(PREFIX, service)
    }
}

/// Links on the index and the page are relative, so the place that they are relative to has to end in a
/// slash and perhaps something more. axum shows `/debug/pprof` and `/debug/pprof/` as the same `/` to what is
/// nested there.
pub(super) fn redirect<B>(request: &Request<B>, target: &str) -> Option<Reply> {
    let OriginalUri(uri) = request.extensions().get()?;
    if request.uri().path() != "/" || uri.path().ends_with('/') {
        return None;
    }
    // Relative, since a proxy may have taken a prefix off before us.
    let (_, last) = uri.path().rsplit_once('/')?;
    let query = uri.query().map(|query| format!("?{query}"));
    let place = format!("{last}/{target}{}", query.unwrap_or_default());
    let place = HeaderValue::from_str(&place).ok()?;
    let mut reply = reply::text("");
    *reply.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    reply.headers_mut().insert(header::LOCATION, place);
    Some(reply)
}
