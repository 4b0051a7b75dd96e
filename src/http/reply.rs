//! Responses as Go's handlers write them: the headers that scrapers and `go tool pprof` look at.

use ::http::{HeaderValue, Response, StatusCode, header};
use bytes::Bytes;

pub(super) type Reply = Response<Bytes>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

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
    let mut reply = new(status, TEXT, format!("{message}\n"));
    let from_pprof = HeaderValue::from_static("1");
    reply.headers_mut().insert("x-go-pprof", from_pprof);
    reply
}

/// A profile's bytes, to be saved under this name.
pub(super) fn attachment(name: &'static str, body: Vec<u8>) -> Reply {
    let binary = HeaderValue::from_static("application/octet-stream");
    let mut reply = new(StatusCode::OK, binary, body);
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        reply
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, disposition);
    }
    reply
}
