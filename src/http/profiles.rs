//! `heap`, `allocs` and `delta_heap`: what a query asks for, and the profile made for it.
//!
//! Parameters are read before anything else is done, in Go's order and with Go's words; how a profile is
//! written is `render`'s.

use super::{
    builder::{Shared, gone},
    caller::Caller,
    delta,
    legacy_text::legacy_text,
    query::Query,
    render::{self, Format},
    reply::{self, Reply, Result},
    status,
};
use crate::{Profile, ProfileOptions};
use ::http::{HeaderValue, Method, Request, StatusCode, header};
use bytes::Bytes;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Heap,
    Allocs,
}

/// What a query asks for.
#[derive(Debug)]
struct Asked<'a> {
    seconds: Option<Duration>,
    debug: bool,
    options: ProfileOptions,
    format: Format,
    /// The sample type.
    kind: Option<&'a str>,
}

impl<'a> Asked<'a> {
    fn read(query: &'a Query<'_>, longest: Duration) -> Result<Self> {
        let seconds = match query.get("seconds") {
            None => None,
            Some(text) => {
                let seconds = text.parse().ok().filter(|seconds: &i64| *seconds > 0);
                let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
                let Some(seconds) = seconds else {
                    return reply::bad_request(
                        "invalid value for \"seconds\" - must be a positive integer",
                    );
                };
                if seconds > longest.as_secs() {
                    return reply::bad_request(&format!(
                        "invalid value for \"seconds\" - this server waits for at most {}",
                        longest.as_secs()
                    ));
                }
                Some(Duration::from_secs(seconds))
            }
        };
        let debug = query.atoi("debug") != 0;
        if seconds.is_some() && debug {
            return reply::bad_request("seconds and debug params are incompatible");
        }
        if debug && query.get("format").is_some() {
            return reply::bad_request("format and debug params are incompatible");
        }
        Ok(Self {
            seconds,
            debug,
            options: options(query)?,
            format: format(query)?,
            kind: kind(query)?,
        })
    }
}

fn options(query: &Query<'_>) -> Result<ProfileOptions> {
    let options = ProfileOptions::new();
    match query.get("symbolize") {
        None | Some("1") => Ok(options),
        Some("0") => Ok(options.raw()),
        Some(_) => reply::bad_request("invalid value for \"symbolize\" - must be 0 or 1"),
    }
}

fn format(query: &Query<'_>) -> Result<Format> {
    let format = Format::read(query.get("format"))?;
    format.check()?;
    Ok(format)
}

fn kind<'a>(query: &'a Query<'_>) -> Result<Option<&'a str>> {
    const KINDS: [&str; 4] = [
        "alloc_objects",
        "alloc_space",
        "inuse_objects",
        "inuse_space",
    ];
    match query.get("sample_index") {
        Some(kind) if !KINDS.contains(&kind) => reply::bad_request(&format!(
            "invalid value for \"sample_index\" - must be {}",
            KINDS.join(", ")
        )),
        kind => Ok(kind),
    }
}

pub(super) fn answer(
    shared: &Shared,
    kind: Kind,
    request: &Request<Bytes>,
    caller: &Caller,
) -> Result<Reply> {
    let query = Query::parse(request.uri().query().unwrap_or_default())?;
    if kind == Kind::Heap && wants_page(request, &query) {
        let page = reply::redirect(StatusCode::SEE_OTHER, "ui", request.uri().query());
        let accept = HeaderValue::from_static("Accept");
        return Ok(reply::with(page, header::VARY, accept));
    }
    let asked = Asked::read(&query, shared.longest_delta)?;
    if let Some(seconds) = asked.seconds {
        return over_time(shared, kind, &asked, seconds, caller);
    }
    let turn = shared.turn(caller)?;
    let reply = if asked.debug {
        let profile = asked.options.sampled()?;
        reply::text(legacy_text(&profile, &status::trailer()))
    } else {
        let disposition = match kind {
            Kind::Heap => "attachment; filename=\"heap\"",
            Kind::Allocs => "attachment; filename=\"allocs\"",
        };
        let profile = take(kind, &asked.options)?;
        render::render(profile, asked.format, asked.kind, disposition)?
    };
    drop(turn);
    Ok(reply)
}

/// Whether a person with a browser asks, and for nothing in particular.
fn wants_page(request: &Request<Bytes>, query: &Query<'_>) -> bool {
    let accepts = request.headers().get_all(header::ACCEPT).into_iter();
    let mut accepts = accepts.filter_map(|value| value.to_str().ok());
    accepts.any(|value| value.contains("text/html"))
        && ["format", "debug", "seconds", "symbolize"]
            .iter()
            .all(|name| query.get(name).is_none())
}

fn take(kind: Kind, options: &ProfileOptions) -> crate::Result<Profile> {
    match kind {
        Kind::Heap => options.heap(),
        Kind::Allocs => options.allocs(),
    }
}

