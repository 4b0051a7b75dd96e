//! Profiles over HTTP: one request, bounded in time and size.
//!
//! If the server refuses, its reason is reported.
//!
//! There is no TLS; Cargo.toml gives the reason. The content is not checked here.

use std::{io, net::IpAddr, path::Path, time::Duration};

use indicatif::ProgressBar;
use ureq::{
    Agent, Body,
    http::{Response, Uri, header},
};

use crate::{debug_info::image::MAX_BYTES as MAX_IMAGE, failure::Failure};

/// The path of a URL without one: that of Go's handlers and of those that follow it.
pub(crate) const PATH: &str = "/debug/pprof/heap";

/// To connect to the server.
const CONNECT: Duration = Duration::from_secs(10);
/// For the whole request. Half of the time that the server was asked to measure is added, as in
/// `pprof`.
const WHOLE: Duration = Duration::from_secs(60);

/// The largest body that is accepted. A compressed profile of a million stacks has a tenth of it.
const MAX_BYTES: u64 = 256 << 20;

/// For the whole download of a debug file, which a server may have to unpack first.
const DEBUG_FILE: Duration = Duration::from_secs(600);

/// The most characters of a server's reason that are reported.
const MAX_REASON: usize = 300;

/// The URL in a file argument; `None` if it is not one.
pub(crate) fn url(file: &Path) -> Option<&str> {
    let text = file.to_str()?;
    let scheme = text.split_once("://")?.0;
    ["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
        .then_some(text)
}

/// The whole URL: with the usual path if it has none, and with the seconds.
pub(crate) fn complete(url: &str, seconds: Option<u64>) -> Result<Uri, Failure> {
    let fail = |reason: &str| Failure::of(url, reason);
    let uri: Uri = url
        .parse()
        .map_err(|error| Failure::of(url, format!("not a URL: {error}")))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => {
            return Err(fail(
                "this command has no TLS: use a port forward and http://, or `curl -s URL | \
                 heaptide top -`",
            ));
        }
        _ => {
            return Err(fail(
                "not a URL that can be fetched: it has to begin with http://",
            ));
        }
    }
    let mut path = match uri.path() {
        "" | "/" => PATH.to_owned(),
        path => path.to_owned(),
    };
    let queries = [
        uri.query().map(str::to_owned),
        seconds.map(|seconds| format!("seconds={seconds}")),
    ];
    let queries: Vec<String> = queries.into_iter().flatten().collect();
    if !queries.is_empty() {
        path = format!("{path}?{}", queries.join("&"));
    }
    let host = uri
        .authority()
        .ok_or_else(|| fail("not a URL: it names no host"))?;
    // `Uri` drops an invalid port. The request would then go to port 80.
    let place = host.as_str().rsplit('@').next().unwrap_or_default();
    let port = place.rsplit_once(':').map_or("", |(_, port)| port);
    if !port.is_empty() && !port.ends_with(']') && host.port_u16().is_none_or(|port| port == 0) {
        return Err(fail("not a URL: ports are 1 to 65535"));
    }
    Uri::builder()
        .scheme("http")
        .authority(host.clone())
        .path_and_query(path)
        .build()
        .map_err(|error| Failure::of(url, format!("not a URL: {error}")))
}

/// The bytes at a URL, or why there are none.
pub(crate) fn get(url: &str, seconds: Option<u64>) -> Result<Vec<u8>, Failure> {
    let uri = complete(url, seconds)?;
    let spinner = spinner(&uri, seconds);
    get_with(url, &uri, seconds, &spinner)
}

/// The bytes at a URL, without a spinner on the terminal.
pub(crate) fn get_quietly(url: &str) -> Result<Vec<u8>, Failure> {
    get_with(url, &complete(url, None)?, None, &ProgressBar::hidden())
}

fn get_with(
    url: &str,
    uri: &Uri,
    seconds: Option<u64>,
    spinner: &ProgressBar,
) -> Result<Vec<u8>, Failure> {
    let waited = Duration::from_secs(seconds.unwrap_or(0));
    let agent = agent(uri, WHOLE + waited + waited / 2);
    let fail = |error: ureq::Error| Failure::of(url, explain(&error));
    let mut response = agent.get(uri).call().map_err(fail)?;
    spinner.set_message(format!("reading from {uri}"));
    if !response.status().is_success() {
        return Err(Failure::of(url, refusal(&mut response)));
    }
    if response
        .body()
        .content_length()
        .is_some_and(|bytes| bytes > MAX_BYTES)
    {
        return Err(fail(ureq::Error::BodyExceedsLimit(MAX_BYTES)));
    }
    let body = response.body_mut().with_config().limit(MAX_BYTES);
    body.read_to_vec().map_err(fail)
}

