//! The page: a flame graph and a table of the heap, for a person with a browser.
//!
//! It answers requests for the page, its files and its data. [`report`](heaptide_profile::report)
//! computes the numbers; `web/` decides how they look. The page never changes what is recorded.

mod assets;
mod call_tree;
mod data;
pub(super) mod history;
mod params;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use bytes::Bytes;
use flate2::Compression;

use self::{assets::Asset, data::HeapView, params::ViewParams};
use super::reply::{self, Reply, ReplyResult};
use super::state::RequestContext;

/// Only the page's own files run, and the browser fetches nothing from another host.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `path` is what follows `ui/`.
pub(super) fn answer(context: &RequestContext<'_>, path: &str) -> ReplyResult<Reply> {
    if path == "data" {
        return data(context);
    }
    if path.is_empty() && context.request.uri().path().ends_with('/') {
        // The page's relative links start from the folder of `ui`.
        return Ok(context.redirect(StatusCode::MOVED_PERMANENTLY, "../ui"));
    }
    let Some(asset) = assets::find(path) else {
        let why = format!("the page has no file {path:?}: reload it, it may be of another version");
        return reply::refused(StatusCode::NOT_FOUND, &why);
    };
    Ok(file(asset, context.request.headers()))
}

fn file(asset: &Asset, request: &HeaderMap) -> Reply {
    let cache = if asset.is_immutable() {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let is_known = |tag: &str| tag.trim_start_matches("W/") == asset.etag;
    let is_known = listed(request, header::IF_NONE_MATCH).any(is_known);
    let mut reply = if is_known {
        let mut reply = secured(asset.content_type, cache, Bytes::new(), None);
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        reply
    } else {
        let gzip = asset.gzip.clone().filter(|_| accepts_gzip(request));
        secured(asset.content_type, cache, asset.plain.clone(), gzip)
    };
    if let Ok(etag) = HeaderValue::from_str(&asset.etag) {
        reply.headers_mut().insert(header::ETAG, etag);
    }
    reply
}

/// The view as JSON, or an error's text, which the page shows.
fn data(context: &RequestContext<'_>) -> ReplyResult<Reply> {
    let (history, query) = (&context.state.history, context.query()?);
    let params = ViewParams::read(&query)?;
    // A view takes as much memory as a profile that is written.
    let _turn = context.turn()?;
    let base = params.since.map(|id| (id, history.find(id)));
    if let Some((id, None)) = base {
        let why = format!("moment {id} is no longer remembered: choose another one");
        return reply::refused(StatusCode::GONE, &why);
    }
    let base = base.and_then(|(_, heap)| heap);
    let view = HeapView::new(history, &params, base)?;
    let text = data::json(&view, context.cancellation)?;
    let is_gzip = accepts_gzip(context.request.headers());
    let text = Bytes::from(text);
    let gzip = is_gzip.then(|| assets::gzip(&text, Compression::fast()));
    Ok(secured(reply::JSON, "no-store", text, gzip.flatten()))
}

fn secured(
    content_type: &'static str,
    cache: &'static str,
    plain: Bytes,
    gzip: Option<Bytes>,
) -> Reply {
    let is_gzip = gzip.is_some();
    let mut reply = reply::new(StatusCode::OK, content_type, gzip.unwrap_or(plain));
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::VARY, "Accept-Encoding"),
        (header::CACHE_CONTROL, cache),
    ] {
        reply = reply::with(reply, name, value);
    }
    if is_gzip {
        reply = reply::with(reply, header::CONTENT_ENCODING, "gzip");
    }
    reply
}

/// Every browser accepts it; a client with another list of encodings gets plain text.
fn accepts_gzip(request: &HeaderMap) -> bool {
    listed(request, header::ACCEPT_ENCODING).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
        name.trim().eq_ignore_ascii_case("gzip") && weight.parse().is_ok_and(|w: f64| w > 0.0)
    })
}

