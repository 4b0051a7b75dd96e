//! What profiles contain, in every form in which they are served.

use crate::{
    alone, ask, contract, get, header, kept_for_the_delta, kept_for_the_table,
    passing_for_the_delta, profile, sum, text,
};
use heaptide::http::Endpoints;
use std::collections::BTreeMap;

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
