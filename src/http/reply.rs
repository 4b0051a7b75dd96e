//! Responses as Go's handlers write them: the headers that scrapers and `go tool pprof` look at.

use crate::Error;
use ::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;

pub(super) type Reply = Response<Bytes>;

/// An answer, or the refusal to give one.
pub(super) type Result<T> = std::result::Result<T, Box<Reply>>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub(super) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
#[cfg(feature = "flamegraph")]
pub(super) const SVG: HeaderValue = HeaderValue::from_static("image/svg+xml");
const BINARY: HeaderValue = HeaderValue::from_static("application/octet-stream");

pub(super) fn new(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    reply
}

pub(super) fn text(body: impl Into<Bytes>) -> Reply {
    new(StatusCode::OK, TEXT, body)
}

/// `go tool pprof` shows an error's text only with `X-Go-Pprof` beside it.
pub(super) fn error(status: StatusCode, message: &str) -> Reply {
    with(
        plain_error(status, message),
        HeaderName::from_static("x-go-pprof"),
        HeaderValue::from_static("1"),
    )
}

/// What Go's mux says, before any handler of its pprof.
pub(super) fn plain_error(status: StatusCode, message: &str) -> Reply {
    new(status, TEXT, format!("{message}\n"))
}

/// Worth another try in a second.
pub(super) fn later(status: StatusCode, why: &str) -> Reply {
    let second = HeaderValue::from_static("1");
    with(error(status, why), header::RETRY_AFTER, second)
}

/// [`error`], where an answer was wanted.
pub(super) fn refused<T>(status: StatusCode, message: &str) -> Result<T> {
    Err(Box::new(error(status, message)))
}

pub(super) fn bad_request<T>(message: &str) -> Result<T> {
    refused(StatusCode::BAD_REQUEST, message)
}

/// A profile's bytes, to be saved under this name.
pub(super) fn attachment(disposition: &'static str, body: Vec<u8>) -> Reply {
    with(
        new(StatusCode::OK, BINARY, body),
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static(disposition),
    )
}

pub(super) fn with(mut reply: Reply, name: HeaderName, value: HeaderValue) -> Reply {
    reply.headers_mut().insert(name, value);
    reply
}

/// Sends the client to another address, relative to the one it asked for, so that it is right behind any
/// router or proxy that has changed the path on the way. The query goes along.
pub(super) fn redirect(status: StatusCode, target: &'static str, query: Option<&str>) -> Reply {
    let location = match query {
        Some(query) => HeaderValue::try_from(format!("{target}?{query}")),
        None => Ok(HeaderValue::from_static(target)),
    };
    // A query that no header can hold was in no request either.
    let location = location.unwrap_or(HeaderValue::from_static(target));
    let reason = status.canonical_reason().unwrap_or_default();
    let body = format!("<a href=\"{target}\">{reason}</a>.\n\n");
    with(new(status, HTML, body), header::LOCATION, location)
}

/// Why there is no profile.
pub(super) fn failure(failed: &Error) -> Reply {
    let status = if failed.is_not_installed() || failed.is_unsupported() {
        StatusCode::NOT_IMPLEMENTED
    } else if failed.is_mismatch() {
        // What the request asks for does not fit to what there is.
        StatusCode::BAD_REQUEST
    } else if failed.is_busy() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    };
    error(status, &failed.to_string())
}

impl From<Error> for Box<Reply> {
    fn from(failed: Error) -> Self {
        Box::new(failure(&failed))
    }
}

/// The answer to HEAD: the same without its body, whose length is said.
pub(super) fn without_body(reply: Reply) -> Reply {
    let (parts, body) = reply.into_parts();
    with(
        Response::from_parts(parts, Bytes::new()),
        header::CONTENT_LENGTH,
        HeaderValue::from(body.len()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_that_it_is_for_pprof_and_what_kind_it_is() {
        for (failed, status) in [
            (Error::not_installed(), 501),
            (Error::unsupported(), 501),
            (Error::mismatch("m"), 400),
            (Error::busy("b"), 503),
            (Error::malformed("m"), 500),
        ] {
            let reply = failure(&failed);
            assert_eq!(reply.status(), status, "{failed}");
            assert_eq!(reply.headers()["x-go-pprof"], "1");
            assert_eq!(reply.headers()["x-content-type-options"], "nosniff");
            assert_eq!(*reply.body(), format!("{failed}\n"));
        }
    }

    #[test]
    fn head_says_how_long_the_body_would_be() {
        let reply = without_body(text("four"));
        assert_eq!(reply.headers()["content-length"], "4");
        assert!(reply.body().is_empty());
    }

    #[test]
    fn a_redirect_takes_the_query_along() {
        let reply = redirect(StatusCode::SEE_OTHER, "ui", Some("si=inuse_space"));
        assert_eq!(reply.headers()["location"], "ui?si=inuse_space");
        assert_eq!(*reply.body(), "<a href=\"ui\">See Other</a>.\n\n");
        let reply = redirect(StatusCode::TEMPORARY_REDIRECT, "pprof/", None);
        assert_eq!(reply.headers()["location"], "pprof/");
    }
}
