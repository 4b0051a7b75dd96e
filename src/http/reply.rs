//! Responses as Go's handlers write them, with the headers that scrapers and `go tool pprof` read.

use crate::Error;
use ::http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use bytes::Bytes;

pub(super) type Reply = Response<Bytes>;

/// What is sent in place of an answer.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) Box<Reply>);

/// An answer, or the refusal to give one.
pub(super) type ReplyResult<T> = Result<T, Refusal>;

const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const JSON: &str = "application/json";

pub(super) fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status;
    let reply = with(reply, header::CONTENT_TYPE, content_type);
    with(reply, header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}

pub(super) fn with(mut reply: Reply, name: HeaderName, value: &'static str) -> Reply {
    let value = HeaderValue::from_static(value);
    reply.headers_mut().insert(name, value);
    reply
}

pub(super) fn text(body: impl Into<Bytes>) -> Reply {
    new(StatusCode::OK, TEXT, body)
}

pub(super) fn json(body: impl Into<Bytes>) -> Reply {
    new(StatusCode::OK, JSON, body)
}

pub(super) fn plain_error(status: StatusCode, message: &str) -> Reply {
    new(status, TEXT, format!("{message}\n"))
}

/// `go tool pprof` shows an error's text only together with the header `X-Go-Pprof`.
pub(super) fn error(status: StatusCode, message: &str) -> Reply {
    let reply = plain_error(status, message);
    with(reply, HeaderName::from_static("x-go-pprof"), "1")
}

/// An error after which the client should try again in a second.
pub(super) fn later(status: StatusCode, why: &str) -> Reply {
    with(error(status, why), header::RETRY_AFTER, "1")
}

pub(super) fn too_many(why: &str) -> Refusal {
    refusal(later(StatusCode::TOO_MANY_REQUESTS, why))
}

/// The quota of bytes is used up.
pub(super) fn held_by_others() -> Refusal {
    too_many("others have not taken their answers yet: try again")
}

/// Nobody reads it any more; Go's status and words.
pub(super) fn cancelled() -> Refusal {
    refusal(error(StatusCode::INTERNAL_SERVER_ERROR, "context canceled"))
}

pub(super) fn refused<T>(status: StatusCode, message: &str) -> ReplyResult<T> {
    Err(refusal(error(status, message)))
}

pub(super) fn bad_request<T>(message: &str) -> ReplyResult<T> {
    refused(StatusCode::BAD_REQUEST, message)
}

pub(super) fn forbidden<T>(message: &str) -> ReplyResult<T> {
    refused(StatusCode::FORBIDDEN, message)
}

/// Sends the client to another address with the same query. The address is relative to the one that
/// was asked for, so it is right behind any router or proxy that changes paths.
pub(super) fn redirect(status: StatusCode, target: &'static str, query: Option<&str>) -> Reply {
    let reason = status.canonical_reason().unwrap_or_default();
    let body = format!("<a href=\"{target}\">{reason}</a>.\n\n");
    let mut reply = with(new(status, HTML, body), header::LOCATION, target);
    let location = query.map(|query| HeaderValue::try_from(format!("{target}?{query}")));
    if let Some(Ok(location)) = location {
        reply.headers_mut().insert(header::LOCATION, location);
    }
    reply
}

pub(super) fn refusal(reply: Reply) -> Refusal {
    Refusal(Box::new(reply))
}

impl From<Error> for Refusal {
    /// Says why there is no profile.
    fn from(failed: Error) -> Self {
        let status = match failed {
            _ if failed.is_not_installed() || failed.is_unsupported() => {
                StatusCode::NOT_IMPLEMENTED
            }
            // The request does not fit the profile.
            _ if failed.is_mismatch() => StatusCode::BAD_REQUEST,
            _ if failed.is_busy() => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        refusal(error(status, &failed.to_string()))
    }
}

/// The answer to HEAD has no body, but the header with its length.
pub(super) fn for_method(method: &Method, mut reply: Reply) -> Reply {
    if *method == Method::HEAD {
        let length = HeaderValue::from(reply.body().len());
        reply.headers_mut().insert(header::CONTENT_LENGTH, length);
        reply = reply.map(|_| Bytes::new());
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors;

    #[test]
    fn an_error_has_the_header_for_pprof_and_a_status_for_its_kind() {
        for (failed, status) in [
            (errors::not_installed(), 501),
            (errors::unsupported(), 501),
            (Error::mismatch("m"), 400),
            (Error::busy("b"), 503),
            (Error::malformed("m"), 500),
        ] {
            let message = format!("{failed}\n");
            let reply = Refusal::from(failed).0;
            assert_eq!(reply.status(), status, "{message}");
            assert_eq!(reply.headers()["x-go-pprof"], "1");
            assert_eq!(reply.headers()["x-content-type-options"], "nosniff");
            assert_eq!(*reply.body(), message);
        }
    }

    #[test]
    fn head_has_the_length_of_the_body() {
        let reply = for_method(&Method::HEAD, text("four"));
        assert_eq!(reply.headers()["content-length"], "4");
        assert!(reply.body().is_empty());
    }

    #[test]
    fn a_redirect_keeps_the_query() {
        let reply = redirect(StatusCode::SEE_OTHER, "ui", Some("si=inuse_space"));
        assert_eq!(reply.headers()["location"], "ui?si=inuse_space");
        assert_eq!(*reply.body(), "<a href=\"ui\">See Other</a>.\n\n");
        let reply = redirect(StatusCode::TEMPORARY_REDIRECT, "pprof/", None);
        assert_eq!(reply.headers()["location"], "pprof/");
    }
}
