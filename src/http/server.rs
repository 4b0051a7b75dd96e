//! [`Server`]: HTTP on its own thread, for programs that do not serve HTTP themselves.
//!
//! Here are the start and the end of the thread. `server_builder` decides who may connect to which
//! address, `connection` what a client may do.

use super::{
    connections::{self, ServerEnd},
    limits::{SHUTDOWN_TIMEOUT, ServerLimits},
    service::Service,
};
use crate::{Error, Result, record};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
};
use tokio::{runtime, sync::watch};

/// A server of the endpoints on its own thread, `heaptide-http`, until it is dropped.
///
/// The program needs no async runtime, and may have one. The thread and those that it starts are not
/// sampled, so the profiles do not show the server.
///
/// | limit of a client | |
/// |---|---|
/// | connections of all clients | 128 |
/// | request line and headers | 16 KiB, within 10 s of the connection or of the last answer |
/// | body | 1 MiB, within 10 s more |
/// | time to take an answer | 30 s, and 1 s for each 16 KiB |
/// | hosts that a request may name | loopback names, the address that the server is bound to, and [allowed](super::ServerBuilder::allow_host) ones |
///
/// In a forked child it is inert: it does not serve there, dropping it has no effect, and the child may
/// start its own. If the parent dies without ending its server, a child that lives on without `exec`
/// keeps the port occupied.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Server {
    address: SocketAddr,
    process: u32,
    thread: Option<ServerThread>,
}

#[derive(Debug)]
struct ServerThread {
    end: watch::Sender<bool>,
    /// Disconnected when the thread has closed its files.
    ended: Receiver<()>,
    handle: JoinHandle<()>,
}

impl Server {
    /// The address it listens on, with the actual port if it was asked for port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, as dropping it does. It accepts no more requests, waits half a second for those under
    /// way, answers 503 to the rest, and frees the port. That takes about a second, and 5 s at most.
    pub fn shutdown(self) {}

    /// Serves on a bound socket.
    pub(super) fn start(
        socket: TcpListener,
        service: Service,
        limits: ServerLimits,
    ) -> Result<Self> {
        let address = socket.local_addr();
        let address = address.and_then(|address| socket.set_nonblocking(true).map(|()| address));
        let address =
            address.map_err(|error| Error::io("prepare the socket for heap profiles", error))?;
        let failed = |step: &str, error: io::Error| {
            let doing = format!("serve heap profiles at {address}: could not {step}");
            Error::io(&doing, error)
        };
        let (end, ends) = watch::channel(false);
        let (started, start) = channel();
        let (alive, ended) = channel();
        let named = thread::Builder::new().name("heaptide-http".to_owned());
        let handle = named.spawn(move || {
            record::muted(|| run(socket, service, limits, ends, &started));
            drop(alive);
        });
        let handle = handle.map_err(|error| failed("start its thread", error))?;
        // The thread drops the sender without a word only if it panics.
        let started = start
            .recv()
            .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        started.map_err(|error| failed("make its runtime", error))?;
        Ok(Self {
            address,
            process: std::process::id(),
            thread: Some(ServerThread { end, ended, handle }),
        })
    }
}

/// The server's thread. It makes and drops the runtime, since another runtime may be around the caller.
fn run(
    socket: TcpListener,
    service: Service,
    limits: ServerLimits,
    end: ServerEnd,
    started: &Sender<io::Result<()>>,
) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let prepared = runtime.and_then(|runtime| {
        let entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(socket)?;
        drop(entered);
        Ok((runtime, listener))
    });
    let (result, prepared) = match prepared {
        Ok(prepared) => (Ok(()), Some(prepared)),
        Err(error) => (Err(error), None),
    };
    if started.send(result).is_ok()
        && let Some((runtime, listener)) = prepared
    {
        runtime.block_on(connections::accept(listener, service, limits, end));
    }
}

impl Drop for Server {
    /// As [`shutdown`](Self::shutdown).
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        if self.process != std::process::id() {
            // The thread is the parent's, and may have held a lock of these at the fork. Dropping its
            // handle might detach another thread, one of the child that has the same memory.
            Box::leak(Box::new(thread));
            return;
        }
        record::muted(|| {
            // It fails if the thread has ended already, and receives nothing but the disconnect.
            let _ = thread.end.send(true);
            let _ = thread.ended.recv_timeout(SHUTDOWN_TIMEOUT);
            if thread.handle.is_finished() {
                // The thread does not panic, and here nothing could be done about it.
                let _ = thread.handle.join();
            }
        });
    }
}