/// The difference between now and `seconds` later. Nobody waits for their turn meanwhile.
fn over_time(
    shared: &Shared,
    kind: Kind,
    asked: &Asked<'_>,
    seconds: Duration,
    caller: &Caller,
) -> Result<Reply> {
    let place = shared.place_to_wait()?;
    let raw = asked.options.clone().raw();
    let turn = shared.turn(caller)?;
    let before = take(kind, &raw)?;
    drop(turn);
    if !caller.stays(seconds) {
        return Err(gone());
    }
    let turn = shared.turn_again(caller)?;
    let delta = delta::over_time(&take(kind, &raw)?, &before)?;
    drop((before, place));
    let delta = Profile::merge(&[&asked.options.finish_raw(delta)])?;
    let disposition = match kind {
        Kind::Heap => "attachment; filename=\"heap-delta\"",
        Kind::Allocs => "attachment; filename=\"allocs-delta\"",
    };
    let reply = render::render(delta, asked.format, asked.kind, disposition)?;
    drop(turn);
    Ok(reply)
}

/// What was allocated since this client's last request, and what is live.
pub(super) fn delta_heap(
    shared: &Shared,
    request: &Request<Bytes>,
    caller: &Caller,
) -> Result<Reply> {
    let query = Query::parse(request.uri().query().unwrap_or_default())?;
    for name in ["seconds", "debug"] {
        if query.get(name).is_some_and(|value| value != "0") {
            return reply::bad_request(&format!(
                "\"{name}\" parameter is not supported for this profile type"
            ));
        }
    }
    let client = query.get("client").unwrap_or_default();
    if client.len() > 64 {
        return reply::bad_request("invalid value for \"client\" - at most 64 bytes long");
    }
    let options = options(&query)?;
    let format = format(&query)?;
    let kind = kind(&query)?;

    let turn = shared.turn(caller)?;
    let (base, since) = match shared.clients.base_of(client)? {
        Some((base, at)) => (Some(base), at),
        None => (None, shared.built_at),
    };
    let at = Instant::now();
    let now = options.clone().raw().heap()?;
    let nothing = Profile {
        samples: Vec::new(),
        ..now.clone()
    };
    let (mut delta, next) = delta::since(base.as_ref().unwrap_or(&nothing), &now)?;
    let duration = at.saturating_duration_since(since);
    delta.duration_nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    if base.is_none() {
        delta.comments.push(FIRST.into());
    }
    let delta = Profile::merge(&[&options.finish_raw(delta)])?;
    let disposition = "attachment; filename=\"delta_heap\"";
    let reply = render::render(delta, format, kind, disposition)?;
    // Who only asks for the head, or has gone, was given nothing.
    if request.method() != Method::HEAD && caller.is_there() {
        shared.clients.remember(client, &next, at)?;
    }
    drop(turn);
    Ok(reply)
}

/// By `pprof`'s convention a comment that begins with `#` is for machines.
const FIRST: &str = "#heaptide delta: the first of this client, with all that was allocated since the \
    program started";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_checked_in_go_s_order() {
        let longest = Duration::from_secs(300);
        for (query, expected) in [
            (
                "seconds=0",
                "invalid value for \"seconds\" - must be a positive integer",
            ),
            (
                "seconds=-3&debug=1",
                "invalid value for \"seconds\" - must be a positive integer",
            ),
            (
                "seconds=1.5",
                "invalid value for \"seconds\" - must be a positive integer",
            ),
            (
                "seconds=1&debug=1",
                "seconds and debug params are incompatible",
            ),
            (
                "seconds=301",
                "invalid value for \"seconds\" - this server waits for at most 300",
            ),
            (
                "debug=1&format=svg",
                "format and debug params are incompatible",
            ),
            (
                "symbolize=2",
                "invalid value for \"symbolize\" - must be 0 or 1",
            ),
            (
                "sample_index=cpu",
                "invalid value for \"sample_index\" - must be alloc_objects, alloc_space, inuse_objects, \
                 inuse_space",
            ),
            (
                "format=xml",
                "invalid value for \"format\" - must be pprof, folded, svg, json or text",
            ),
        ] {
            let parsed = Query::parse(query).unwrap();
            let refusal = Asked::read(&parsed, longest).unwrap_err();
            assert_eq!(refusal.status(), 400, "{query}");
            assert_eq!(*refusal.body(), format!("{expected}\n"), "{query}");
        }
        for (query, seconds, debug) in [
            ("", None, false),
            ("seconds=&debug=x", None, false),
            ("seconds=%2B300", Some(300), false),
            ("seconds=2&debug=y&gc=zz", Some(2), false),
            ("debug=-1&symbolize=0", None, true),
        ] {
            let parsed = Query::parse(query).unwrap();
            let asked = Asked::read(&parsed, longest).unwrap();
            assert_eq!(asked.seconds.map(|s| s.as_secs()), seconds, "{query}");
            assert_eq!(asked.debug, debug, "{query}");
        }
    }
}