/// The parts of a header that is a list.
fn listed(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter();
    let values = values.filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use ::http::{Method, Request};

    use super::*;
    use crate::http::Endpoints;

    fn ask(method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::new()).expect("a request");
        Endpoints::builder().build().respond(&request)
    }

    fn get(path: &str) -> Reply {
        ask(Method::GET, &format!("/debug/pprof/{path}"), &[])
    }

    fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
        reply
            .headers()
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    fn text(reply: &Reply) -> &str {
        std::str::from_utf8(reply.body()).expect("text")
    }

    /// Paths of the page's files, as it names them.
    fn files() -> Vec<String> {
        let page = get("ui");
        let parts = text(&page)
            .split('"')
            .filter(|part| part.starts_with("ui/"));
        parts.map(String::from).collect()
    }

    #[test]
    fn only_the_pages_own_files_may_run() {
        for path in ["ui".to_owned(), files().remove(0)] {
            let reply = get(&path);
            assert_eq!(reply.status(), StatusCode::OK, "{path}");
            let policy = header(&reply, "content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self'; "),
                "{policy}"
            );
            assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
            assert_eq!(header(&reply, "x-content-type-options"), "nosniff");
            assert_eq!(header(&reply, "referrer-policy"), "no-referrer");
        }
    }

    #[test]
    fn browsers_cache_the_files_but_not_the_page() {
        let page = get("ui");
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
        assert_eq!(header(&page, "cache-control"), "no-cache");
        let files = files();
        for path in &files {
            let reply = get(path);
            assert!(
                header(&reply, "cache-control").ends_with("immutable"),
                "{path}"
            );
        }
        let style = get(&files[0]);
        assert_eq!(header(&style, "content-type"), "text/css; charset=utf-8");
        let etag = header(&page, "etag").to_owned();
        for known in [etag.clone(), format!("\"other\", W/{etag}")] {
            let again = ask(Method::GET, "/ui", &[("if-none-match", &known)]);
            assert_eq!(
                (again.status(), again.body().len()),
                (StatusCode::NOT_MODIFIED, 0)
            );
            assert_eq!(header(&again, "etag"), etag);
        }
        let new = ask(Method::GET, "/ui", &[("if-none-match", "\"other\"")]);
        assert_eq!(new.status(), StatusCode::OK);
    }

    #[test]
    fn files_are_compressed_for_clients_that_accept_gzip() {
        let plain = get("ui");
        assert_eq!(header(&plain, "content-encoding"), "");
        for accepted in ["gzip, deflate, br", "br;q=1.0, GZIP;q=0.5"] {
            let packed = ask(
                Method::GET,
                "/debug/pprof/ui",
                &[("accept-encoding", accepted)],
            );
            assert_eq!(header(&packed, "content-encoding"), "gzip", "{accepted}");
            assert_eq!(header(&packed, "vary"), "Accept-Encoding");
            let mut unpacked = Vec::new();
            GzDecoder::new(&packed.body()[..])
                .read_to_end(&mut unpacked)
                .expect("gzip");
            assert_eq!(unpacked, plain.body()[..]);
        }
        for refused in ["br", "gzip;q=0", "gzip;q=x"] {
            let reply = ask(
                Method::GET,
                "/debug/pprof/ui",
                &[("accept-encoding", refused)],
            );
            assert_eq!(reply.body(), plain.body(), "{refused}");
        }
    }

    #[test]
    fn a_slash_after_ui_redirects_to_the_page() {
        let reply = get("ui/");
        assert_eq!(reply.status(), StatusCode::MOVED_PERMANENTLY);
        assert_eq!(header(&reply, "location"), "../ui");
        assert_eq!(header(&get("ui/?focus=a"), "location"), "../ui?focus=a");
    }

    #[test]
    fn errors_say_why() {
        let cases = [
            (
                "ui/app.js",
                StatusCode::NOT_FOUND,
                "the page has no file \"app.js\": reload it",
            ),
            (
                "ui/data?focus=(",
                StatusCode::BAD_REQUEST,
                "focus is not a regular expression: ",
            ),
            (
                "ui/data?since=9",
                StatusCode::GONE,
                "moment 9 is no longer remembered",
            ),
        ];
        for (path, status, message) in cases {
            let reply = get(path);
            assert_eq!(reply.status(), status, "{path}");
            assert!(text(&reply).contains(message), "{path}: {}", text(&reply));
        }
        let posted = ask(Method::POST, "/debug/pprof/ui", &[]);
        assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(header(&posted, "allow"), "GET, HEAD");
    }
}
