//! [`Server`]: HTTP on a thread of its own, for programs that serve none, or not to operators.
//!
//! The thread, its start and its end. Who may connect to which address is
//! `server_builder`'s; what a client may do, `connection`'s.

use super::{Endpoints, Service, connection::End, connections, limits::Limits};
use crate::{Error, Result, record};
use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::watch;

/// Longer than connections are given to part; the rest is closing files.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server of the endpoints on a thread of its own, `heaptide-http`, until it is dropped.
///
/// The program needs no async runtime, and may be in one. The thread and what it starts sample nothing of
/// their own, so the server is not seen in what it serves.
///
/// Each client is held to bounds: 128 connections; 16 KiB of request line and headers, there within 10 s of
/// the connection or of the last answer; a body of 1 MiB within 10 s more; an answer taken within 30 s, and
/// a second for each 16 KiB. A request has to name the server by a loopback name, by the address that it is
/// bound to, or by an [allowed](super::ServerBuilder::allow_host) one.
///
/// In a forked child it is inert: nothing serves there, dropping it does nothing, and the child may start
/// its own. If the parent dies without having ended its server, a child that lives on without `exec` keeps
/// the port taken.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Server {
    address: SocketAddr,
    process: u32,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    end: watch::Sender<bool>,
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

/// Serves the endpoints with their defaults on a loopback address, on a thread of its own.
///
/// ```
/// let server = heaptide::http::serve("127.0.0.1:0")?;
/// println!("go tool pprof http://{}/debug/pprof/heap", server.local_addr());
/// # Ok::<(), heaptide::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`ServerBuilder::serve`](super::ServerBuilder::serve).
pub fn serve(address: impl ToSocketAddrs) -> Result<Server> {
    // Its own memory is nobody's leak.
    record::muted(|| Endpoints::builder().build().serve(address))
}

/// Serves the endpoints with their defaults where the environment variable `HEAPTIDE_HTTP` says; nowhere if
/// it is not set, or empty. Called at the top of `main`, it lets people who run the program decide:
///
/// ```no_run
/// let _server = heaptide::http::serve_from_environment()?;
/// # Ok::<(), heaptide::Error>(())
/// ```
///
/// ```text
/// HEAPTIDE_HTTP=127.0.0.1:6060 ./service
/// ```
///
/// # Errors
///
/// Those of [`ServerBuilder::serve`](super::ServerBuilder::serve), with the variable and its value.
pub fn serve_from_environment() -> Result<Option<Server>> {
    record::muted(|| {
        Endpoints::builder()
            .build()
            .server()
            .serve_from_environment()
    })
}

impl Endpoints {
    /// Serves these endpoints on a thread of its own: on a loopback address, or if they require a token on
    /// any. [`server`](Self::server) has more to choose.
    ///
    /// # Errors
    ///
    /// Those of [`ServerBuilder::serve`](super::ServerBuilder::serve).
    pub fn serve(&self, address: impl ToSocketAddrs) -> Result<Server> {
        self.server().serve(address)
    }
}

impl Server {
    /// Where it listens; with the port that was found if it was asked for port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, as dropping it does: takes no more requests, gives those under way half a second, answers
    /// what then is not made yet with 503, and frees the port. Waits for that, about a second and 5 s at
    /// most.
    pub fn shutdown(self) {}

    /// Serves on a socket that is bound.
    pub(super) fn start(socket: TcpListener, service: Service, limits: Limits) -> Result<Self> {
        let address = socket
            .local_addr()
            .and_then(|address| socket.set_nonblocking(true).map(|()| address))
            .map_err(|error| Error::io("prepare the socket for heap profiles", error))?;
        let (end, ends) = watch::channel(false);
        let (started, start) = channel();
        let (alive, ended) = channel();
        let named = thread::Builder::new().name("heaptide-http".to_owned());
        let thread = named.spawn(move || {
            record::muted(|| run(socket, service, limits, ends, &started));
            // Dropped with its files closed.
            drop(alive);
        });
        let serving = thread.map_err(|error| (error, "start its thread"));
        let serving = serving.and_then(|thread| match start.recv() {
            Ok(Ok(())) => Ok(thread),
            Ok(Err(error)) => Err((error, "make its runtime")),
            Err(_ended) => Err((io::ErrorKind::Other.into(), "make its runtime")),
        });
        let thread = serving.map_err(|(error, doing)| {
            Error::io(
                &format!("serve heap profiles at {address}: could not {doing}"),
                error,
            )
        })?;
        Ok(Self {
            address,
            process: std::process::id(),
            running: Some(Running { end, ended, thread }),
        })
    }
}

/// The server's thread. The runtime is made and dropped in it, since neither may be done in another runtime.
fn run(
    socket: TcpListener,
    service: Service,
    limits: Limits,
    end: End,
    started: &Sender<io::Result<()>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    let prepared = runtime.and_then(|runtime| {
        let entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(socket)?;
        drop(entered);
        Ok((runtime, listener))
    });
    let (told, prepared) = match prepared {
        Ok(prepared) => (Ok(()), Some(prepared)),
        Err(error) => (Err(error), None),
    };
    // Who starts it waits for this.
    if started.send(told).is_ok()
        && let Some((runtime, listener)) = prepared
    {
        runtime.block_on(connections::accept(listener, service, limits, end));
    }
}

impl Drop for Server {
    /// As [`shutdown`](Self::shutdown).
    fn drop(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        if self.process != std::process::id() {
            // The thread is the parent's, and may have held any of these at the fork. Letting go of its
            // handle could detach whichever thread of the child has got its memory.
            Box::leak(Box::new(running));
            return;
        }
        record::muted(|| {
            let Running { end, ended, thread } = running;
            // It ends as well if there is nobody to hear it.
            let _heard = end.send(true);
            let _disconnected = ended.recv_timeout(PATIENCE);
            if thread.is_finished() {
                // It does not panic, and there would be nothing to do about it here.
                let _ended = thread.join();
            }
        });
    }
}
