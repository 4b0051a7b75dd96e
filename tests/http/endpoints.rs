//! The endpoints as a client sees them: requests and responses. The process records every
//! allocation, so that the content of a profile can be checked exactly.
#![cfg(all(feature = "http", feature = "symbolize"))]

mod contract;

use bytes::Bytes;
use heaptide::{Profile, http::Endpoints};
use http::{Request, Response};
use std::{
    collections::BTreeMap,
    hint::black_box,
    sync::{Mutex, PoisonError},
    time::Duration,
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<std::alloc::System> =
    heaptide::SamplingAllocator::with_inner(std::alloc::System).sample_interval(1);

/// Runs one test after another, each on its own thread from its start. They check exact numbers.
/// One of them sets the interval, which a thread in the middle of a gap takes over later.
fn alone(test: impl FnOnce() + Send) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let tested = std::thread::scope(|scope| scope.spawn(test).join());
    if let Err(panicked) = tested {
        std::panic::resume_unwind(panicked);
    }
}

fn get(endpoints: &Endpoints, path: &str) -> Response<Bytes> {
    ask(endpoints, "GET", path, &[], "")
}

fn ask(
    endpoints: &Endpoints,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Bytes::copy_from_slice(body.as_bytes());
    endpoints.respond(&request.body(body).unwrap())
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

fn profile(endpoints: &Endpoints, path: &str) -> Profile {
    let response = get(endpoints, path);
    assert_eq!(response.status(), 200, "{path}: {:?}", response.body());
    assert_eq!(
        header(&response, "content-type"),
        "application/octet-stream"
    );
    Profile::read(response.body()).unwrap()
}

/// The sum of the samples with a function of this name.
fn sum(profile: &Profile, function: &str) -> [i64; 4] {
    let mut sum = [0; 4];
    for sample in &profile.samples {
        let mut names = profile.frames(sample).filter_map(|frame| frame.function);
        if names.any(|f| f.name.ends_with(function)) {
            for (sum, value) in sum.iter_mut().zip(&sample.values) {
                *sum += value;
            }
        }
    }
    sum
}

#[inline(never)]
fn kept_for_the_table() -> Vec<u8> {
    black_box(vec![1; 100_000])
}

#[inline(never)]
fn kept_for_the_delta() -> Vec<u8> {
    black_box(vec![1; 30_000])
}

#[inline(never)]
fn passing_for_the_delta() {
    drop(black_box(vec![1u8; 7_000]));
}

#[inline(never)]
fn passing_over_time() {
    drop(black_box(vec![1u8; 9_000]));
}

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

#[test]
fn profiles_have_the_exact_numbers_of_the_program() {
    alone(|| {
        let endpoints = Endpoints::builder().build();
        let kept = kept_for_the_table();
        let heap = profile(&endpoints, "/debug/pprof/heap");
        assert_eq!(sum(&heap, "kept_for_the_table")[2..], [1, 100_000]);
        assert_eq!(&*heap.default_sample_type, "inuse_space");
        let allocs = profile(&endpoints, "/debug/pprof/allocs");
        assert_eq!(&*allocs.default_sample_type, "alloc_space");
        let by_count = profile(&endpoints, "/debug/pprof/heap?sample_index=inuse_objects");
        assert_eq!(&*by_count.default_sample_type, "inuse_objects");

        let raw = profile(&endpoints, "/debug/pprof/heap?symbolize=0");
        assert!(raw.mappings.iter().all(|mapping| !mapping.has_functions));
        assert!(!raw.drop_frames.is_empty());

        let folded = get(&endpoints, "/debug/pprof/heap?format=folded");
        let line = text(&folded)
            .lines()
            .find(|line| line.contains("kept_for_the_table"));
        assert!(
            line.is_some_and(|line| line.ends_with(" 100000")),
            "{line:?}"
        );
        let json = get(&endpoints, "/debug/pprof/heap?format=json");
        let json: serde_json::Value = serde_json::from_slice(json.body()).unwrap();
        let rows = json["rows"].as_array().unwrap();
        let is_ours = |row: &&serde_json::Value| {
            row["name"]
                .as_str()
                .unwrap()
                .ends_with("kept_for_the_table")
        };
        let row = rows.iter().find(is_ours).unwrap();
        assert_eq!(
            (
                row["flat"].as_i64(),
                row["flat_estimate"]["standard_error"].as_f64()
            ),
            (Some(100_000), Some(0.0))
        );
        #[cfg(feature = "flamegraph")]
        {
            let svg = get(&endpoints, "/debug/pprof/heap?format=svg");
            assert_eq!(
                (svg.status().as_u16(), header(&svg, "content-type")),
                (200, "image/svg+xml")
            );
            assert!(text(&svg).contains("kept_for_the_table (100,000 bytes"));
            assert!(header(&svg, "content-security-policy").starts_with("default-src 'none'"));
        }
        #[cfg(not(feature = "flamegraph"))]
        {
            let svg = get(&endpoints, "/debug/pprof/heap?format=svg");
            assert_eq!(svg.status(), 501);
            assert!(text(&svg).contains("`flamegraph`"));
        }
        drop(kept);
    });
}

#[test]
fn the_text_form_lists_live_memory_first() {
    alone(|| {
        let endpoints = Endpoints::builder().build();
        let kept = kept_for_the_table();
        passing_for_the_delta();
        let response = get(&endpoints, "/debug/pprof/heap?debug=1");
        let body = text(&response);
        let live: Vec<i64> = body
            .lines()
            .filter(|line| line.contains("] @ 0x"))
            .map(|line| line.split([' ', ':']).nth(2).unwrap().parse().unwrap())
            .collect();
        assert!(
            live.is_sorted_by(|a, b| a >= b) && live.len() > 3,
            "{live:?}"
        );
        assert!(live.contains(&100_000));
        let (head, _) = body.split_once('\n').unwrap();
        assert!(head.contains("@ heap_v2/"), "{head}");
        assert!(body.contains("::kept_for_the_table\t"), "{body}");
        for line in [
            "# MaxRSS = ",
            "# LostSamples = 0",
            "MAPPED_LIBRARIES:",
            "/http_endpoints-",
        ] {
            assert!(body.contains(line), "{line}");
        }
        drop(kept);
    });
}

#[test]
fn a_delta_over_a_second_has_the_changes_in_that_second() {
    alone(|| {
        let endpoints = Endpoints::builder().build();
        let before = kept_for_the_table();
        let (delta, kept) = std::thread::scope(|scope| {
            let asked = scope.spawn(|| {
                let response = get(&endpoints, "/debug/pprof/heap?seconds=1");
                assert_eq!(
                    header(&response, "content-disposition"),
                    "attachment; filename=\"heap-delta\""
                );
                Profile::read(response.body()).unwrap()
            });
            // Until the end, so that there is some of both whatever the start of the thread
            // allocates.
            let mut kept = Vec::new();
            while !asked.is_finished() {
                passing_over_time();
                kept.push(kept_for_the_delta());
                std::thread::sleep(Duration::from_millis(10));
            }
            (asked.join().unwrap(), kept)
        });
        assert!(
            delta.duration_nanos >= 1_000_000_000,
            "{}",
            delta.duration_nanos
        );
        let passed = sum(&delta, "passing_over_time");
        assert!(
            passed[0] > 0 && passed[1] == passed[0] * 9_000,
            "{passed:?}"
        );
        let stayed = sum(&delta, "kept_for_the_delta");
        assert!(
            stayed[2] > 0 && stayed[3] == stayed[2] * 30_000,
            "{stayed:?}"
        );
        assert_eq!(
            sum(&delta, "kept_for_the_table"),
            [0; 4],
            "it did not change"
        );
        assert!(
            delta
                .samples
                .iter()
                .all(|s| s.values.iter().any(|v| *v != 0))
        );
        let names = delta
            .functions
            .iter()
            .any(|f| f.name.ends_with("passing_over_time"));
        assert!(names && delta.mappings[0].has_functions && delta.drop_frames.is_empty());
        drop((before, kept));
    });
}

#[test]
fn delta_heap_has_the_changes_since_the_last_request_of_a_client() {
    alone(|| {
        let endpoints = Endpoints::builder().build();
        let ask_for = |client: &str| {
            profile(
                &endpoints,
                &format!("/debug/pprof/delta_heap?client={client}"),
            )
        };
        let kept = kept_for_the_delta();
        let first = ask_for("a");
        let since_start = sum(&first, "kept_for_the_delta");
        assert_eq!(since_start[2..], [1, 30_000]);
        assert!(since_start[0] >= 1);
        assert!(
            first
                .comments
                .iter()
                .any(|c| c.starts_with("#heaptide delta: the first"))
        );
        passing_for_the_delta();
        passing_for_the_delta();
        // Requests of another client change nothing for this one, and neither does a HEAD request.
        let _other = ask_for("b");
        ask(
            &endpoints,
            "HEAD",
            "/debug/pprof/delta_heap?client=a",
            &[],
            "",
        );
        let second = ask_for("a");
        assert_eq!(sum(&second, "passing_for_the_delta"), [2, 14_000, 0, 0]);
        assert_eq!(sum(&second, "kept_for_the_delta"), [0, 0, 1, 30_000]);
        assert!(
            second.duration_nanos > 0
                && second.time_nanos >= first.time_nanos + second.duration_nanos / 2
        );
        assert!(
            second
                .comments
                .iter()
                .all(|c| !c.starts_with("#heaptide delta"))
        );
        let third = ask_for("a");
        assert_eq!(sum(&third, "passing_for_the_delta"), [0; 4]);
        // All values of a delta are at least 0, and no sample is all 0.
        for delta in [&first, &second, &third] {
            for sample in &delta.samples {
                assert!(
                    sample.values.iter().all(|v| *v >= 0) && sample.values.iter().any(|v| *v > 0)
                );
            }
        }
        assert_eq!(
            get(
                &endpoints,
                &format!("/delta_heap?client={}", "x".repeat(65))
            )
            .status(),
            400
        );
        drop(kept);
    });
}

/// The interval may change by a POST to `control`.
#[test]
fn a_change_of_the_interval_is_not_an_allocation() {
    alone(|| {
        let endpoints = Endpoints::builder().build();
        let delta = || profile(&endpoints, "/debug/pprof/delta_heap");
        let kept = kept_for_the_delta();
        let page = |since| {
            let page = get(&endpoints, &format!("/debug/pprof/ui/data?{since}"));
            assert_eq!(page.status(), 200, "{}", text(&page));
            serde_json::from_slice::<serde_json::Value>(page.body()).unwrap()
        };
        let (_first, before) = (delta(), page(""));
        heaptide::set_sample_interval(1 << 20);
        let second = delta();
        let after = page(&format!("since={}", before["id"]));
        heaptide::set_sample_interval(1);
        assert_eq!(sum(&second, "kept_for_the_delta"), [0, 0, 1, 30_000]);
        assert_eq!(second.period, 1 << 20);
        // The page's own name for it is in no row of the changes.
        let names = after["functions"].to_string();
        assert_eq!(after["change"]["base"], before["whole"]);
        assert!(!names.contains("kept_for_the_delta"), "{names}");
        drop(kept);
    });
}

#[test]
fn addresses_of_a_raw_profile_have_symbols() {
    alone(|| {
        let endpoints = Endpoints::builder().build();
        let kept = kept_for_the_table();
        let raw = profile(&endpoints, "/debug/pprof/heap?symbolize=0");
        let addresses: Vec<String> = raw
            .locations
            .iter()
            .map(|l| format!("{:#x}", l.address))
            .collect();
        let asked = addresses.join("+");
        let posted = ask(&endpoints, "POST", "/debug/pprof/symbol", &[], &asked);
        assert!(text(&posted).starts_with("num_symbols: 1\n"));
        let names: BTreeMap<&str, &str> = text(&posted)
            .lines()
            .skip(1)
            .map(|line| line.split_once(' ').unwrap())
            .collect();
        let ours = names
            .iter()
            .find(|(_, name)| name.contains("18kept_for_the_table"));
        let (address, name) = ours.expect("the function is named");
        assert!(
            name.starts_with("_ZN") || name.starts_with("_R"),
            "mangled: {name}"
        );
        assert!(addresses.iter().any(|a| a == address));
        let got = get(&endpoints, &format!("/debug/pprof/symbol?{address}"));
        assert_eq!(text(&got), format!("num_symbols: 1\n{address} {name}\n"));
        let many = "1+".repeat((1 << 16) + 1);
        assert_eq!(
            ask(&endpoints, "POST", "/debug/pprof/symbol", &[], &many).status(),
            413
        );
        drop(kept);
    });
}

#[test]
fn all_endpoints_need_the_token() {
    alone(|| {
        let endpoints = Endpoints::builder()
            .token("open sesame")
            .command_line()
            .build();
        let ok = [("authorization", "Bearer open sesame")];
        for path in [
            "/debug/pprof/",
            "/debug/pprof/heap",
            "/debug/pprof/nope",
            "/debug/pprof/ui",
            "/debug/pprof",
        ] {
            let response = get(&endpoints, path);
            assert_eq!(response.status(), 401, "{path}");
            let challenges: Vec<_> = response
                .headers()
                .get_all("www-authenticate")
                .iter()
                .collect();
            assert_eq!(challenges.len(), 2);
            assert_eq!(challenges[0], "Bearer");
            assert_eq!(header(&response, "x-go-pprof"), "1");
            let wrong = ask(
                &endpoints,
                "GET",
                path,
                &[("authorization", "Bearer open")],
                "",
            );
            assert_eq!(wrong.status(), 401, "{path}");
            assert_ne!(
                ask(&endpoints, "GET", path, &ok, "").status(),
                401,
                "{path}"
            );
        }
        let password = [("authorization", "Basic dTpvcGVuIHNlc2FtZQ==")]; // u:open sesame
        assert_eq!(
            ask(&endpoints, "GET", "/debug/pprof/", &password, "").status(),
            200
        );
        let arguments = ask(&endpoints, "GET", "/debug/pprof/cmdline", &ok, "");
        let expected: Vec<String> = std::env::args().collect();
        assert_eq!(text(&arguments), expected.join("\0"));
        assert_eq!(
            header(&arguments, "content-type"),
            "text/plain; charset=utf-8"
        );
    });
}

#[test]
fn control_sets_the_interval_and_keeps_recorded_samples() {
    alone(|| {
        let endpoints = Endpoints::builder().control().build();
        let refusal = get(&endpoints, "/debug/pprof/control");
        assert_eq!(refusal.status(), 403, "no token is set");
        assert!(text(&refusal).contains("`EndpointsBuilder::token`"));

        let endpoints = Endpoints::builder().control().token("t").build();
        let bearer = [("authorization", "Bearer t")];
        let post = |query: &str, body: &str| {
            ask(
                &endpoints,
                "POST",
                &format!("/debug/pprof/control{query}"),
                &bearer,
                body,
            )
        };
        let read = |response: Response<Bytes>| -> serde_json::Value {
            assert_eq!(response.status(), 200, "{:?}", response.body());
            assert_eq!(header(&response, "content-type"), "application/json");
            serde_json::from_slice(response.body()).unwrap()
        };
        let kept = kept_for_the_delta();
        let status = read(ask(&endpoints, "GET", "/debug/pprof/control", &bearer, ""));
        assert_eq!(status["sample_interval"], 1);
        assert_eq!(status["installed"], true);
        assert_eq!(status["lost"]["samples"], 0);
        assert!(status["live_bytes"].as_u64().unwrap() >= 30_000);
        let status = read(post("?sample_interval=64KiB", ""));
        assert_eq!(status["sample_interval"], 65_536);
        assert_eq!(heaptide::sample_interval(), 65_536);
        assert_eq!(read(post("", "sample_interval=0"))["sample_interval"], 0);
        let heap = ask(&endpoints, "GET", "/debug/pprof/heap", &bearer, "");
        let heap = Profile::read(heap.body()).unwrap();
        assert_eq!(
            sum(&heap, "kept_for_the_delta")[2..],
            [1, 30_000],
            "recorded samples stay"
        );
        for (query, start) in [
            ("", "nothing to set"),
            ("?sample_interval=", "nothing to set"),
            ("?sample_interval=-1", "invalid value"),
            ("?sample_interval=1.5MiB", "invalid value"),
        ] {
            let response = post(query, "");
            assert_eq!(response.status(), 400, "{query}");
            assert!(
                text(&response).starts_with(start),
                "{query}: {}",
                text(&response)
            );
        }
        let password = [("authorization", "Basic dTp0")]; // u:t
        let refusal = ask(
            &endpoints,
            "POST",
            "/debug/pprof/control?sample_interval=1",
            &password,
            "",
        );
        assert_eq!(refusal.status(), 403);
        assert_eq!(heaptide::sample_interval(), 0, "a password changes nothing");
        assert_eq!(
            ask(&endpoints, "GET", "/debug/pprof/control", &password, "").status(),
            200
        );
        assert_eq!(read(post("?sample_interval=1", ""))["sample_interval"], 1);
        drop(kept);
    });
}

#[test]
fn a_request_beyond_the_limit_is_told_to_retry() {
    alone(|| {
        let endpoints = Endpoints::builder().waiting(0).build();
        let threads = 16;
        let start = std::sync::Barrier::new(threads);
        let statuses: Vec<Response<Bytes>> = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        get(&endpoints, "/debug/pprof/heap?symbolize=0")
                    })
                })
                .collect();
            asked
                .into_iter()
                .map(|asked| asked.join().unwrap())
                .collect()
        });
        let (made, refused): (Vec<_>, Vec<_>) = statuses.iter().partition(|r| r.status() == 200);
        // The first one is served, however the threads are scheduled.
        assert!(!made.is_empty());
        for response in refused {
            assert_eq!(response.status(), 429);
            assert_eq!(header(response, "retry-after"), "1");
        }
        assert_eq!(
            get(&endpoints, "/debug/pprof/heap").status(),
            200,
            "the next request is served"
        );
    });
}

