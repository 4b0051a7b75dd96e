//! [`Server`]: HTTP on its own thread, for programs that do not serve HTTP themselves.
//!
//! Here are the settings, the addresses that are bound, and the start and the end of the thread.
//! `connection` decides what a client may do.

use super::connection;
use super::limits::{ANSWER_TIME, MAX_SECONDS, SHUTDOWN_TIMEOUT};
use super::{endpoints::Endpoints, hosts::Hosts, service::Service};
use crate::{Error, Result, record};
use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{env, io};
use tokio::runtime::{self, Runtime};
use tokio::sync::watch;

/// A server of the endpoints on its own thread, `heaptide-http`, until it is dropped.
///
/// The program needs no async runtime, and may have one. The thread and those that it starts are
/// not sampled, so the profiles do not show the server.
///
/// | limit of a client | |
/// |---|---|
/// | connections of all clients | 128 |
/// | request line and headers | 16 KiB, within 10 s of the connection or of the last answer |
/// | body | 1 MiB, within 10 s more |
/// | time to take an answer | 30 s, and 1 s for each 16 KiB |
/// | hosts | loopback names, the bound address, [allowed](ServerBuilder::allow_host) ones |
///
/// In a forked child it is inert: it does not serve there, dropping it has no effect, and the child
/// may start its own. If the parent dies without ending its server, a child that lives on without
/// `exec` keeps the port occupied.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Server {
    address: SocketAddr,
    process: u32,
    thread: Option<ServerThread>,
}

/// Ends the thread; is disconnected when it has closed its files; waits for it.
type ServerThread = (
    watch::Sender<bool>,
    Receiver<io::Result<()>>,
    JoinHandle<()>,
);

impl Server {
    /// The default settings.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// The address it listens on, with the actual port if it was asked for port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, as dropping it does. It accepts no more requests, waits half a second for those
    /// under way, answers 503 to the rest, and frees the port. That takes about a second, and 5 s
    /// at most.
    pub fn shutdown(self) {}

