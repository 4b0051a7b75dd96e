//! The page: a flame graph and a table of the heap, for a person with a browser.
//!
//! Requests for the page itself, for its files and for its data end here. What it shows is computed in
//! [`report`](crate::report); how it looks is in `web/`. It never changes what is recorded.

mod assets;
mod data;
mod moments;
mod query;

pub(super) use moments::Moments;

use std::io::Write;

use ::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use self::{assets::Asset, data::Shown, query::Query};
use super::{
    endpoints::Shared,
    reply::{self, Reply},
};
use crate::{Error, ProfileOptions, record::muted};

/// Nothing but the page's own files runs, and nothing is fetched from elsewhere.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// `path` is what stands behind `ui/`. What is allocated for the page is not sampled.
pub(super) fn answer(shared: &Shared, path: &str, request: &Request<Bytes>) -> Reply {
    muted(|| respond(&shared.moments, path, request))
}

fn respond(moments: &Moments, path: &str, request: &Request<Bytes>) -> Reply {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = reply::error(StatusCode::METHOD_NOT_ALLOWED, "the page is only read");
        let allowed = HeaderValue::from_static("GET, HEAD");
        refusal.headers_mut().insert(header::ALLOW, allowed);
        return refusal;
    }
    match path {
        // Its relative links count from the folder that `ui` is in.
        "" if request.uri().path().ends_with('/') => redirect(),
        "data" => data(moments, request),
        _ => match assets::find(path) {
            Some(asset) => file(asset, request.headers()),
            None => reply::error(
                StatusCode::NOT_FOUND,
                &format!("the page has no file {path:?}: reload it, it may be of another version"),
            ),
        },
    }
}

fn redirect() -> Reply {
    let mut reply = reply::text("the page is one level up\n");
    *reply.status_mut() = StatusCode::MOVED_PERMANENTLY;
    let place = HeaderValue::from_static("../ui");
    reply.headers_mut().insert(header::LOCATION, place);
    reply
}

fn file(asset: &Asset, asked: &HeaderMap) -> Reply {
    let has_it = asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim().trim_start_matches("W/") == asset.etag);
    let gzip = asset.gzip.as_ref().filter(|_| takes_gzip(asked));
    let body = match gzip {
        _ if has_it => Bytes::new(),
        Some(gzip) => gzip.clone(),
        None => asset.plain.clone(),
    };
    let content_type = HeaderValue::from_static(asset.content_type);
    let mut reply = secured(reply::new(StatusCode::OK, content_type, body));
    let headers = reply.headers_mut();
    let keep = if asset.is_immutable() {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    if let Ok(etag) = HeaderValue::from_str(&asset.etag) {
        headers.insert(header::ETAG, etag);
    }
    if has_it {
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
    } else if gzip.is_some() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    reply
}

/// The view as JSON, or an error's text, which the page shows.
fn data(moments: &Moments, request: &Request<Bytes>) -> Reply {
    let query = match Query::parse(request.uri().query().unwrap_or_default()) {
        Ok(query) => query,
        Err(message) => return reply::error(StatusCode::BAD_REQUEST, &message),
    };
    let base = match query.since.map(|id| (id, moments.find(id))) {
        None => None,
        Some((_, Some(moment))) => Some(moment),
        Some((id, None)) => {
            let message = format!("moment {id} is no longer remembered: choose another one");
            return reply::error(StatusCode::GONE, &message);
        }
    };
    let text = shown(moments, &query, base).and_then(|shown| data::json(&shown));
    match text {
        Ok(text) => json(text, request.headers()),
        Err(error) => reply::error(status(&error), &error.to_string()),
    }
}

/// An earlier view again, or the heap now.
fn shown<'a>(
    moments: &Moments,
    query: &'a Query,
    base: Option<moments::Moment>,
) -> crate::Result<Shown<'a>> {
    let again = query.at.and_then(|id| moments.find(id));
    let (profile, id) = if let Some(moment) = again {
        (moment.profile()?, Some(moment.id))
    } else {
        let profile = ProfileOptions::new().heap()?;
        let id = moments.remember(&profile)?.map(|moment| moment.id);
        (profile, id)
    };
    let base = match base {
        Some(moment) => {
            let profile = moment.profile()?;
            Some((moment, profile))
        }
        None => None,
    };
    Ok(Shown {
        profile,
        id,
        base,
        query,
        moments: moments.list(),
        remarks: moments.failure().into_iter().collect(),
    })
}

fn status(error: &Error) -> StatusCode {
    if error.is_not_installed() || error.is_unsupported() {
        StatusCode::NOT_IMPLEMENTED
    } else if error.is_busy() {
        StatusCode::SERVICE_UNAVAILABLE
    } else if error.is_mismatch() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

fn json(text: String, asked: &HeaderMap) -> Reply {
    let compressed = takes_gzip(asked).then(|| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let written = encoder.write_all(text.as_bytes());
        written.and_then(|()| encoder.finish()).ok()
    });
    let content_type = HeaderValue::from_static("application/json");
    let (body, is_gzip) = match compressed.flatten() {
        Some(bytes) => (Bytes::from(bytes), true),
        None => (Bytes::from(text), false),
    };
    let mut reply = secured(reply::new(StatusCode::OK, content_type, body));
    let headers = reply.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if is_gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    reply
}

fn secured(mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    let silent = HeaderValue::from_static("no-referrer");
    headers.insert(header::REFERRER_POLICY, silent);
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    reply
}

/// Every browser does; who sends another list of encodings gets plain text.
fn takes_gzip(asked: &HeaderMap) -> bool {
    asked
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
            name.trim().eq_ignore_ascii_case("gzip") && weight.parse().is_ok_and(|w: f64| w > 0.0)
        })
}
