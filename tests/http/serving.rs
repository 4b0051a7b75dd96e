//! Service and server, with real requests over real sockets. And what the server does about hostile
//! clients, about forks, and about its end.
#![expect(unsafe_code, reason = "forks, and counts what is live")]
#![expect(clippy::exit, reason = "a forked child ends where it was made")]

#[path = "../support/http_load.rs"]
mod http_load;
mod plain_client;
#[path = "../support/roles.rs"]
mod roles;

use axum::{Router, routing};
use bytes::Bytes;
use heaptide::{
    Profile,
    http::{self, Endpoints, Server},
};
use http_body_util::{BodyExt, Full};
use plain_client::{Answer, answer, connect, get, get_as, send};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    ffi::OsStr,
    fs,
    hint::black_box,
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::ffi::OsStrExt,
    panic,
    process::{Command, ExitCode, Output},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::{self, Runtime};
use tower_service::Service as _;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<Counting> =
    heaptide::SamplingAllocator::with_inner(Counting);

/// Counts what is live, including heaptide's own memory, which no profile shows. Resident memory
/// varies by 50 MB.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// `realloc` and `alloc_zeroed` are the trait's default methods, which use these two.
//
// SAFETY: each method passes its arguments to `System` unchanged and returns what it returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        // SAFETY: what our caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: what our caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

fn profile(answer: &Answer) -> Profile {
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_eq!(
        answer.header("content-type"),
        Some("application/octet-stream")
    );
    let profile = Profile::read(&answer.body).unwrap();
    profile.check().unwrap();
    profile
}

// ---- Service and server
/// A host with routes and a 404 of its own, served on loopback until the runtime is dropped.
fn host(add: impl FnOnce(Router) -> Router) -> (Runtime, SocketAddr) {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
    let listener = listener.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/", routing::get(|| async { "the host's own" }));
    let app = add(app).fallback(|| async { (axum::http::StatusCode::NOT_FOUND, "the host's 404") });
    runtime.spawn(async move { axum::serve(listener, app).await });
    (runtime, address)
}

fn assert_serves(address: SocketAddr, prefix: &str) {
    profile(&get(address, &format!("{prefix}/heap")));
    profile(&get(address, &format!("{prefix}/allocs?debug=0")));
    let unknown = get(address, &format!("{prefix}/nope"));
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.header("x-go-pprof"), Some("1"));
    // The links of the index are relative to it.
    let index = get(address, &format!("{prefix}/"));
    assert_eq!(index.status, 200, "{prefix}/: {}", index.head);
    assert!(index.text().contains("<a href='heap?debug=1'>"));
}

/// A nested service cannot see whether a slash followed its prefix, so the index adds the slash.
fn assert_bare_prefix_is_index(address: SocketAddr, prefix: &str) {
    let bare = get(address, prefix);
    assert_eq!(bare.status, 200, "{prefix}: {}", bare.head);
    assert!(
        bare.text()
            .contains("location.replace(location.pathname + '/'")
    );
}

fn assert_bare_prefix_redirects(address: SocketAddr, prefix: &str) {
    let bare = get(address, &format!("{prefix}?a=b&c"));
    assert_eq!(bare.status, 307, "{prefix}: {}", bare.head);
    let (_, last) = prefix.rsplit_once('/').unwrap();
    let location = format!("{last}/?a=b&c");
    assert_eq!(bare.header("location"), Some(&*location));
}

fn assert_left_alone(address: SocketAddr) {
    assert_eq!(get(address, "/").text(), "the host's own");
    for path in ["/heap", "/nope", "/index", "/debug", "/debug/"] {
        assert_eq!(get(address, path).text(), "the host's 404", "{path}");
    }
}

fn a_service_serves_where_it_is_nested() {
    let (_runtime, address) = host(|app| {
        let deeper = Router::new().nest_service("/internal/memory", http::service());
        app.nest_service("/debug/pprof", http::service())
            .nest_service("/admin/heap", http::service())
            .nest("/v1", deeper)
    });
    for prefix in ["/debug/pprof", "/admin/heap", "/v1/internal/memory"] {
        assert_serves(address, prefix);
        assert_bare_prefix_is_index(address, prefix);
    }
    assert_left_alone(address);
}

