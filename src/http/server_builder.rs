//! [`ServerBuilder`]: the addresses a server may be bound to, and the hosts it answers for.

use super::{endpoints::Endpoints, hosts::Hosts, limits::ANSWER_TIME, server::Server};
use crate::{Error, Result, record};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::{env, io};

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
/// `HEAPTIDE_HTTP`; does nothing if it is not set, or empty. Called at the top of `main`, it leaves the
/// choice to the people who run the program:
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

impl Server {
    /// The default settings.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }
}

impl ServerBuilder {
    /// Serves these endpoints; those with the default settings unless set.
    pub fn endpoints(mut self, endpoints: Endpoints) -> Self {
        self.endpoints = Some(endpoints);
        self
    }

    /// Serves other machines too, without a token. Anyone who reaches the address can read which
    /// functions the program has and how much they allocate, and keep the program busy. It is for
    /// networks that admit trusted clients only. Unless set, the server binds loopback addresses only,
    /// or any address if the endpoints require a token.
    pub fn allow_any_address(mut self) -> Self {
        self.any_address = true;
        self
    }

    /// Answers requests for this host too, a name or an address without a port. Requests for localhost,
    /// 127.0.0.0/8, `[::1]` and the address that the server is bound to are always answered. A server on
    /// `0.0.0.0` or `[::]` answers requests for any address, but for no other name.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Binds the address, such as `127.0.0.1:6060` or `localhost:6060`, and serves until the [`Server`]
    /// is dropped. Port 0 is any free one.
    ///
    /// # Errors
    ///
    /// - [Setting](Error::is_setting), if it is not an address; if it is not a loopback address, no token
    ///   is required and [any address](Self::allow_any_address) is not allowed; or if an
    ///   [allowed host](Self::allow_host) is invalid.
    /// - [Io](Error::is_io), if the address cannot be bound, or the thread cannot be started.
    pub fn serve(self, address: impl ToSocketAddrs) -> Result<Server> {
        // The server's memory belongs to the profiler.
        record::muted(|| self.serve_at(&address))
    }

    /// Serves at the address in the environment variable `HEAPTIDE_HTTP`, such as `127.0.0.1:6060`; does
    /// nothing if it is not set, or empty.
    ///
    /// # Errors
    ///
    /// Those of [`serve`](Self::serve), with the variable and its value.
    pub fn serve_from_env(self) -> Result<Option<Server>> {
        record::muted(|| {
            let Some(value) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
                return Ok(None);
            };
            let served = match value.to_str() {
                Some(address) => self.serve_at(&address),
                None => Err(Error::setting(
                    "not text in UTF-8; give an address such as 127.0.0.1:6060",
                )),
            };
            let named = |error: Error| error.within(&format!("{VARIABLE}={}", value.display()));
            served.map(Some).map_err(named)
        })
    }

    fn serve_at(self, address: &impl ToSocketAddrs) -> Result<Server> {
        let addresses = address.to_socket_addrs().map_err(|error| {
            Error::setting(
                "could not serve heap profiles: no address to serve at; give one such as 127.0.0.1:6060",
            )
            .caused_by(error)
        })?;
        let addresses: Vec<SocketAddr> = addresses.collect();
        let mut hosts = Hosts::default();
        for host in &self.hosts {
            hosts.allow(host)?;
        }
        let endpoints = self.endpoints;
        let endpoints = endpoints.unwrap_or_else(|| Endpoints::builder().build());
        let settings = &endpoints.state().settings;
        let is_open = self.any_address || settings.token.is_some();
        let is_exposed = |of: &&SocketAddr| !is_open && !of.ip().to_canonical().is_loopback();
        if let Some(address) = addresses.iter().find(is_exposed) {
            return Err(Error::setting(format!(
                "could not serve heap profiles at {address}: other machines reach it, and profiles tell what \
                 the program is made of; serve at 127.0.0.1, require a token (`EndpointsBuilder::token`), or \
                 allow it (`ServerBuilder::allow_any_address`)"
            )));
        }
        let bound = TcpListener::bind(&*addresses).and_then(|s| Ok((s.local_addr()?, s)));
        let (bound, socket) = bound.map_err(|error| not_bound(&addresses, error))?;
        hosts.bind(bound.ip());
        let answer = ANSWER_TIME.saturating_add(settings.longest_delta());
        Server::start(socket, endpoints.service().with_hosts(hosts), answer)
    }
}

fn not_bound(addresses: &[SocketAddr], error: io::Error) -> Error {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let way_out = match error.kind() {
        io::ErrorKind::AddrInUse => {
            " (another server has the port: take another, or port 0 for a free one)"
        }
        io::ErrorKind::PermissionDenied => {
            " (ports below 1024 need privileges: take one such as 6060)"
        }
        io::ErrorKind::AddrNotAvailable => " (the machine has no such address: take 127.0.0.1)",
        _ => "",
    };
    let addresses = addresses.join(" or ");
    Error::io(
        &format!("serve heap profiles at {addresses}{way_out}"),
        error,
    )
}
