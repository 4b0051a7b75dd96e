//! The service inside of other servers: nested, as routes, as a fallback, and in plain hyper.

use crate::{
    plain_client::{get, get_as, send},
    profile,
};
use axum::{Router, routing};
use heaptide::http;
use std::{
    net::{SocketAddr, TcpListener},
    thread,
};
use tokio::runtime::{self, Runtime};
use tower_service::Service as _;

/// A host with routes and a 404 of its own, served on loopback until the runtime is dropped.
pub(crate) fn host(add: impl FnOnce(Router) -> Router) -> (Runtime, SocketAddr) {
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

pub(crate) fn a_service_serves_where_it_is_nested() {
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

pub(crate) fn a_service_serves_the_routes_it_is_given() {
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

pub(crate) fn a_service_serves_as_a_fallback() {
    let (_runtime, address) = host(|app| {
        let fallback = Router::new().fallback_service(http::service());
        app.nest("/internal", fallback)
    });
    assert_serves(address, "/internal/debug/pprof");
    assert_bare_prefix_redirects(address, "/internal/debug/pprof");
    assert_left_alone(address);
}

pub(crate) fn a_mounted_service_checks_the_host_only_if_asked() {
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
pub(crate) fn hyper_by_hand() -> (
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

pub(crate) fn a_service_needs_nothing_but_hyper() {
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
