//! All clients of the stand-alone server: who is let in, and how they part when it ends.

use super::{
    connection::{self, End},
    limits::Limits,
    service::Service,
};
use socket2::{SockRef, TcpKeepalive};
use std::{net::Shutdown, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time,
};

/// For the one connection too many, before anything of it is read.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\n\
    x-content-type-options: nosniff\r\nx-go-pprof: 1\r\nretry-after: 1\r\ncontent-length: 35\r\n\
    connection: close\r\n\r\ntoo many connections to the server\n";

/// When nothing can be accepted, for want of file descriptors as a rule, until the next try.
const PAUSE: Duration = Duration::from_millis(50);

/// A client that has vanished without a word is noticed after this and ten questions, 5 s apart.
const SILENCE: Duration = Duration::from_secs(15);

/// Serves until told to end; then takes no more connections, and gives those there are a moment.
pub(super) async fn accept(listener: TcpListener, service: Service, limits: Limits, end: End) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let doorstep = Arc::new(Semaphore::new(limits.connections));
    loop {
        let next = async { Some(listener.accept().await) };
        let end_said = async {
            connection::ended(end.clone()).await;
            None
        };
        let stream = match connection::first(next, end_said).await {
            None => break,
            Some(Ok((stream, _client))) => stream,
            // It concerns that connection or the whole process, whose other parts say so; here one waits.
            Some(Err(_error)) => {
                time::sleep(PAUSE).await;
                continue;
            }
        };
        prepare(&stream);
        if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
            let (service, end) = (service.clone(), end.clone());
            tokio::spawn(async move {
                connection::run(stream, service, limits, end).await;
                drop(place);
            });
        } else if let Ok(place) = Arc::clone(&doorstep).try_acquire_owned() {
            tokio::spawn(async move {
                // Into an empty buffer: it fits, or the client is gone.
                let _told = stream.try_write(FULL);
                connection::part(&stream, limits.farewell).await;
                drop(place);
            });
        }
    }
    // Not closed only: a forked child holds the socket too, and would keep the port from being bound again.
    let _closed = SockRef::from(&listener).shutdown(Shutdown::Both);
    drop(listener);
    let everyone = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let parting = room.acquire_many(everyone);
    // Who is not done by then is cut off with the runtime.
    let _done_or_late = time::timeout(2 * limits.farewell, parting).await.is_ok();
}

/// An answer goes out at once, and who is silent is asked now and then whether they are there. Either
/// fails only where the client is gone already.
fn prepare(stream: &TcpStream) {
    let _gone = stream.set_nodelay(true);
    let questions = TcpKeepalive::new()
        .with_time(SILENCE)
        .with_interval(Duration::from_secs(5));
    let _gone = SockRef::from(stream).set_tcp_keepalive(&questions);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_is_told_how_long_the_answer_is() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
    }
}