fn a_service_serves_the_routes_it_is_given() {
    let (_runtime, address) = host(|app| {
        let service = http::service();
        app.route_service("/debug/pprof", service.clone())
            .route_service("/debug/pprof/", service.clone())
            .route_service("/debug/pprof/{*path}", service)
    });
    assert_serves(address, "/debug/pprof");
    assert_bare_prefix_redirects(address, "/debug/pprof");
    assert_left_alone(address);
}

fn a_service_serves_as_a_fallback() {
    let (_runtime, address) = host(|app| {
        let fallback = Router::new().fallback_service(http::service());
        app.nest("/internal", fallback)
    });
    assert_serves(address, "/internal/debug/pprof");
    assert_bare_prefix_redirects(address, "/internal/debug/pprof");
    assert_left_alone(address);
}

fn a_mounted_service_checks_the_host_only_if_asked() {
    let (_runtime, address) = host(|app| {
        let checked = http::service().allow_host("heap.example.org").unwrap();
        app.nest_service("/debug/pprof", http::service())
            .nest_service("/checked", checked)
            .nest_service("/local", http::service().check_host())
    });
    let status = |host, path| get_as(address, host, path).status;
    assert_eq!(status("shop.example", "/debug/pprof/heap"), 200);
    assert_eq!(status("shop.example", "/checked/heap"), 403);
    assert_eq!(status("heap.example.org", "/checked/heap"), 200);
    assert_eq!(status("localhost", "/checked/heap"), 200);
    assert_eq!(status("heap.example.org", "/local/heap"), 403);
    assert_eq!(status("localhost", "/local/heap"), 200);
}

/// hyper with nothing around it, on one thread.
fn hyper_by_hand() -> (
    thread::JoinHandle<()>,
    SocketAddr,
    tokio::sync::oneshot::Sender<()>,
) {
    use hyper::{server::conn::http1, service::service_fn};
    use hyper_util::rt::TokioIo;

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let (end, ended) = tokio::sync::oneshot::channel();
    let serving = thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.unwrap();
        let service = http::service();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = service.clone();
                let answer = service_fn(move |request| service.clone().call(request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
                tokio::spawn(connection);
            }
        });
        runtime.block_on(ended).unwrap();
    });
    (serving, address, end)
}

fn a_service_needs_nothing_but_hyper() {
    let (serving, address, end) = hyper_by_hand();
    profile(&get(address, "/debug/pprof/heap"));
    profile(&get(address, "/heap"));
    let long = format!(
        "POST /symbol HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        (1 << 20) + 1
    );
    assert_eq!(
        send(address, long.as_bytes()).status,
        413,
        "refused by its length"
    );
    end.send(()).unwrap();
    serving.join().unwrap();
}

fn a_program_without_a_runtime_is_served_and_one_inside_of_a_runtime_too() {
    let server = http::serve("127.0.0.1:0").unwrap();
    profile(&get(server.local_addr(), "/debug/pprof/heap"));
    drop(server);
    let one_thread = runtime::Builder::new_current_thread().enable_all().build();
    let more = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build();
    for runtime in [one_thread.unwrap(), more.unwrap()] {
        runtime.block_on(async {
            let server = http::serve("127.0.0.1:0").unwrap();
            let address = server.local_addr();
            let asked = thread::spawn(move || profile(&get(address, "/debug/pprof/heap")));
            asked.join().unwrap();
            server.shutdown();
            drop(http::serve("127.0.0.1:0").unwrap());
        });
    }
}