/// A debug file at a URL; `None` if the server does not have it.
pub(crate) fn debug_file(url: &str) -> Result<Option<Vec<u8>>, Failure> {
    let fail = |reason: &str| Failure::of(url, reason);
    let uri: Uri = url.parse().map_err(|error| Failure::of(url, error))?;
    if uri.scheme_str() != Some("http") {
        return Err(fail(
            "this command has no TLS: use a server at http://, or a folder that debuginfod-find \
             has filled",
        ));
    }
    let agent = agent(&uri, DEBUG_FILE);
    let spinner = spinner(&uri, None);
    let fail = |error: ureq::Error| match error {
        ureq::Error::BodyExceedsLimit(_) => Failure::of(url, "larger than 4 GiB"),
        error => Failure::of(url, explain(&error)),
    };
    let mut response = agent.get(&uri).call().map_err(fail)?;
    if response.status() == 404 {
        return Ok(None);
    }
    if !response.status().is_success() {
        return Err(Failure::of(url, refusal(&mut response)));
    }
    spinner.set_message(format!("reading from {uri}"));
    let body = response.body_mut().with_config().limit(MAX_IMAGE);
    body.read_to_vec().map(Some).map_err(fail)
}

/// Makes a request that takes at most `whole`.
fn agent(uri: &Uri, whole: Duration) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(whole))
        .user_agent(concat!("heaptide/", env!("CARGO_PKG_VERSION")));
    if uri.host().is_some_and(is_loopback) {
        config = config.proxy(None);
    }
    Agent::new_with_config(config.build())
}

/// A proxy cannot reach this machine's own addresses.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// What went wrong, with a way out if there is one.
fn explain(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BodyExceedsLimit(_) => {
            format!(
                "the answer is larger than {} MiB, which no heap profile is",
                MAX_BYTES >> 20
            )
        }
        ureq::Error::Timeout(_) => format!("no answer in time ({error})"),
        ureq::Error::HostNotFound => "there is no such host".into(),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            format!("{error}: is the service running, and on this port?")
        }
        ureq::Error::Io(error) => error.to_string(),
        _ => error.to_string(),
    }
}

/// The status, and the server's reason if it is plain text. A page for a browser is left out,
/// because it does not give the reason in one line.
fn refusal(response: &mut Response<Body>) -> String {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_text = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let reads_profiles = response.headers().contains_key("x-go-pprof");
    let body = response
        .body_mut()
        .with_config()
        .limit(64 << 10)
        .lossy_utf8(true);
    let mut line = format!("the server refused: {status}");
    if is_text && let Ok(reason) = body.read_to_string() {
        let reason = reason.trim();
        let shown: String = reason.chars().take(MAX_REASON).collect();
        if !shown.is_empty() {
            line = format!("{line}: {shown}");
        }
        if shown.len() < reason.len() {
            line.push_str("...");
        }
    }
    if status.as_u16() == 404 && !reads_profiles {
        line.push_str(" (profiles usually are at ");
        line.push_str(PATH);
        line.push(')');
    }
    line
}

/// A spinner on standard error if that is a terminal. It leaves no trace.
fn spinner(uri: &Uri, seconds: Option<u64>) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_finish(indicatif::ProgressFinish::AndClear);
    spinner.set_message(match seconds {
        Some(seconds) => format!("waiting {seconds} s for {uri}"),
        None => format!("waiting for {uri}"),
    });
    // It appears at the first tick. A quick answer needs none.
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_completed() {
        let cases = [
            (
                "http://localhost:6060",
                None,
                "http://localhost:6060/debug/pprof/heap",
            ),
            ("http://h/", Some(5), "http://h/debug/pprof/heap?seconds=5"),
            ("http://h/a?gc=1", Some(5), "http://h/a?gc=1&seconds=5"),
            ("HTTP://[::1]:1/a", None, "http://[::1]:1/a"),
            ("http://[::1]/a", None, "http://[::1]/a"),
            ("http://me:word@h/a", None, "http://me:word@h/a"),
        ];
        for (url, seconds, whole) in cases {
            assert_eq!(complete(url, seconds).expect("a URL").to_string(), whole);
        }
        for url in [
            "localhost:6060",
            "https://h/a",
            "ftp://h/a",
            "http://",
            "http:///a",
            "/a",
            "http://h:99999/a",
            "http://me:word@h:0/a",
        ] {
            assert!(complete(url, None).is_err(), "{url}");
        }
    }

    #[test]
    fn only_urls_are_taken_for_urls() {
        assert_eq!(url(Path::new("HTTPS://h/a")), Some("HTTPS://h/a"));
        for file in ["a.pb.gz", "http:/a", "file:///a", "-", "c:/http://x"] {
            assert_eq!(url(Path::new(file)), None, "{file}");
        }
    }

    #[test]
    fn loopback_hosts_are_recognized() {
        for host in ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "LOCALHOST"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.org", "10.0.0.1", "localhost.example.org", "[::2]"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
