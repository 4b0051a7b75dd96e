//! All clients of the stand-alone server: which connections are accepted, and how they end with it.

use super::connection;
use super::limits::{ACCEPT_PAUSE, FAREWELL_TIME, MAX_CONNECTIONS};
use super::limits::{KEEPALIVE_AFTER, KEEPALIVE_INTERVAL};
use super::service::Service;
use socket2::{SockRef, TcpKeepalive};
use std::{net::Shutdown, sync::Arc, time::Duration};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::{select, time};

/// Becomes true when the server ends. Its sender may also be dropped.
pub(super) type ServerEnd = watch::Receiver<bool>;

/// Returns when the server ends.
pub(super) async fn ended(mut end: ServerEnd) {
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
                connection::run(stream, service, answer, end).await;
                drop(permit);
            });
        } else if let Ok(permit) = Arc::clone(&refused).try_acquire_owned() {
            tokio::spawn(async move {
                // The buffer is empty, so the text fits, unless the client has gone.
                let _ = stream.try_write(FULL);
                connection::part(stream).await;
                drop(permit);
            });
        }
    }
    // A forked child holds the socket too: closing it alone would not free the port. A failure changes
    // nothing about that.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_has_the_length_of_its_body() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
    }
}