#[test]
fn responses_follow_the_rules_of_scrapers() {
    alone(|| {
        let endpoints = Endpoints::builder().build();
        let kept = (kept_for_the_table(), kept_for_the_delta());
        let mut responses = Vec::new();
        for path in [
            "/debug/pprof/allocs",
            "/debug/pprof/heap",
            "/debug/pprof/allocs",
            "/debug/pprof/delta_heap",
            "/debug/pprof/heap?seconds=1",
        ] {
            passing_for_the_delta();
            responses.push((path, get(&endpoints, path)));
        }
        // With every allocation recorded, the checks would take long.
        heaptide::set_sample_interval(0);
        let mut scrapes = Vec::new();
        for (path, response) in &responses {
            contract::check_response(response);
            let encoded = contract::Encoded::read(response.body());
            encoded.check();
            let is_delta = path.contains("delta") || path.contains("seconds");
            // Parca takes any profile with a duration for a delta.
            assert_eq!(encoded.duration_nanos() > 0, is_delta, "{path}");
            if path.ends_with("allocs") {
                scrapes.push(encoded);
            }
        }
        let [before, after] = &scrapes[..] else {
            panic!("two scrapes of allocs")
        };
        let (matched, grown) = contract::check_growth(before, after);
        assert!(matched > 10, "{matched} samples are the same as before");
        // The bytes that were allocated in between.
        assert!(grown >= 14_000, "{grown}");
        heaptide::set_sample_interval(1);
        drop(kept);
    });
}