// ---- Addresses
fn servers_have_ports_of_their_own_and_give_them_back() {
    let (one, other) = (http::serve("127.0.0.1:0"), http::serve("localhost:0"));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one.local_addr().port(), 0);
    assert_ne!(one.local_addr(), other.local_addr());
    let address = one.local_addr();
    assert_eq!(get(address, "/debug/pprof/").status, 200);
    assert_eq!(get(other.local_addr(), "/debug/pprof/").status, 200);

    let error = http::serve(address).unwrap_err();
    assert!(error.is_io());
    let message = error.to_string();
    let expected =
        format!("could not serve heap profiles at {address} (another server has the port");
    assert!(message.starts_with(&expected), "{message}");
    assert!(message.contains("port 0 for a free one"), "{message}");

    drop(one);
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let again = http::serve(address).unwrap();
    assert_eq!(get(again.local_addr(), "/debug/pprof/").status, 200);
    assert_eq!(get(other.local_addr(), "/debug/pprof/").status, 200);
}

fn other_machines_are_served_only_if_that_is_said() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:6060"] {
        let error = http::serve(address).unwrap_err();
        assert!(error.is_setting(), "{error}");
        let message = error.to_string();
        for part in [
            address,
            "127.0.0.1",
            "EndpointsBuilder::token",
            "allow_any_address",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }
    let server = Server::builder().allow_any_address();
    let server = server.serve("0.0.0.0:0").unwrap();
    let port = server.local_addr().port();
    let local = SocketAddr::from(([127, 0, 0, 1], port));
    assert_eq!(get_as(local, "10.1.2.3:6060", "/heap").status, 200);
    assert_eq!(get_as(local, "evil.example", "/heap").status, 403);
}

fn what_is_no_address_is_named_with_what_would_be() {
    for nonsense in [
        "6060",
        "127.0.0.1",
        "127.0.0.1:99999",
        "http://127.0.0.1:6060",
    ] {
        let error = http::serve(nonsense).unwrap_err();
        assert!(error.is_setting(), "{nonsense}: {error}");
        assert!(
            error.to_string().contains("such as 127.0.0.1:6060"),
            "{error}"
        );
    }
    let error = http::serve("127.0.0.1:0").and_then(|_server| {
        let server = Server::builder().allow_host("http://x/");
        server.serve("127.0.0.1:0")
    });
    assert!(error.unwrap_err().to_string().contains("\"http://x/\""));
}

// ---- Hostile clients
fn server() -> Server {
    http::serve("127.0.0.1:0").unwrap()
}

fn a_page_with_a_name_of_its_own_cannot_read() {
    let server = Server::builder().allow_host("heap.example.org");
    let server = server.serve("127.0.0.1:0");
    let server = server.unwrap();
    let address = server.local_addr();
    let refused = get_as(address, "evil.example:6060", "/debug/pprof/heap");
    assert_eq!(refused.status, 403);
    assert_eq!(refused.header("x-go-pprof"), Some("1"));
    assert!(refused.text().contains("evil.example") && refused.text().contains("allow_host"));
    for host in ["localhost:1", "127.0.0.1", "[::1]:6060", "heap.example.org"] {
        assert_eq!(
            get_as(address, host, "/debug/pprof/heap").status,
            200,
            "{host}"
        );
    }
    let none = send(address, b"GET /heap HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_eq!(none.status, 400);
    let old = send(address, b"GET /heap HTTP/1.0\r\n\r\n");
    assert_eq!(old.status, 200);
    let two =
        b"GET /heap HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(send(address, two).status, 400);
    let url =
        b"GET http://evil.example/heap HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(send(address, url).status, 403);
    // Refused before any of the body is read.
    let early = b"POST /symbol HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 9\r\n\r\n";
    assert_eq!(send(address, early).status, 403);
}

fn heads_and_bodies_without_end_are_refused() {
    let server = server();
    let address = server.local_addr();
    let start = "GET /debug/pprof/heap HTTP/1.1\r\nHost: localhost\r\n";
    let value = "x".repeat(1 << 20);
    let long = format!("{start}X-Long: {value}\r\n\r\n");
    assert_eq!(
        send(address, long.as_bytes()).status,
        431,
        "one long header"
    );
    let many = format!("{start}{}\r\n", "X: y\r\n".repeat(200_000));
    assert_eq!(send(address, many.as_bytes()).status, 431, "many headers");
    let line = format!("GET /{value} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(
        matches!(send(address, line.as_bytes()).status, 414 | 431),
        "a long line"
    );
    let fits = format!(
        "{start}Connection: close\r\nX: {}\r\n\r\n",
        "x".repeat(12 << 10)
    );
    assert_eq!(
        send(address, fits.as_bytes()).status,
        200,
        "a long one that fits"
    );

    // Chunks of 64 KiB, without an end.
    let mut stream = connect(address);
    let head = b"POST /symbol HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head).unwrap();
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 1 << 16], b"\r\n"].concat();
    let mut sending = stream.try_clone().unwrap();
    let sender = thread::spawn(move || while sending.write_all(&chunk).is_ok() {});
    assert_eq!(answer(&mut stream).status, 413);
    drop(stream);
    sender.join().unwrap();
}

