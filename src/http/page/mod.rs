//! The page: a flame graph and a table of the heap, for a person with a browser.

use super::{endpoints::Shared, reply::Reply};
use ::http::{Request, StatusCode};
use bytes::Bytes;

/// `path` is what stands behind `ui/`.
pub(super) fn answer(_shared: &Shared, path: &str, _request: &Request<Bytes>) -> Reply {
    super::reply::error(StatusCode::NOT_FOUND, &format!("the page has no {path:?}"))
}
