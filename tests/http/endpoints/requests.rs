//! Which answer a path, a parameter, a method and a browser get.

use crate::{alone, ask, get, header, kept_for_the_table, text};
use heaptide::http::Endpoints;

#[test]
fn requests_and_their_answers() {
    alone(|| {
        let _kept = kept_for_the_table();
        let endpoints = Endpoints::builder().build();
        const BINARY: &str = "application/octet-stream";
        const TEXT: &str = "text/plain; charset=utf-8";
        const HTML: &str = "text/html; charset=utf-8";
        const BAD_SECONDS: &str = "invalid value for \"seconds\" - must be a positive integer\n";
        // Path, status, content type, whether it is an error for pprof, disposition, and the start
        // of the body.
        let table = [
            ("/debug/pprof/", 200, HTML, false, "", "<!DOCTYPE html>"),
            ("/", 200, HTML, false, "", "<!DOCTYPE html>"),
            (
                "/debug/pprof/heap",
                200,
                BINARY,
                false,
                "attachment; filename=\"heap\"",
                "\u{1f}",
            ),
            (
                "/x/y/debug/pprof/allocs",
                200,
                BINARY,
                false,
                "attachment; filename=\"allocs\"",
                "\u{1f}",
            ),
            (
                "/heap?symbolize=0&gc=1",
                200,
                BINARY,
                false,
                "attachment; filename=\"heap\"",
                "\u{1f}",
            ),
            (
                "/debug/pprof/heap?debug=x&gc=zz&symbolize=0",
                200,
                BINARY,
                false,
                "attachment; filename=\"heap\"",
                "\u{1f}",
            ),
            (
                "/debug/pprof/heap?seconds=",
                200,
                BINARY,
                false,
                "attachment; filename=\"heap\"",
                "\u{1f}",
            ),
            (
                "/debug/pprof/delta_heap?symbolize=0",
                200,
                BINARY,
                false,
                "attachment; filename=\"delta_heap\"",
                "\u{1f}",
            ),
            (
                "/debug/pprof/heap?debug=1&symbolize=0",
                200,
                TEXT,
                false,
                "",
                "heap profile: ",
            ),
            (
                "/debug/pprof/allocs?debug=-1&symbolize=0",
                200,
                TEXT,
                false,
                "",
                "heap profile: ",
            ),
            (
                "/debug/pprof/heap?format=text&symbolize=0",
                200,
                TEXT,
                false,
                "",
                "File: http_endpoints",
            ),
            (
                "/debug/pprof/heap?format=json",
                200,
                "application/json",
                false,
                "",
                "{\"sample_type\":\"inuse_space\"",
            ),
            (
                "/debug/pprof/allocs?format=json&symbolize=0",
                200,
                "application/json",
                false,
                "",
                "{\"sample_type\":\"alloc_space\"",
            ),
            (
                "/debug/pprof/heap?format=folded&sample_index=inuse_objects&symbolize=0",
                200,
                TEXT,
                false,
                "",
                "",
            ),
            (
                "/debug/pprof/symbol",
                200,
                TEXT,
                false,
                "",
                "num_symbols: 1\n",
            ),
            (
                "/debug/pprof",
                307,
                HTML,
                false,
                "",
                "<a href=\"pprof/\">Temporary Redirect</a>.\n\n",
            ),
            (
                "/debug/pprof/nope",
                404,
                TEXT,
                true,
                "",
                "Unknown profile\nheaptide serves /debug/pprof/heap",
            ),
            (
                "/debug/pprof/heap/",
                404,
                TEXT,
                true,
                "",
                "Unknown profile\n",
            ),
            (
                "/debug/pprof/goroutine?debug=2",
                404,
                TEXT,
                true,
                "",
                "Unknown profile\n",
            ),
            (
                "/debug/pprof/profile?seconds=1",
                404,
                TEXT,
                true,
                "",
                "Unknown profile\n",
            ),
            (
                "/debug/pprof/cmdline",
                403,
                TEXT,
                true,
                "",
                "the command line is not shown",
            ),
            (
                "/debug/pprof/control",
                403,
                TEXT,
                true,
                "",
                "the profiler cannot be controlled",
            ),
            (
                "/debug/pprof/heap?seconds=0",
                400,
                TEXT,
                true,
                "",
                BAD_SECONDS,
            ),
            (
                "/debug/pprof/allocs?seconds=abc",
                400,
                TEXT,
                true,
                "",
                BAD_SECONDS,
            ),
            (
                "/debug/pprof/heap?seconds=1&debug=1",
                400,
                TEXT,
                true,
                "",
                "seconds and debug params are incompatible\n",
            ),
            (
                "/debug/pprof/heap?seconds=301",
                400,
                TEXT,
                true,
                "",
                "invalid value for \"seconds\" - this server waits for at most 300\n",
            ),
            (
                "/debug/pprof/heap?symbolize=no",
                400,
                TEXT,
                true,
                "",
                "invalid value for \"symbolize\"",
            ),
            (
                "/debug/pprof/heap?format=xml",
                400,
                TEXT,
                true,
                "",
                "invalid value for \"format\"",
            ),
            (
                "/debug/pprof/heap?sample_index=cpu",
                400,
                TEXT,
                true,
                "",
                "invalid value for \"sample_index\"",
            ),
            (
                "/debug/pprof/delta_heap?seconds=1",
                400,
                TEXT,
                true,
                "",
                "\"seconds\" parameter is not supported",
            ),
        ];
        for (path, status, content_type, is_error, disposition, start) in table {
            let response = get(&endpoints, path);
            assert_eq!(response.status(), status, "{path}: {:?}", response.body());
            assert_eq!(header(&response, "content-type"), content_type, "{path}");
            assert_eq!(
                header(&response, "x-content-type-options"),
                "nosniff",
                "{path}"
            );
            let marked = if is_error { "1" } else { "" };
            assert_eq!(header(&response, "x-go-pprof"), marked, "{path}");
            assert_eq!(
                header(&response, "content-disposition"),
                disposition,
                "{path}"
            );
            assert!(
                response.body().starts_with(start.as_bytes()),
                "{path}: {:?}",
                response.body()
            );
            assert_eq!(header(&response, "content-encoding"), "", "{path}");
        }
        assert_eq!(
            header(&get(&endpoints, "/x/debug/pprof?a=b"), "location"),
            "pprof/?a=b"
        );
        let many = format!("/debug/pprof/heap?{}", "a=1&".repeat(101));
        assert_eq!(
            text(&get(&endpoints, &many)),
            "too many parameters: at most 100 are read\n"
        );
    });
}

