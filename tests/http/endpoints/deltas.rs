//! Differences between two profiles: over some seconds, and since the last request of a client.

use crate::{
    alone, ask, get, header, kept_for_the_delta, kept_for_the_table, passing_for_the_delta,
    profile, sum, text,
};
use heaptide::{Profile, http::Endpoints};
use std::{hint::black_box, time::Duration};

#[inline(never)]
fn passing_over_time() {
    drop(black_box(vec![1u8; 9_000]));
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