    /// Serves on a bound socket.
    fn start(socket: TcpListener, service: Service, answer: Duration) -> Result<Self> {
        let address = socket
            .local_addr()
            .and_then(|at| socket.set_nonblocking(true).map(|()| at));
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
                    runtime.block_on(connection::accept(listener, service, answer, ends));
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
        Ok(Self {
            address,
            process: std::process::id(),
            thread: Some((end, started, handle)),
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
        let Some((end, ended, handle)) = self.thread.take() else {
            return;
        };
        if self.process != std::process::id() {
            // The thread is the parent's, and may have held a lock of these at the fork. Dropping
            // its handle might detach another thread, one of the child that has the same memory.
            Box::leak(Box::new((end, ended, handle)));
            return;
        }
        record::muted(|| {
            // It fails if the thread has ended already, and receives nothing but the disconnect.
            let _ = end.send(true);
            let _ = ended.recv_timeout(SHUTDOWN_TIMEOUT);
            if handle.is_finished() {
                // The thread does not panic, and here nothing could be done about it.
                let _ = handle.join();
            }
        });
    }
}

/// Where [`ServerBuilder::serve_from_env`] looks.
const VARIABLE: &str = "HEAPTIDE_HTTP";

/// Serves the endpoints with their defaults on a loopback address, on a thread of its own.
/// [`Server::builder`] has more settings.
///
/// ```
/// let server = heaptide::http::serve("127.0.0.1:0")?;
/// println!("go tool pprof http://{}/debug/pprof/heap", server.local_addr());
/// # Ok::<(), heaptide::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`ServerBuilder::serve`].
pub fn serve(address: impl ToSocketAddrs) -> Result<Server> {
    Server::builder().serve(address)
}

/// Serves the endpoints with their defaults at the address in the environment variable
/// `HEAPTIDE_HTTP`; does nothing if it is not set, or empty. Called at the top of `main`, it leaves
/// the choice to the people who run the program:
///
/// ```no_run
/// let _server = heaptide::http::serve_from_env()?;
/// # Ok::<(), heaptide::Error>(())
/// ```
///
/// ```text
/// HEAPTIDE_HTTP=127.0.0.1:6060 ./service
/// ```
///
/// # Errors
///
/// Those of [`ServerBuilder::serve`], with the variable and its value.
pub fn serve_from_env() -> Result<Option<Server>> {
    Server::builder().serve_from_env()
}

/// Settings of a [`Server`]. Settings that are not safe by themselves are off.
///
/// ```
/// use heaptide::http::Server;
///
/// // For a scraper on another machine of a trusted network.
/// let server = Server::builder()
///     .allow_any_address()
///     .allow_host("orders.shop.svc.cluster.local")
///     .serve("0.0.0.0:0")?;
/// # Ok::<(), heaptide::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing happens before `serve`"]
pub struct ServerBuilder {
    endpoints: Option<Endpoints>,
    any_address: bool,
    hosts: Vec<String>,
}

impl ServerBuilder {
    /// Serves these endpoints; those with the default settings unless set.
    pub fn endpoints(mut self, endpoints: Endpoints) -> Self {
        self.endpoints = Some(endpoints);
        self
    }

    /// Serves other machines too, without a token. Anyone who reaches the address can read which
    /// functions the program has and how much they allocate, and keep the program busy. It is for
    /// networks that admit trusted clients only. Unless set, the server binds loopback addresses
    /// only, or any address if the endpoints require a token.
    pub fn allow_any_address(mut self) -> Self {
        self.any_address = true;
        self
    }

    /// Answers requests for this host too, a name or an address without a port. Requests for
    /// localhost, 127.0.0.0/8, `[::1]` and the address that the server is bound to are always
    /// answered. A server on `0.0.0.0` or `[::]` answers requests for any address, but for no other
    /// name.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Binds the address, such as `127.0.0.1:6060` or `localhost:6060`, and serves until the
    /// [`Server`] is dropped. Port 0 is any free one.
    ///
    /// # Errors
    ///
    /// - [Setting](Error::is_setting), if it is not an address; if it is not a loopback address, no
    ///   token is required and [any address](Self::allow_any_address) is not allowed; or if an
    ///   [allowed host](Self::allow_host) is invalid.
    /// - [Io](Error::is_io), if the address cannot be bound, or the thread cannot be started.
    pub fn serve(self, address: impl ToSocketAddrs) -> Result<Server> {
        // The server's memory belongs to the profiler.
        record::muted(|| self.serve_at(&address))
    }

    /// Serves at the address in the environment variable `HEAPTIDE_HTTP`, such as `127.0.0.1:6060`;
    /// does nothing if it is not set, or empty.
    ///
    /// # Errors
    ///
    /// Those of [`serve`](Self::serve), with the variable and its value.
    pub fn serve_from_env(self) -> Result<Option<Server>> {
        record::muted(|| {
            let Some(value) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
                return Ok(None);
            };
            let invalid = "not text in UTF-8; give an address such as 127.0.0.1:6060";
            let text = value.to_str().ok_or_else(|| Error::setting(invalid));
            let served = text.and_then(|address| self.serve_at(&address));
            let named = |error: Error| error.within(&format!("{VARIABLE}={}", value.display()));
            served.map(Some).map_err(named)
        })
    }

    fn serve_at(self, address: &impl ToSocketAddrs) -> Result<Server> {
        const INVALID: &str = "could not serve heap profiles: no address to serve at; give one \
            such as 127.0.0.1:6060";
        let addresses = address.to_socket_addrs();
        let addresses = addresses.map_err(|error| Error::setting(INVALID).caused_by(error))?;
        let addresses: Vec<SocketAddr> = addresses.collect();
        let mut hosts = Hosts::default();
        for host in &self.hosts {
            hosts.allow(host)?;
        }
        let endpoints = self.endpoints;
        let endpoints = endpoints.unwrap_or_else(|| Endpoints::builder().build());
        let settings = &endpoints.state.settings;
        let is_open = self.any_address || settings.token.is_some();
        let is_exposed = |of: &&SocketAddr| !is_open && !of.ip().to_canonical().is_loopback();
        if let Some(address) = addresses.iter().find(is_exposed) {
            return Err(Error::setting(format!(
                "could not serve heap profiles at {address}: other machines reach it, and profiles \
                 tell what the program is made of; serve at 127.0.0.1, require a token \
                 (`EndpointsBuilder::token`), or allow it (`ServerBuilder::allow_any_address`)"
            )));
        }
        let bound = TcpListener::bind(&*addresses).and_then(|s| Ok((s.local_addr()?, s)));
        let (bound, socket) = bound.map_err(|error| not_bound(&addresses, error))?;
        hosts.bind(bound.ip());
        let answer = ANSWER_TIME.saturating_add(settings.longest_delta.unwrap_or(MAX_SECONDS));
        let mut service = endpoints.service();
        service.hosts = Some(Arc::new(hosts));
        Server::start(socket, service, answer)
    }
}

fn not_bound(addresses: &[SocketAddr], error: io::Error) -> Error {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let way_out = match error.kind() {
        AddrInUse => " (another server has the port: take another, or port 0 for a free one)",
        PermissionDenied => " (ports below 1024 need privileges: take one such as 6060)",
        AddrNotAvailable => " (the machine has no such address: take 127.0.0.1)",
        _ => "",
    };
    let doing = format!("serve heap profiles at {}{way_out}", addresses.join(" or "));
    Error::io(&doing, error)
}
