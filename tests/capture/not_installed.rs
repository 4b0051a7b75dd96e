//! A program that links heaptide without declaring the allocator gets errors that say so.

#[test]
fn every_way_to_a_profile_fails_and_names_the_missing_allocator() {
    let mut written = Vec::new();
    let errors = [
        heaptide::snapshot().map(drop).unwrap_err(),
        heaptide::write_heap_profile(&mut written).unwrap_err(),
        heaptide::write_allocs_profile(&mut written).unwrap_err(),
        heaptide::ProfileOptions::new()
            .raw()
            .heap()
            .map(drop)
            .unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_not_installed());
        assert!(error.to_string().contains("#[global_allocator]"), "{error}");
    }
    #[cfg(feature = "snapshotter")]
    {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = heaptide::Snapshotter::builder().dir(folder.path()).start();
        let error = snapshots.map(drop).unwrap_err();
        assert!(error.is_not_installed(), "{error}");
    }
    #[cfg(feature = "http")]
    {
        let endpoints = heaptide::http::Endpoints::builder().build();
        let names = [
            "heap",
            "allocs",
            "delta_heap",
            "heap?debug=1",
            "heap?seconds=1",
        ];
        for path in names.map(|name| format!("/debug/pprof/{name}")) {
            let request = http::Request::get(&path).body(bytes::Bytes::new()).unwrap();
            let response = endpoints.respond(&request);
            assert_eq!(response.status(), 501, "{path}");
            assert_eq!(response.headers()["x-go-pprof"], "1");
            let body = String::from_utf8_lossy(response.body());
            assert!(body.contains("#[global_allocator]"), "{path}: {body}");
        }
    }
    assert!(written.is_empty(), "no part of a profile is written");
    assert!(!heaptide::stats().installed);
}
