//! One client of the stand-alone server, held to the limits from the first byte to the last.
//!
//! What hyper bounds itself (a request's head) is set up here; what it does not (the time for a body, for an
//! answer, and for the client to take it) is one deadline, which moves on as a request does.

use super::{
    limits::Limits,
    reply::{self, Reply},
    service::Service,
};
use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    net::Shutdown,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{self, Instant},
};

/// Longer than any process lives, and short enough to be added to a moment.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Becomes true, or is dropped by who could say so, when the server ends.
pub(super) type End = watch::Receiver<bool>;

pub(super) async fn ended(mut end: End) {
    // Whether it was said or can no longer be is all the same.
    let _said = end.wait_for(|ends| *ends).await.is_ok();
}

/// What the first of two comes to; the other is dropped.
pub(super) async fn first<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Pending => other.as_mut().poll(context),
        ready => ready,
    })
    .await
}

/// When the connection is cut; moved by the request that is under way.
#[derive(Clone, Debug)]
struct Deadline(Arc<Mutex<Instant>>);

impl Deadline {
    fn get(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, time: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + time;
    }
}

/// Serves one connection until it ends, and closes it.
pub(super) async fn run(stream: TcpStream, service: Service, limits: Limits, end: End) {
    // A `seconds` without bound is one.
    let whole = (limits.head + limits.body + limits.farewell).saturating_add(limits.answer);
    let whole = whole.min(FOR_EVER);
    let deadline = Deadline(Arc::new(Mutex::new(Instant::now() + whole)));
    let (due, ends) = (deadline.clone(), end.clone());
    let respond = service_fn(move |request| {
        due.set(whole);
        let (service, due, ends) = (service.clone(), due.clone(), ends.clone());
        Box::pin(async move {
            let reply = answer(&service, &limits, ends, request).await;
            due.set(limits.taking(reply.body().len()));
            Ok::<Response<_>, Infallible>(reply.map(Full::<Bytes>::new))
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.head_bytes.max(8 << 10))
        .serve_connection(TokioIo::new(stream), respond);

    let mut end = Some(Box::pin(ended(end)));
    let mut clock = Box::pin(time::sleep_until(deadline.get()));
    let in_time = poll_fn(|context| {
        if end
            .as_mut()
            .is_some_and(|end| end.as_mut().poll(context).is_ready())
        {
            end = None;
            Pin::new(&mut connection).graceful_shutdown();
        }
        // An error is the client's: it has been answered as far as it can be.
        if connection.poll_without_shutdown(context).is_ready() {
            return Poll::Ready(true);
        }
        let due = deadline.get();
        if clock.deadline() != due {
            clock.as_mut().reset(due);
        }
        clock.as_mut().poll(context).map(|()| false)
    })
    .await;

    let stream = connection.into_parts().io.into_inner();
    if in_time {
        part(&stream, limits.farewell).await;
    } else {
        // So that the kernel does not hold for minutes what this client does not take.
        let _gone = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
}

async fn answer(service: &Service, limits: &Limits, end: End, request: Request<Incoming>) -> Reply {
    if let Some(refusal) = service.refuse(&request) {
        return refusal;
    }
    let request = match time::timeout(limits.body, service.read(request)).await {
        Ok(Ok(request)) => request,
        Ok(Err(reply)) => return reply,
        Err(_late) => {
            let why = "the request's body took too long to arrive";
            return reply::error(StatusCode::REQUEST_TIMEOUT, why);
        }
    };
    let too_late = async {
        let ends = async {
            ended(end).await;
            // What is nearly done is done.
            time::sleep(limits.farewell).await;
            "the server ends"
        };
        let takes_long = async {
            time::sleep(limits.answer.min(FOR_EVER)).await;
            "the profile took too long to make"
        };
        reply::later(
            StatusCode::SERVICE_UNAVAILABLE,
            first(ends, takes_long).await,
        )
    };
    first(service.answer(request), too_late).await
}

/// Says that nothing more comes, and waits a little until the client has seen it: closing at once, with
/// bytes of theirs unread, would take the last answer away from them.
pub(super) async fn part(stream: &TcpStream, patience: Duration) {
    if SockRef::from(stream).shutdown(Shutdown::Write).is_err() {
        return; // They are gone.
    }
    let unread = async {
        let mut bytes = [0; 4096];
        while stream.readable().await.is_ok() {
            match stream.try_read(&mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_gone) => break,
            }
        }
    };
    let _gone_or_late = time::timeout(patience, unread).await.is_ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Endpoints, Server};
    use std::{
        io::{Read, Write},
        net, thread,
    };

    /// Long for a client of this test, and much less than a client's time by default.
    const LONG: Duration = Duration::from_secs(8);

    fn served(limits: Limits) -> Server {
        let endpoints = Endpoints::builder().build();
        endpoints
            .server()
            .limits(limits)
            .serve("127.0.0.1:0")
            .unwrap()
    }

    fn connect(server: &Server) -> net::TcpStream {
        let stream = net::TcpStream::connect(server.local_addr()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        stream
    }

    /// All that comes until the server closes; it fails if that takes long.
    fn rest(stream: &mut net::TcpStream) -> String {
        let mut bytes = Vec::new();
        stream
            .read_to_end(&mut bytes)
            .expect("the server closes in time");
        String::from_utf8(bytes).unwrap()
    }

    /// The head of an answer, and its body as far as it is there.
    fn head(stream: &mut net::TcpStream) -> String {
        let mut bytes = vec![0; 16 << 10];
        let length = stream.read(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    fn short() -> Duration {
        Duration::from_millis(200)
    }

    #[test]
    fn a_head_that_trickles_in_is_not_waited_for() {
        let server = served(Limits {
            head: short(),
            ..Limits::default()
        });
        let mut stream = connect(&server);
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
            .unwrap();
        let mut slow = stream.try_clone().unwrap();
        let trickle = thread::spawn(move || {
            // Each byte would keep a clock alive that begins anew with it.
            while slow.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        });
        let mut bytes = [0; 100];
        let read = stream.read(&mut bytes);
        let is_closed = match &read {
            Ok(length) => *length == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        };
        assert!(is_closed, "{read:?}");
        trickle.join().unwrap();
    }

    #[test]
    fn a_connection_without_requests_ends() {
        let server = served(Limits {
            // Longer than a client that is about to ask may be held up.
            head: 10 * short(),
            ..Limits::default()
        });
        let mut silent = connect(&server);
        assert_eq!(rest(&mut silent), "");
        let mut kept = connect(&server);
        kept.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let answer = rest(&mut kept);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }

    #[test]
    fn a_body_that_does_not_come_is_not_waited_for() {
        let server = served(Limits {
            body: short(),
            ..Limits::default()
        });
        let mut stream = connect(&server);
        stream
            .write_all(b"POST /symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n0x1")
            .unwrap();
        let answer = rest(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }

    #[test]
    fn a_client_that_takes_no_answers_is_cut_off() {
        let server = served(Limits {
            taking: short(),
            ..Limits::default()
        });
        let mut stream = connect(&server);
        let requests = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1000);
        // The kernel takes a few megabytes before the server's writes, and then ours, do not go on.
        let error = loop {
            if let Err(error) = stream.write_all(&requests) {
                break error;
            }
        };
        let cut = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        assert!(cut.contains(&error.kind()), "{error:?}");
    }

    #[test]
    fn one_connection_too_many_is_told_so_until_there_is_room() {
        let server = served(Limits {
            connections: 2,
            ..Limits::default()
        });
        let mut kept: Vec<_> = (0..2)
            .map(|_| {
                let mut stream = connect(&server);
                stream
                    .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    .unwrap();
                assert!(head(&mut stream).starts_with("HTTP/1.1 200 OK\r\n"));
                stream
            })
            .collect();
        let ask = || {
            let mut stream = connect(&server);
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .unwrap();
            rest(&mut stream)
        };
        let refused = ask();
        assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
        assert!(refused.contains("retry-after: 1\r\n"), "{refused}");
        drop(kept.pop());
        // It is noticed as soon as the server's thread looks.
        while !ask().starts_with("HTTP/1.1 200 OK\r\n") {}
    }

    #[test]
    fn the_end_of_the_server_is_the_end_of_its_connections_and_of_the_port() {
        let server = served(Limits::default());
        let address = server.local_addr();
        let mut idle = connect(&server);
        idle.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        assert!(head(&mut idle).starts_with("HTTP/1.1 200 OK\r\n"));
        let mut busy = connect(&server);
        busy.write_all(b"POST /symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n0x1")
            .unwrap();
        server.shutdown();
        assert_eq!(rest(&mut idle), "");
        // Cut off, with bytes unread: an end or a reset.
        let mut bytes = [0; 100];
        assert!(!matches!(busy.read(&mut bytes), Ok(1..)));
        let refused = net::TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        drop(net::TcpListener::bind(address).unwrap());
    }
}
