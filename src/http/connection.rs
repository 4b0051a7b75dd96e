//! The clients of the stand-alone server, held to its limits from the first byte to the last.
//!
//! hyper bounds a request's head. One deadline bounds the rest: the time for the body, for the
//! answer, and for the client to take the answer. It moves on as the request does.

use super::limits::{self, ACCEPT_PAUSE, BODY_TIME, FAREWELL_TIME, FOREVER, HEAD_TIME};
use super::limits::{KEEPALIVE_AFTER, KEEPALIVE_INTERVAL, MAX_CONNECTIONS, MAX_HEAD_BYTES};
use super::reply::{self, Reply};
use super::service::Service;
use ::http::{Request, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use std::{convert::Infallible, net::Shutdown, pin::pin, sync::Arc, time::Duration};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{self, Instant};
use tokio::{io::AsyncReadExt, select};

/// Becomes true when the server ends. Its sender may also be dropped.
type ServerEnd = watch::Receiver<bool>;

/// Returns when the server ends.
async fn ended(mut end: ServerEnd) {
    // An error says that the sender was dropped, which is an end too.
    let _ = end.wait_for(|ends| *ends).await;
}

/// For one connection too many, before any of it is read.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n\
    x-content-type-options: nosniff\r\nx-go-pprof: 1\r\nretry-after: 1\r\ncontent-length: 35\r\n\
    connection: close\r\n\r\ntoo many connections to the server\n";

/// Serves until the end; then accepts no more connections, and gives those under way some time.
pub(super) async fn accept(
    listener: TcpListener,
    service: Service,
    answer: Duration,
    end: ServerEnd,
) {
    let served = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let refused = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = select! {
            biased;
            accepted = listener.accept() => accepted,
            () = ended(end.clone()) => break,
        };
        let Ok((stream, _client)) = accepted else {
            // The error concerns one connection, or the whole process, and other parts report that.
            time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        prepare(&stream);
        if let Ok(permit) = Arc::clone(&served).try_acquire_owned() {
            let (service, end) = (service.clone(), end.clone());
            tokio::spawn(async move {
                run(stream, service, answer, end).await;
                drop(permit);
            });
        } else if let Ok(permit) = Arc::clone(&refused).try_acquire_owned() {
            tokio::spawn(async move {
                // The buffer is empty, so the text fits, unless the client has gone.
                let _ = stream.try_write(FULL);
                part(stream).await;
                drop(permit);
            });
        }
    }
    // A forked child holds the socket too: closing it alone would not free the port. A failure
    // changes nothing about that.
    let _ = SockRef::from(&listener).shutdown(Shutdown::Both);
    drop(listener);
    let all = u32::try_from(MAX_CONNECTIONS).unwrap_or(u32::MAX);
    // Connections that take longer end with the runtime.
    let _ = time::timeout(2 * FAREWELL_TIME, served.acquire_many(all)).await;
}

/// Sends each answer at once, and probes silent clients.
fn prepare(stream: &TcpStream) {
    // Both fail only if the client has gone already.
    let _ = stream.set_nodelay(true);
    let probes = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_INTERVAL);
    let _ = SockRef::from(stream).set_tcp_keepalive(&probes);
}