fn garbage_is_answered_and_breaks_nothing() {
    let server = server();
    let address = server.local_addr();
    let fine = "GET /debug/pprof/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for garbage in [
        b"\0\x01\x02\x03\r\n\r\n".as_slice(),
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", // TLS
        b"GET / HTTP/1.1\r\nHost: local host\r\nX\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n",
    ] {
        let mut stream = connect(address);
        // After two valid requests, as a client that pipelines would send it.
        stream.write_all(fine.as_bytes()).unwrap();
        stream.write_all(fine.as_bytes()).unwrap();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let all = answer(&mut stream);
        let body = String::from_utf8_lossy(&all.body);
        let fine = body.matches("HTTP/1.1 200 OK\r\n").count() + 1;
        let said = String::from_utf8_lossy(garbage);
        assert_eq!(all.status, 200);
        assert_eq!(fine, 2, "{said}: {body}");
    }
    assert_eq!(send(address, b"nonsense\r\n\r\n").status, 400);
    profile(&get(address, "/debug/pprof/heap"));
}

/// The number of threads of this process with this name.
fn threads(name: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|comm| comm.trim_end() == name).count()
}

/// Waits until `holds` is true, and fails after 120 s.
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "not in 120 s: {what}"
        );
        thread::yield_now();
    }
}

// ---- Slow answers
/// Asks for the difference over 300 seconds, and leaves the connection waiting.
fn ask_for_a_long_delta(address: SocketAddr) -> TcpStream {
    let before = threads("heaptide-answer");
    let mut stream = connect(address);
    let request = b"GET /debug/pprof/heap?seconds=300 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).unwrap();
    eventually("a thread waits", || threads("heaptide-answer") > before);
    stream
}

fn give_up_on_deltas() {
    let server = server();
    let (serving, hyper, end) = hyper_by_hand();
    for address in [server.local_addr(), hyper] {
        let waiting = ask_for_a_long_delta(address);
        // Nobody else waits for it: the runtime, which has one thread, goes on.
        assert_eq!(get(address, "/debug/pprof/").status, 200);
        profile(&get(address, "/debug/pprof/heap?symbolize=0"));
        assert!(threads("heaptide-answer") > 0);
        drop(waiting);
        eventually("the answer ends with its client", || {
            threads("heaptide-answer") == 0
        });
    }
    let mut waiting = ask_for_a_long_delta(server.local_addr());
    server.shutdown();
    let answer = answer(&mut waiting);
    assert_eq!(answer.status, 503);
    assert_eq!(answer.text(), "the server ends\n");
    eventually("the answers end with the server", || {
        threads("heaptide-answer") == 0
    });
    end.send(()).unwrap();
    serving.join().unwrap();
}

fn an_answer_that_takes_long_holds_up_nobody_and_ends_with_who_asked() {
    assert_runs("deltas");
}

