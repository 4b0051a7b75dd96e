//! `heap`, `allocs` and `delta_heap`: the query's parameters, and the profile made for them.
//!
//! Parameters are read before anything else is done, in Go's order and with Go's error texts.
//! `gc` is accepted and has no effect, because there is no garbage collector.

use super::limits::{MAX_CLIENT_NAME, MAX_SECONDS};
use super::reply::{self, Reply, ReplyResult};
use super::{delta, legacy_text::legacy_text, query::Query, status};
use super::{render::OutputParams, state::RequestContext};
use crate::{Profile, ProfileOptions};
use ::http::{Method, Request, StatusCode, header};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Takes one kind of profile.
type Take = fn(&ProfileOptions) -> crate::Result<Profile>;

/// The parameters of `heap` and `allocs`.
#[derive(Debug)]
struct HeapParams<'a> {
    seconds: Option<Duration>,
    debug: bool,
    output: OutputParams<'a>,
}

impl<'a> HeapParams<'a> {
    fn read(query: &'a Query<'_>, longest: Duration) -> ReplyResult<Self> {
        const NOT_POSITIVE: &str = "invalid value for \"seconds\" - must be a positive integer";
        let seconds = match query.get("seconds").map(str::parse::<i64>) {
            None => None,
            Some(Ok(seconds @ 1..)) => Some(Duration::from_secs(seconds.unsigned_abs())),
            Some(_) => return reply::bad_request(NOT_POSITIVE),
        };
        let longest = longest.as_secs();
        if seconds.is_some_and(|seconds| seconds.as_secs() > longest) {
            return reply::bad_request(&format!(
                "invalid value for \"seconds\" - this server waits for at most {longest}"
            ));
        }
        let debug = query.atoi("debug") != 0;
        if seconds.is_some() && debug {
            return reply::bad_request("seconds and debug params are incompatible");
        }
        if debug && query.get("format").is_some() {
            return reply::bad_request("format and debug params are incompatible");
        }
        let output = OutputParams::read(query)?;
        Ok(Self {
            seconds,
            debug,
            output,
        })
    }
}

pub(super) fn answer(context: &RequestContext<'_>, name: &str, take: Take) -> ReplyResult<Reply> {
    let query = context.query()?;
    if name == "heap" && wants_page(context.request, &query) {
        let page = context.redirect(StatusCode::SEE_OTHER, "ui");
        return Ok(reply::with(page, header::VARY, "Accept"));
    }
    let longest = context.state.settings.longest_delta.unwrap_or(MAX_SECONDS);
    let params = HeapParams::read(&query, longest)?;
    let output = &params.output;
    if let Some(seconds) = params.seconds {
        return over_time(context, name, take, output, seconds);
    }
    let _turn = context.turn()?;
    if params.debug {
        let profile = output.options.sampled()?;
        return Ok(reply::text(legacy_text(&profile, &status::trailer())));
    }
    output.render(take(&output.options)?, name)
}

/// Whether a person with a browser asks, without a parameter that means the file.
fn wants_page(request: &Request<Bytes>, query: &Query<'_>) -> bool {
    let accepts = request.headers().get_all(header::ACCEPT).into_iter();
    let mut accepts = accepts.filter_map(|value| value.to_str().ok());
    let mut for_file = ["format", "debug", "seconds", "symbolize"].into_iter();
    accepts.any(|value| value.contains("text/html"))
        && for_file.all(|name| query.get(name).is_none())
}

/// The difference between now and `seconds` later. Other requests have their turns in between.
fn over_time(
    context: &RequestContext<'_>,
    name: &str,
    take: Take,
    output: &OutputParams<'_>,
    seconds: Duration,
) -> ReplyResult<Reply> {
    let share = context.state.delta_share()?;
    let raw = output.options.clone().raw();
    let turn = context.turn()?;
    let before = take(&raw)?;
    drop(turn);
    if !context.cancellation.wait(seconds) {
        return Err(reply::cancelled());
    }
    let _turn = context.state.queue.rejoin(context.cancellation)?;
    let delta = delta::over_time(&take(&raw)?, &before)?;
    drop((before, share));
    let delta = Profile::merge(&[&output.options.finish_raw(delta)])?;
    output.render(delta, &format!("{name}-delta"))
}

/// What was allocated since this client's last request, and what is live.
pub(super) fn delta_heap(context: &RequestContext<'_>) -> ReplyResult<Reply> {
    let (state, query) = (context.state, context.query()?);
    for name in ["seconds", "debug"] {
        if query.get(name).is_some_and(|value| value != "0") {
            let why = format!("\"{name}\" parameter is not supported for this profile type");
            return reply::bad_request(&why);
        }
    }
    let client = query.get("client").unwrap_or_default();
    if client.len() > MAX_CLIENT_NAME {
        let why = format!("invalid value for \"client\" - at most {MAX_CLIENT_NAME} bytes long");
        return reply::bad_request(&why);
    }
    let output = OutputParams::read(&query)?;

    let _turn = context.turn()?;
    let known = state.clients.base_of(client)?;
    let at = Instant::now();
    let now = output.options.clone().raw().heap()?;
    let is_first = known.is_none();
    let (base, since) = known.unwrap_or_else(|| {
        let nothing = Profile {
            samples: Vec::new(),
            ..now.clone()
        };
        (nothing, state.built_at)
    });
    let (mut delta, next) = delta::since(&base, &now)?;
    let duration = at.saturating_duration_since(since);
    delta.duration_nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    if is_first {
        delta.comments.push(FIRST.into());
    }
    let delta = Profile::merge(&[&output.options.finish_raw(delta)])?;
    let reply = output.render(delta, "delta_heap")?;
    // A client that asked for the head only, or has gone, did not get the delta.
    if *context.request.method() != Method::HEAD && !context.cancellation.is_cancelled() {
        state.clients.set_base(client, &next, at)?;
    }
    Ok(reply)
}

/// By `pprof`'s convention a comment that begins with `#` is for machines.
const FIRST: &str = "#heaptide delta: the first of this client, with all that was allocated since \
    the program started";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_checked_in_the_order_of_go() {
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
                "invalid value for \"sample_index\" - must be alloc_objects, alloc_space, \
                 inuse_objects, inuse_space",
            ),
            (
                "format=xml",
                "invalid value for \"format\" - must be pprof, folded, svg, json or text",
            ),
        ] {
            let parsed = Query::parse(query).unwrap();
            let refusal = HeapParams::read(&parsed, longest).unwrap_err();
            assert_eq!(refusal.0.status(), 400, "{query}");
            assert_eq!(*refusal.0.body(), format!("{expected}\n"), "{query}");
        }
        for (query, seconds, debug) in [
            ("", None, false),
            ("seconds=&debug=x", None, false),
            ("seconds=%2B300", Some(300), false),
            ("seconds=2&debug=y&gc=zz", Some(2), false),
            ("debug=-1&symbolize=0", None, true),
        ] {
            let parsed = Query::parse(query).unwrap();
            let params = HeapParams::read(&parsed, longest).unwrap();
            assert_eq!(params.seconds.map(|s| s.as_secs()), seconds, "{query}");
            assert_eq!(params.debug, debug, "{query}");
        }
    }
}
