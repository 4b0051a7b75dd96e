//! Slow answers, large requests, many clients, and a machine that cannot start a thread.

use crate::{
    LIVE, assert_runs, assert_succeeds, eventually, http_load,
    plain_client::{answer, connect, get, send},
    process_for, profile, server,
    service::hyper_by_hand,
    threads,
};
use bytes::Bytes;
use heaptide::http;
use http_body_util::{BodyExt, Full};
use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};
use tokio::runtime;
use tower_service::Service as _;

/// Asks for the difference over 300 seconds, and leaves the connection waiting.
fn ask_for_a_long_delta(address: SocketAddr) -> TcpStream {
    let before = threads("heaptide-answer");
    let mut stream = connect(address);
    let request = b"GET /debug/pprof/heap?seconds=300 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).unwrap();
    eventually("a thread waits", || threads("heaptide-answer") > before);
    stream
}

pub(crate) fn give_up_on_deltas() {
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

pub(crate) fn a_slow_answer_blocks_nobody_and_ends_with_its_client() {
    assert_runs("deltas");
}

pub(crate) fn one_request_asks_for_all_addresses_of_a_large_profile() {
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

pub(crate) fn ask_with_many_clients() {
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

pub(crate) fn many_clients_get_a_profile_or_are_told_to_come_later() {
    // In its own process, because memory of other tests would count.
    assert_runs("load");
}

/// Its process starts with a stack size for threads that no machine has room for.
pub(crate) fn ask_where_no_thread_can_be_started() {
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

pub(crate) fn a_request_is_told_to_retry_if_no_thread_can_be_started() {
    let mut process = process_for("no-threads");
    // The main thread, which plays the role, has its stack already.
    process.env("RUST_MIN_STACK", (1_u64 << 47).to_string());
    assert_succeeds(process);
}