fn a_token_opens_an_address_to_other_machines() {
    let endpoints = Endpoints::builder().token("a long random word").build();
    let server = Server::builder().endpoints(endpoints.clone());
    let server = server.serve("0.0.0.0:0").unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], server.local_addr().port()));
    let refused = get(address, "/debug/pprof/heap");
    assert_eq!(refused.status, 401);
    let shown = b"GET /debug/pprof/heap HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
        Authorization: Bearer a long random word\r\n\r\n";
    profile(&send(address, shown));
    // A request without the token is refused before its body is read, with no other words.
    let body = b"POST /symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n";
    assert_eq!(send(address, body).status, 401);
    let (_runtime, address) = host(|app| {
        app.route_service("/route", endpoints.service())
            .nest_service("/service", endpoints.service())
    });
    for path in ["/route", "/service", "/service/"] {
        assert_eq!(get(address, path).status, 401, "{path}");
    }
}

fn all_addresses_of_a_large_profile_are_asked_for_at_once() {
    let server = server();
    // In the form that pprof sends. None is in this program's code, which would take long without
    // the optimizer.
    let addresses: Vec<String> = (0..1 << 16)
        .map(|at| format!("{:#x}", 0x7000_0000_0000_u64 + at))
        .collect();
    let body = addresses.join("+");
    assert!(body.len() > 900_000);
    let request = format!(
        "POST /debug/pprof/symbol HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
        Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = send(server.local_addr(), request.as_bytes());
    assert_eq!((answer.status, answer.text()), (200, "num_symbols: 1\n"));
}

fn many_clients_get_a_profile_or_are_told_to_come_later() {
    // In its own process, because memory of other tests would count.
    assert_runs("load");
}

// ---- In processes of their own
/// Runs one of the functions below in a process of its own.
fn process(role: &str) -> Command {
    let mut command = roles::command(role);
    command.env_remove("HEAPTIDE_HTTP");
    command
}

fn assert_succeeds(mut process: Command) -> Output {
    let output = process.output().unwrap();
    assert!(output.status.success(), "{process:?}: {output:#?}");
    output
}

fn assert_runs(role: &str) {
    assert_succeeds(process(role));
}

fn play(role: &str) {
    match role {
        "environment" => print_what_the_environment_starts(),
        "fork" => fork_with_a_server(),
        "deltas" => give_up_on_deltas(),
        "threads" => count_threads(),
        "no-threads" => ask_where_no_thread_can_be_started(),
        "own-memory" => look_at_its_own_memory(),
        "load" => ask_with_many_clients(),
        role => panic!("no role {role}"),
    }
}

fn ask_with_many_clients() {
    let server = server();
    for heap in [None, Some(server.local_addr())] {
        let seen = http_load::run(64, Duration::from_secs(3), heap);
        let others: Vec<_> = seen
            .statuses
            .keys()
            .filter(|status| !matches!(status, 200 | 429))
            .collect();
        assert!(others.is_empty(), "{:?}", seen.statuses);
        assert!(
            seen.statuses[&200] > 0 && seen.statuses[&429] > 0,
            "{:?}",
            seen.statuses
        );
        // It gets 100 requests a second, and answers 30 on a machine that is this busy. If its
        // threads made profiles, it would answer one in all.
        let answered = seen.latencies.len();
        let half = seen.quantile(500);
        assert!(
            answered > 3,
            "{answered} answers of the service, half within {half:?}, kB resident {:?}",
            seen.resident_kb
        );
        // 260 to 350 kB are live then. A profile has some 100 kB, and there are 1,500 answers.
        let live = LIVE.load(Relaxed);
        assert!(live < 800_000, "{live} bytes are live");
    }
}

fn print_what_the_environment_starts() {
    match http::serve_from_env() {
        Ok(None) => println!("said: nothing"),
        Ok(Some(server)) => {
            profile(&get(server.local_addr(), "/debug/pprof/heap"));
            println!("said: served");
        }
        Err(error) => println!("said: {error}"),
    }
}

fn the_environment_decides_where_it_is_asked_to() {
    let said_of = |variable: Option<&OsStr>| {
        let mut process = process("environment");
        process.envs(variable.map(|value| ("HEAPTIDE_HTTP", value)));
        let output = assert_succeeds(process);
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.split_once("said: "));
        line.unwrap().1.to_owned()
    };
    let said = |variable: Option<&str>| said_of(variable.map(OsStr::new));
    assert_eq!(said(None), "nothing");
    assert_eq!(said(Some("")), "nothing");
    assert_eq!(said(Some("127.0.0.1:0")), "served");
    let bad = said(Some("6060"));
    assert!(bad.starts_with("HEAPTIDE_HTTP=6060: "), "{bad}");
    assert!(bad.contains("such as 127.0.0.1:6060"), "{bad}");
    let open = said(Some("0.0.0.0:6060"));
    assert!(open.starts_with("HEAPTIDE_HTTP=0.0.0.0:6060: "), "{open}");
    assert!(open.contains("allow_any_address"), "{open}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let in_use = said(Some(&address.to_string()));
    assert!(
        in_use.starts_with(&format!("HEAPTIDE_HTTP={address}: ")),
        "{in_use}"
    );
    assert!(in_use.contains("another server has the port"), "{in_use}");
    let no_text = said_of(Some(OsStr::from_bytes(b"127.0.0.1:\xff")));
    assert!(no_text.starts_with("HEAPTIDE_HTTP=127.0.0.1:"), "{no_text}");
    assert!(no_text.contains("such as 127.0.0.1:6060"), "{no_text}");
}

/// Its process starts with a stack size for threads that no machine has room for.
fn ask_where_no_thread_can_be_started() {
    let mut service = http::service();
    let mut ask = |path: &str| {
        let request = ::http::Request::get(path).body(Full::<Bytes>::default());
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(service.call(request.unwrap())).unwrap()
    };
    for _ in 0..20 {
        let refused = ask("/debug/pprof/heap");
        assert_eq!(
            refused.status(),
            503,
            "no place in the queue is kept: the status is not 429"
        );
        assert_eq!(refused.headers()["retry-after"], "1");
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(refused.into_body().collect()).unwrap();
        let body = body.to_bytes();
        assert!(
            body.starts_with(b"could not start a thread for the profile: "),
            "{body:?}"
        );
    }
    assert_eq!(ask("/debug/pprof/").status(), 200);
}

fn who_asks_while_no_thread_can_be_started_is_told_to_come_later() {
    let mut process = process("no-threads");
    // The main thread, which plays the role, has its stack already.
    process.env("RUST_MIN_STACK", (1_u64 << 47).to_string());
    assert_succeeds(process);
}

/// The threads of the program before, with, and after a server.
fn count_threads() {
    assert_eq!(threads("heaptide-http"), 0);
    let server = server();
    let address = server.local_addr();
    let mut idle = connect(address);
    idle.write_all(b"GET /debug/pprof/heap HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    profile(&get(address, "/debug/pprof/heap"));
    // A new thread has the name of its parent for a moment.
    eventually("it has one thread", || threads("heaptide-http") == 1);
    // No socket is inherited by other programs, which would keep the port in use.
    let files = Command::new("/bin/sh")
        .args(["-c", "ls -l /proc/self/fd"])
        .output();
    let files = String::from_utf8(files.unwrap().stdout).unwrap();
    assert!(
        files.contains("/fd") && !files.contains("socket:"),
        "{files}"
    );
    server.shutdown();
    eventually("its thread ends", || threads("heaptide-http") == 0);
    eventually("answers end", || threads("heaptide-answer") == 0);
}

fn its_thread_ends_with_it_and_its_sockets_stay_in_the_process() {
    assert_runs("threads");
}

/// Waits for a forked child. Returns how it ended.
fn wait(pid: libc::pid_t) -> i32 {
    let mut status = 0;
    let start = Instant::now();
    loop {
        // SAFETY: `pid` is a child of this process and `status` a local.
        let ended = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) };
        if ended == pid {
            return status;
        }
        if start.elapsed() > Duration::from_secs(60) {
            // SAFETY: our own child, not yet waited for.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        thread::yield_now();
    }
}

fn fork_with_a_server() {
    let server = server();
    let address = server.local_addr();
    let mut idle = connect(address);
    idle.write_all(b"GET /debug/pprof/heap HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    // SAFETY: the children make only calls that this test checks in a child.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let result = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            // The server of the parent still answers.
            assert_eq!(get(address, "/debug/pprof/").status, 200);
            let start = Instant::now();
            drop(server);
            // At once, without the 5 s wait for a thread that does not exist in the child.
            assert!(start.elapsed() < Duration::from_secs(4));
            assert_eq!(get(address, "/debug/pprof/").status, 200);
            let own = http::serve("127.0.0.1:0").unwrap();
            profile(&get(own.local_addr(), "/debug/pprof/heap"));
            own.shutdown();
        }));
        std::process::exit(i32::from(result.is_err()));
    }
    assert_eq!(wait(pid), 0);
    profile(&get(address, "/debug/pprof/heap"));

    // This child lives on with the files that it has inherited.
    // SAFETY: as above.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        drop(writer);
        // The result does not matter: it returns when the parent closes its end.
        let _ = std::io::Read::read(&mut &reader, &mut [0]);
        std::process::exit(0);
    }
    server.shutdown();
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let again = http::serve(address).unwrap();
    assert_eq!(get(again.local_addr(), "/debug/pprof/").status, 200);
    drop(writer);
    assert_eq!(wait(pid), 0);
}

