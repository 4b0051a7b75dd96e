//! [`Server`]: HTTP on its own thread, for programs that do not serve HTTP themselves.
//!
//! Here are the start and the end of the thread. `server_builder` decides who may connect to which
//! address, `connection` what a client may do.

use super::connections;
use super::limits::SHUTDOWN_TIMEOUT;
use super::service::Service;
use crate::{Error, Result, record};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::runtime::{self, Runtime};
use tokio::sync::watch;

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
    started: Receiver<io::Result<()>>,
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
    pub(super) fn start(socket: TcpListener, service: Service, answer: Duration) -> Result<Self> {
        let address = socket
            .set_nonblocking(true)
            .and_then(|()| socket.local_addr());
        let address = address.map_err(|e| Error::io("prepare the socket for heap profiles", e))?;
        let doing = format!("serve heap profiles at {address}: could not ");
        let failed = |step: &str, error: io::Error| Error::io(&(doing.clone() + step), error);
        let (end, ends) = watch::channel(false);
        let (sender, started) = channel();
        let named = thread::Builder::new().name("heaptide-http".to_owned());
        let handle = named.spawn(move || {
            // The caller waits for what is sent, so sending cannot fail.
            record::muted(|| match prepare(socket) {
                Ok((runtime, listener)) => {
                    let _ = sender.send(Ok(()));
                    runtime.block_on(connections::accept(listener, service, answer, ends));
                }
                Err(error) => drop(sender.send(Err(error))),
            });
            drop(sender);
        });
        let handle = handle.map_err(|error| failed("start its thread", error))?;
        // The thread sends nothing only if it panics.
        let result = started.recv();
        let result = result.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        result.map_err(|error| failed("make its runtime", error))?;
        let thread = Some(ServerThread {
            end,
            started,
            handle,
        });
        let process = std::process::id();
        Ok(Self {
            address,
            process,
            thread,
        })
    }
}

/// The server's thread makes and drops the runtime, since another runtime may be around the caller.
fn prepare(socket: TcpListener) -> io::Result<(Runtime, tokio::net::TcpListener)> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let entered = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(socket)?;
    drop(entered);
    Ok((runtime, listener))
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
            let _ = thread.started.recv_timeout(SHUTDOWN_TIMEOUT);
            if thread.handle.is_finished() {
                // The thread does not panic, and here nothing could be done about it.
                let _ = thread.handle.join();
            }
        });
    }
}
