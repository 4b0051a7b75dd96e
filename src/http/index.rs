//! The index: what is served, as Go's page lists it. Links are relative, so they are right under any prefix.

use super::reply::{self, Reply};
use crate::stats;
use ::http::{HeaderValue, StatusCode, header};

/// Name, where its link leads, and what it is: in Go's words where Go has any.
const ENTRIES: [(&str, &str, &str); 7] = [
    (
        "allocs",
        "allocs?debug=1",
        "A sampling of all past memory allocations",
    ),
    (
        "cmdline",
        "cmdline",
        "The command line invocation of the current program; off unless the program enables it",
    ),
    (
        "control",
        "control",
        "The state of the profiler, and its sample interval to be set by POST; off unless the program \
         enables it, and only with a token",
    ),
    (
        "delta_heap",
        "delta_heap?format=text&amp;client=browser",
        "A sampling of memory allocations since the last request of the same client, and of live objects",
    ),
    (
        "heap",
        "heap?debug=1",
        "A sampling of memory allocations of live objects. The gc GET parameter is accepted and has nothing \
         to do: what is freed is gone at once.",
    ),
    (
        "symbol",
        "symbol",
        "Maps given program counters to function names. Counters can be specified in a GET raw query or POST \
         body, multiple counters are separated by '+'.",
    ),
    (
        "ui",
        "ui",
        "A page that shows the heap: a flame graph, a table, and what has changed",
    ),
];

pub(super) fn answer() -> Reply {
    let stats = stats();
    let count = |name: &str| match name {
        "allocs" | "heap" | "delta_heap" => stats.stacks,
        _ => 0,
    };
    let rows = ENTRIES.map(|(name, link, _)| {
        format!(
            "<tr><td>{}</td><td><a href='{link}'>{name}</a></td></tr>\n",
            count(name)
        )
    });
    let descriptions = ENTRIES.map(|(name, _, description)| {
        format!("<li><div class=profile-name>{name}: </div> {description}</li>\n")
    });
    let body = format!(
        "<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n<title>/debug/pprof/</title>\n\
         <style>\n:root{{color-scheme:light dark}}\nbody{{font-family:sans-serif}}\n\
         .profile-name{{display:inline-block;width:6rem}}\n</style>\n</head>\n<body>\n/debug/pprof/\n<br>\n\
         <p>Set debug=1 as a query parameter to export in legacy text format; format= may be pprof, folded, \
         svg, json or text</p>\n<p><a href='ui'>See the heap</a></p>\nTypes of profiles available:\n<table>\n\
         <thead><tr><td>Count</td><td>Profile</td></tr></thead>\n{}</table>\n<p>Profile Descriptions:</p>\n\
         <ul>\n{}</ul>\n</body>\n</html>\n",
        rows.concat(),
        descriptions.concat()
    );
    reply::with(
        reply::new(StatusCode::OK, reply::HTML, body),
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::route::Route;

    #[test]
    fn every_link_leads_to_an_endpoint_and_none_outside() {
        let reply = answer();
        let body = std::str::from_utf8(reply.body()).unwrap();
        let links: Vec<&str> = body
            .split("href='")
            .skip(1)
            .filter_map(|rest| rest.split('\'').next())
            .collect();
        assert_eq!(links.len(), ENTRIES.len() + 1);
        for link in links {
            let path = format!("/debug/pprof/{}", link.split('?').next().unwrap());
            assert!(
                !matches!(Route::of(&path), Route::Unknown | Route::Index),
                "{path}"
            );
        }
        assert!(!body.contains("//"), "no address of another host");
    }
}