/// Serves one connection until it ends, and closes it.
async fn run(stream: TcpStream, service: Service, answer_time: Duration, end: ServerEnd) {
    let answer_time = answer_time.min(FOREVER);
    let whole = HEAD_TIME + BODY_TIME + answer_time + FAREWELL_TIME;
    let (deadline, mut moved) = watch::channel(Instant::now() + whole);
    let request_end = end.clone();
    let respond = service_fn(move |request| {
        deadline.send_replace(Instant::now() + whole);
        let (service, deadline, end) = (service.clone(), deadline.clone(), request_end.clone());
        Box::pin(async move {
            let reply = answer(&service, answer_time, end, request).await;
            deadline.send_replace(Instant::now() + limits::taking_time(reply.body().len()));
            Ok::<_, Infallible>(reply.map(Full::<Bytes>::new))
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), respond);

    let mut server_end = pin!(ended(end));
    let mut is_ending = false;
    let is_in_time = loop {
        let deadline = *moved.borrow_and_update();
        select! {
            biased;
            () = &mut server_end, if !is_ending => {
                is_ending = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            // However it ended, it has.
            _ = &mut connection => break true,
            Ok(()) = moved.changed() => {}
            () = time::sleep_until(deadline) => break false,
        }
    };

    let stream = connection.into_parts().io.into_inner();
    if is_in_time {
        part(stream).await;
    } else {
        // Otherwise the kernel would hold for minutes what this client does not take. It fails only
        // if the client has gone.
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
}

async fn answer(
    service: &Service,
    answer_time: Duration,
    end: ServerEnd,
    request: Request<Incoming>,
) -> Reply {
    if let Some(refusal) = service.refuse(&request) {
        return refusal;
    }
    let request = match time::timeout(BODY_TIME, service.read(request)).await {
        Ok(Ok(request)) => request,
        Ok(Err(reply)) => return reply,
        Err(_elapsed) => {
            let why = "the request's body took too long to arrive";
            return reply::error(StatusCode::REQUEST_TIMEOUT, why);
        }
    };
    // Answers that are nearly made are still given.
    let server_end = async {
        ended(end).await;
        time::sleep(FAREWELL_TIME).await;
    };
    let why = select! {
        biased;
        reply = service.answer(request) => return reply,
        () = server_end => "the server ends",
        () = time::sleep(answer_time) => "the profile took too long to make",
    };
    reply::later(StatusCode::SERVICE_UNAVAILABLE, why)
}

/// Closes a connection once the client has seen its end, or after some time. Closing at once, with
/// bytes of the client's unread, would take the last answer away from it.
async fn part(mut stream: TcpStream) {
    // It fails if the client has gone.
    if SockRef::from(&stream).shutdown(Shutdown::Write).is_ok() {
        let mut unread = [0; 4096];
        let read = async { while matches!(stream.read(&mut unread).await, Ok(1..)) {} };
        // Whether it took too long does not matter: the stream is closed now.
        let _ = time::timeout(FAREWELL_TIME, read).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Endpoints, Server};
    use std::{
        io::{ErrorKind, Read, Write},
        net::{self, SocketAddr},
    };
    use tokio::{io::AsyncWriteExt, runtime, task::yield_now};

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const PARTIAL_POST: &[u8] =
        b"POST /symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n0x1";

    /// Runs a client beside a server. A paused clock jumps to the next timeout
    /// whenever both of them wait.
    fn with_server(is_paused: bool, client: impl AsyncFnOnce(SocketAddr)) {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(is_paused)
            .build();
        runtime.unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (_end, ends) = watch::channel(false);
            let service = Endpoints::builder().build().service();
            tokio::spawn(accept(listener, service, limits::ANSWER_TIME, ends));
            client(address).await;
        });
    }

    async fn sent(address: SocketAddr, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// All that comes until the server closes.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[test]
    fn a_head_that_trickles_in_is_cut_off() {
        with_server(true, async |address| {
            let head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ";
            let (mut reading, mut writing) = sent(address, head).await.into_split();
            let trickle = tokio::spawn(async move {
                // Each byte would keep a timeout alive that starts anew with every byte.
                while writing.write_all(b"x").await.is_ok() {
                    time::sleep(Duration::from_secs(1)).await;
                }
            });
            let mut bytes = [0; 100];
            let read = reading.read(&mut bytes).await;
            let is_closed = match &read {
                Ok(length) => *length == 0,
                Err(error) => error.kind() == ErrorKind::ConnectionReset,
            };
            assert!(is_closed, "{read:?}");
            trickle.await.unwrap();
        });
    }

    #[test]
    fn a_connection_without_requests_ends() {
        with_server(true, async |address| {
            let mut silent = sent(address, b"").await;
            assert_eq!(rest(&mut silent).await, "");
            let mut kept = sent(address, GET).await;
            let answer = rest(&mut kept).await;
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        });
    }

    #[test]
    fn a_body_that_does_not_come_gets_408() {
        with_server(true, async |address| {
            let answer = rest(&mut sent(address, PARTIAL_POST).await).await;
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        });
    }

    #[test]
    fn a_client_that_takes_no_answers_is_cut_off() {
        with_server(true, async |address| {
            let stream = sent(address, b"").await;
            let requests = GET.repeat(1000);
            let mut blocked = 0;
            // The kernel takes a few megabytes before the server's writes, and then ours, block.
            let error = loop {
                match stream.try_write(&requests) {
                    Err(error) if error.kind() != ErrorKind::WouldBlock => break error,
                    Err(_) if blocked > 10_000 => time::advance(Duration::from_secs(1)).await,
                    result => blocked = if result.is_ok() { 0 } else { blocked + 1 },
                }
                yield_now().await;
            };
            let cut = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
            assert!(cut.contains(&error.kind()), "{error:?}");
        });
    }

    #[test]
    fn one_connection_too_many_gets_503_until_another_one_ends() {
        with_server(false, async |address| {
            let mut kept = Vec::new();
            for _ in 0..MAX_CONNECTIONS {
                let mut stream = sent(address, GET).await;
                let mut start = [0; 17];
                stream.read_exact(&mut start).await.unwrap();
                assert_eq!(&start, b"HTTP/1.1 200 OK\r\n");
                kept.push(stream);
            }
            let ask = async || {
                let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
                rest(&mut sent(address, request).await).await
            };
            let refused = ask().await;
            assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
            assert!(refused.contains("retry-after: 1\r\n"), "{refused}");
            drop(kept.pop());
            // The server notices it with its next look at its connections.
            while !ask().await.starts_with("HTTP/1.1 200 OK\r\n") {}
        });
    }

    #[test]
    fn the_end_of_the_server_ends_its_connections_and_frees_the_port() {
        let server = Server::builder().serve("127.0.0.1:0").unwrap();
        let address = server.local_addr();
        let connect = |request: &[u8]| {
            let mut stream = net::TcpStream::connect(address).unwrap();
            let timeout = Some(Duration::from_secs(8));
            stream.set_read_timeout(timeout).unwrap();
            stream.write_all(request).unwrap();
            stream
        };
        let mut idle = connect(GET);
        let mut start = [0; 17];
        idle.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200 OK\r\n");
        let mut busy = connect(PARTIAL_POST);
        server.shutdown();
        let mut rest = String::new();
        idle.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("</html>\n"), "{rest}");
        // It is cut off, with bytes unread: an end or a reset.
        let mut bytes = [0; 100];
        assert!(!matches!(busy.read(&mut bytes), Ok(1..)));
        let refused = net::TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        drop(net::TcpListener::bind(address).unwrap());
    }

    #[test]
    fn the_refusal_has_the_length_of_its_body() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
    }
}