#[test]
fn methods() {
    alone(|| {
        let endpoints = Endpoints::builder().build();
        for (path, allow) in [
            ("/debug/pprof/", "GET, HEAD"),
            ("/debug/pprof/heap", "GET, HEAD"),
            ("/debug/pprof/control", "GET, HEAD, POST"),
            ("/debug/pprof/symbol", "GET, HEAD, POST"),
        ] {
            let response = ask(&endpoints, "PUT", path, &[], "");
            assert_eq!(response.status(), 405, "{path}");
            assert_eq!(header(&response, "allow"), allow, "{path}");
            assert_eq!(text(&response), "Method Not Allowed\n");
        }
        assert_eq!(
            ask(&endpoints, "POST", "/debug/pprof/heap", &[], "").status(),
            405
        );
        let head = ask(&endpoints, "HEAD", "/debug/pprof/nope", &[], "");
        assert_eq!(head.status(), 404);
        assert!(head.body().is_empty());
        let length = get(&endpoints, "/debug/pprof/nope").body().len();
        assert_eq!(header(&head, "content-length"), length.to_string());
        let head = ask(&endpoints, "HEAD", "/debug/pprof/heap", &[], "");
        assert!(head.body().is_empty());
        assert_eq!(
            header(&head, "content-disposition"),
            "attachment; filename=\"heap\""
        );
    });
}

#[test]
fn a_browser_that_asks_for_heap_gets_the_page() {
    alone(|| {
        let endpoints = Endpoints::builder().build();
        let browser = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        let heap = |query: &str, accept| {
            ask(
                &endpoints,
                "GET",
                &format!("/debug/pprof/heap{query}"),
                &[accept],
                "",
            )
        };
        let response = heap("?gc=1", browser);
        assert_eq!(response.status(), 303);
        assert_eq!(header(&response, "location"), "ui?gc=1");
        assert_eq!(header(&response, "vary"), "Accept");
        for query in ["?debug=1", "?format=pprof", "?symbolize=0"] {
            assert_eq!(heap(query, browser).status(), 200, "{query}");
        }
        assert_eq!(heap("?seconds=0", browser).status(), 400);
        assert_eq!(heap("", ("accept", "*/*")).status(), 200);
    });
}