fn a_forked_child_has_no_server_and_does_not_keep_the_port() {
    assert_runs("fork");
}

fn look_at_its_own_memory() {
    let kept = black_box(vec![1u8; 1000]);
    let server = server();
    let mut last = None;
    for _ in 0..5 {
        assert_eq!(get(server.local_addr(), "/debug/pprof/").status, 200);
        last = Some(profile(&get(server.local_addr(), "/debug/pprof/allocs")));
    }
    let last = last.unwrap();
    let with = |parts: &[&str]| -> Vec<String> {
        let names = last
            .functions
            .iter()
            .map(|function| function.name.to_string());
        names
            .filter(|name| parts.iter().any(|part| name.contains(part)))
            .collect()
    };
    assert!(
        !with(&["look_at_its_own_memory"]).is_empty(),
        "the profile has the allocations of this function"
    );
    // This test itself reads profiles, by `heaptide::pprof`.
    let found = with(&["heaptide::http::", "hyper::", "tokio::"]);
    assert!(found.is_empty(), "{found:#?}");
    drop(kept);
}

fn its_own_memory_is_not_in_what_it_serves() {
    let mut process = process("own-memory");
    process.env("HEAPTIDE_SAMPLE_INTERVAL", "1");
    assert_succeeds(process);
}

fn main() -> ExitCode {
    let tests = roles::tests![
        a_service_serves_where_it_is_nested,
        a_service_serves_the_routes_it_is_given,
        a_service_serves_as_a_fallback,
        a_mounted_service_checks_the_host_only_if_asked,
        a_service_needs_nothing_but_hyper,
        a_program_without_a_runtime_is_served_and_one_inside_of_a_runtime_too,
        servers_have_ports_of_their_own_and_give_them_back,
        other_machines_are_served_only_if_that_is_said,
        what_is_no_address_is_named_with_what_would_be,
        a_page_with_a_name_of_its_own_cannot_read,
        heads_and_bodies_without_end_are_refused,
        garbage_is_answered_and_breaks_nothing,
        an_answer_that_takes_long_holds_up_nobody_and_ends_with_who_asked,
        a_token_opens_an_address_to_other_machines,
        all_addresses_of_a_large_profile_are_asked_for_at_once,
        many_clients_get_a_profile_or_are_told_to_come_later =
            "loads all cores for 6 s (no package is needed); benches/http_load.rs measures",
        the_environment_decides_where_it_is_asked_to,
        who_asks_while_no_thread_can_be_started_is_told_to_come_later,
        its_thread_ends_with_it_and_its_sockets_stay_in_the_process,
        a_forked_child_has_no_server_and_does_not_keep_the_port,
        its_own_memory_is_not_in_what_it_serves,
    ];
    roles::main(play, tests)
}
