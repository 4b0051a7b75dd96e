//! The page: a flame graph and a table of the heap, for a person with a browser.
//!
//! Requests for the page itself, for its files and for its data end here. What it shows is computed in
//! [`report`](crate::report); how it looks is in `web/`. It never changes what is recorded.

mod asked;
mod assets;
mod call_tree;
mod data;
mod moments;

pub(super) use moments::Moments;

use std::io::Write;

use ::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use self::{asked::Asked, assets::Asset, data::Shown};
use super::{
    builder::Shared,
    caller::Caller,
    query::Query,
    reply::{self, Reply, Result},
};
use crate::ProfileOptions;

/// Nothing but the page's own files runs, and nothing is fetched from elsewhere.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// `path` is what stands behind `ui/`.
pub(super) fn answer(
    shared: &Shared,
    path: &str,
    request: &Request<Bytes>,
    caller: &Caller,
) -> Result<Reply> {
    match path {
        // Its relative links count from the folder that `ui` is in.
        "" if request.uri().path().ends_with('/') => Ok(reply::redirect(
            StatusCode::MOVED_PERMANENTLY,
            "../ui",
            request.uri().query(),
        )),
        "data" => data(shared, request, caller),
        _ => match assets::find(path) {
            Some(asset) => Ok(file(asset, request.headers())),
            None => reply::refused(
                StatusCode::NOT_FOUND,
                &format!("the page has no file {path:?}: reload it, it may be of another version"),
            ),
        },
    }
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
fn data(shared: &Shared, request: &Request<Bytes>, caller: &Caller) -> Result<Reply> {
    let query = Query::parse(request.uri().query().unwrap_or_default())?;
    let asked = Asked::read(&query)?;
    // A view takes as much memory as a profile that is written.
    let _turn = shared.turn(caller)?;
    let moments = &shared.moments;
    let base = match asked.since.map(|id| (id, moments.find(id))) {
        None => None,
        Some((_, Some(moment))) => Some(moment),
        Some((id, None)) => {
            let message = format!("moment {id} is no longer remembered: choose another one");
            return reply::refused(StatusCode::GONE, &message);
        }
    };
    let text = data::json(&shown(moments, &asked, base)?, caller)?;
    Ok(json(text, request.headers()))
}

/// An earlier view again, or the heap now.
fn shown<'a>(
    moments: &Moments,
    asked: &'a Asked<'a>,
    base: Option<moments::Moment>,
) -> crate::Result<Shown<'a>> {
    let again = asked.at.and_then(|id| moments.find(id));
    let (profile, id) = if let Some(moment) = again {
        (moment.profile()?, moment.id)
    } else {
        let profile = ProfileOptions::new().heap()?;
        let id = moments.remember(&profile)?.id;
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
        asked,
        moments: moments.list(),
        remarks: moments.failure().into_iter().collect(),
    })
}

fn json(text: String, asked: &HeaderMap) -> Reply {
    let compressed = takes_gzip(asked).then(|| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let written = encoder.write_all(text.as_bytes());
        written.and_then(|()| encoder.finish()).ok()
    });
    let (body, is_gzip) = match compressed.flatten() {
        Some(bytes) => (Bytes::from(bytes), true),
        None => (Bytes::from(text), false),
    };
    let mut reply = secured(reply::new(StatusCode::OK, reply::JSON, body));
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

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use ::http::Method;

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
    fn nothing_but_its_own_files_may_run() {
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
    fn files_are_kept_and_the_page_is_asked_for_again() {
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
    fn files_are_compressed_for_who_can_read_it() {
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
    fn the_folder_of_its_relative_links_is_the_one_that_it_is_in() {
        let reply = get("ui/");
        assert_eq!(reply.status(), StatusCode::MOVED_PERMANENTLY);
        assert_eq!(header(&reply, "location"), "../ui");
        assert_eq!(header(&get("ui/?focus=a"), "location"), "../ui?focus=a");
    }

    #[test]
    fn what_cannot_be_answered_says_why() {
        let cases = [
            (
                "ui/app.js",
                StatusCode::NOT_FOUND,
                "the page has no file \"app.js\": reload it",
            ),
            (
                "ui/data?focus=(",
                StatusCode::BAD_REQUEST,
                "focus is no regular expression: ",
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
