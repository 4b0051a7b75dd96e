//! Profiles from URLs: reading, refusals, and `fetch`.

use std::{fs, path::Path};

use heaptide_profile::testing::canned_server::{Canned, CannedServer, serve};

use crate::{folder, heaptide, run, text};

pub(crate) fn server(folder: &Path) -> CannedServer {
    let profile = fs::read(folder.join("after.pb.gz")).expect("just written");
    let canned = |path, head, body: &[u8]| Canned {
        path,
        head,
        body: body.to_vec(),
    };
    let long = "x".repeat(400);
    serve(vec![
        canned("/debug/pprof/heap", "200 OK", &profile),
        canned("/moved", "302 Found\r\nLocation: /debug/pprof/heap", b""),
        canned(
            "/off",
            "503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nX-Go-Pprof: 1",
            b"recording is off:\x1b[2J set HEAPTIDE_SAMPLE_INTERVAL\n",
        ),
        canned(
            "/page",
            "404 Not Found\r\nContent-Type: text/html",
            b"<html>not here</html>",
        ),
        canned("/long", "500 Internal Server Error", long.as_bytes()),
        canned(
            "/other",
            "200 OK\r\nContent-Type: text/html",
            b"<html>hello</html>",
        ),
        canned("/large", "200 OK\r\nContent-Length: 300000000", b""),
        canned("/short", "200 OK\r\nContent-Length: 300000", &profile),
    ])
}

#[test]
fn a_url_is_read_like_a_file() {
    let folder = folder();
    let server = server(folder.path());
    let url = &server.url;
    let from_file = run(folder.path(), "top after.pb.gz");
    for path in ["", "/", "/debug/pprof/heap?gc=1", "/moved"] {
        let mut command = heaptide(folder.path(), &format!("top {url}{path}"));
        // A proxy does not know this machine's loopback. There is none at this port either.
        let output = command.env("http_proxy", "http://127.0.0.1:9").output();
        assert_eq!(output.expect("the command starts"), from_file, "{path}");
    }
    let requests: Vec<String> = server.requests.try_iter().collect();
    let asked: Vec<&str> = requests
        .iter()
        .filter_map(|head| head.split(' ').nth(1))
        .collect();
    let usual = "/debug/pprof/heap";
    assert_eq!(
        asked,
        [usual, usual, "/debug/pprof/heap?gc=1", "/moved", usual]
    );
    assert!(requests[0].contains("heaptide/"), "{}", requests[0]);
}

#[test]
fn a_refusal_is_one_line_with_the_reason_of_the_server() {
    let folder = folder();
    let server = server(folder.path());
    let long = format!("{}...", "x".repeat(300));
    let cases = [
        (
            "/off",
            "the server refused: 503 Service Unavailable: recording is off:\\u{1b}[2J set \
             HEAPTIDE_SAMPLE_INTERVAL",
        ),
        (
            "/page",
            "the server refused: 404 Not Found (profiles usually are at /debug/pprof/heap)",
        ),
        (
            "/long",
            &format!("the server refused: 500 Internal Server Error: {long}"),
        ),
        (
            "/large",
            "the answer is larger than 256 MiB, which no heap profile is",
        ),
    ];
    for (path, reason) in cases {
        let url = format!("{}{path}", server.url);
        let output = run(folder.path(), &format!("fetch -o got.pb.gz {url}"));
        assert_eq!(text(&output.stderr), format!("heaptide: {url}: {reason}\n"));
        assert_eq!(output.status.code(), Some(2), "{path}");
    }
    // Bytes that are not a profile, a cut one, and no answer at all.
    for path in ["/other", "/short", "/closed"] {
        let url = format!("{}{path}", server.url);
        let output = run(folder.path(), &format!("fetch -o got.pb.gz {url}"));
        let told = text(&output.stderr);
        assert!(told.starts_with(&format!("heaptide: {url}: ")), "{told}");
        assert_eq!(
            (told.lines().count(), output.status.code()),
            (1, Some(2)),
            "{told}"
        );
    }
    assert!(
        !folder.path().join("got.pb.gz").exists(),
        "nothing is saved of a failure"
    );
    let nobody = run(folder.path(), "top http://127.0.0.1:1/heap");
    assert_eq!(
        text(&nobody.stderr),
        "heaptide: http://127.0.0.1:1/heap: Connection refused (os error 111): is the service \
         running, and on this port?\n"
    );
}

#[test]
fn fetch_saves_a_profile_under_a_name_with_time_and_host() {
    let folder = folder();
    let server = server(folder.path());
    let url = &server.url;
    let port = url.rsplit(':').next().expect("a port");
    let name = format!("heap-20231114T234320Z-127.0.0.1_{port}.pb.gz");
    let profile = fs::read(folder.path().join("after.pb.gz")).expect("just written");
    let cases = [
        (format!("fetch --seconds 3 {url}"), name.clone()),
        (
            format!("fetch -o snapshots {url}"),
            format!("snapshots/{name}"),
        ),
        (format!("fetch -o notes.txt {url}"), "notes.txt".to_owned()),
    ];
    for (command_line, file) in cases {
        let output = run(folder.path(), &command_line);
        assert_eq!(text(&output.stdout), format!("{file}\n"), "{output:?}");
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(
            fs::read(folder.path().join(file)).expect("it was written"),
            profile
        );
    }
    let asked = server.requests.recv().expect("a request");
    assert!(
        asked.starts_with("GET /debug/pprof/heap?seconds=3 "),
        "{asked}"
    );
    // A generated name replaces no file.
    let again = run(folder.path(), &format!("fetch {url}"));
    assert_eq!(
        text(&again.stderr),
        format!("heaptide: {name}: File exists (os error 17)\n")
    );
    assert_eq!(again.status.code(), Some(2));
    let piped = run(folder.path(), &format!("fetch -o - {url}"));
    assert_eq!((piped.status.code(), piped.stdout), (Some(0), profile));
    let left = fs::read_dir(folder.path()).expect("the folder");
    let left = left.filter(|entry| {
        let entry = entry.as_ref().expect("an entry");
        entry.file_name().to_string_lossy().starts_with(".tmp")
    });
    assert_eq!(left.count(), 0, "temporary files are left");
}
