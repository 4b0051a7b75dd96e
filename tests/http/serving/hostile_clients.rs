//! Requests that no friendly client sends: foreign hosts, endless heads and bodies, garbage.

use crate::{
    plain_client::{answer, connect, get, get_as, send},
    profile, server,
};
use heaptide::http::Server;
use std::{io::Write, thread};

pub(crate) fn a_foreign_host_name_is_refused() {
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

pub(crate) fn endless_heads_and_bodies_are_refused() {
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

pub(crate) fn garbage_is_answered_and_breaks_nothing() {
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
