//! Which requests are served: the token, the right to control, and the limit of requests.

use crate::{alone, ask, get, header, kept_for_the_delta, sum, text};
use bytes::Bytes;
use heaptide::{Profile, http::Endpoints};
use http::Response;

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
