//! [`ServerBuilder`]: which address a stand-alone server may be bound to, and for which hosts it answers.

use super::{Endpoints, Server, hosts::Hosts, limits::Limits};
use crate::{Error, Result, record};
use std::{
    env, io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
};

/// Where [`ServerBuilder::serve_from_environment`] looks.
const VARIABLE: &str = "HEAPTIDE_HTTP";

/// Settings of a [`Server`]. What is not safe by itself has to be asked for.
///
/// ```
/// use heaptide::http::Endpoints;
///
/// // For a scraper on another machine of a network that is trusted.
/// let server = Endpoints::builder()
///     .build()
///     .server()
///     .allow_any_address()
///     .allow_host("orders.shop.svc.cluster.local")
///     .serve("0.0.0.0:0")?;
/// # Ok::<(), heaptide::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `serve`"]
pub struct ServerBuilder {
    endpoints: Endpoints,
    any_address: bool,
    hosts: Vec<String>,
    limits: Limits,
}

impl Endpoints {
    /// Settings to serve these endpoints with, on a thread of their own.
    pub fn server(&self) -> ServerBuilder {
        ServerBuilder {
            endpoints: self.clone(),
            any_address: false,
            hosts: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl ServerBuilder {
    /// Serves to other machines, without a token: whoever reaches the address can read which functions the
    /// program has and how much they allocate, and keep it busy. For networks that let only those through
    /// who may. Without this only loopback addresses are bound, unless a token is required.
    pub fn allow_any_address(mut self) -> Self {
        self.any_address = true;
        self
    }

    /// Answers requests for this host too, a name or an address without a port. Those for localhost,
    /// 127.0.0.0/8, `[::1]`, and the address that the server is bound to are always answered; if that is
    /// `0.0.0.0` or `[::]`, those for any address, but for no other name.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Binds the address, such as `127.0.0.1:6060` or `localhost:6060`, and serves until the [`Server`] is
    /// dropped. Port 0 is any free one.
    ///
    /// # Errors
    ///
    /// - [Setting](Error::is_setting), if it is no address, is not a loopback address and neither a token is
    ///   required nor [any address](Self::allow_any_address) allowed, or an
    ///   [allowed host](Self::allow_host) is none.
    /// - [Io](Error::is_io), if the address cannot be bound, or the thread not be started.
    pub fn serve(self, address: impl ToSocketAddrs) -> Result<Server> {
        // Its own memory is nobody's leak.
        record::muted(|| {
            let addresses = address.to_socket_addrs().map_err(no_address)?.collect();
            self.serve_at(addresses)
        })
    }

    /// Serves where the environment variable `HEAPTIDE_HTTP` says, such as `127.0.0.1:6060`; nowhere if it is
    /// not set, or empty.
    ///
    /// # Errors
    ///
    /// Those of [`serve`](Self::serve), with the variable and its value.
    pub fn serve_from_environment(self) -> Result<Option<Server>> {
        record::muted(|| {
            let Some(value) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
                return Ok(None);
            };
            let named = |error: Error| error.within(&format!("{VARIABLE}={}", value.display()));
            let text = value.to_str().ok_or_else(|| {
                Error::setting("not text in UTF-8; give an address such as 127.0.0.1:6060")
            });
            let addresses = text.and_then(|text| {
                let addresses = text.to_socket_addrs().map_err(no_address)?;
                Ok(addresses.collect())
            });
            let served = addresses.and_then(|addresses| self.serve_at(addresses));
            served.map(Some).map_err(named)
        })
    }

    fn serve_at(self, addresses: Vec<SocketAddr>) -> Result<Server> {
        let mut hosts = Hosts::default();
        for host in &self.hosts {
            hosts.allow(host)?;
        }
        let is_open = self.any_address || self.endpoints.has_token();
        let is_local = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
        if let Some(address) = addresses
            .iter()
            .find(|address| !is_open && !is_local(address))
        {
            return Err(Error::setting(format!(
                "could not serve heap profiles at {address}: other machines reach it, and profiles tell what \
                 the program is made of; serve at 127.0.0.1, require a token (`EndpointsBuilder::token`), or \
                 allow it (`ServerBuilder::allow_any_address`)"
            )));
        }
        let socket =
            TcpListener::bind(&*addresses).map_err(|error| not_bound(&addresses, error))?;
        let bound = socket
            .local_addr()
            .map_err(|error| not_bound(&addresses, error))?;
        hosts.bind(bound.ip());
        let mut limits = self.limits;
        limits.answer = limits.answer.saturating_add(self.endpoints.longest_delta());
        Server::start(socket, self.endpoints.service().with_hosts(hosts), limits)
    }

    /// With other patience than clients can count on.
    #[cfg(test)]
    pub(super) fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

fn no_address(error: io::Error) -> Error {
    Error::setting(
        "could not serve heap profiles: no address to serve at; give one such as 127.0.0.1:6060",
    )
    .caused_by(error)
}

fn not_bound(addresses: &[SocketAddr], error: io::Error) -> Error {
    let places: Vec<String> = addresses.iter().map(ToString::to_string).collect();
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
    Error::io(
        &format!("serve heap profiles at {}{way_out}", places.join(" or ")),
        error,
    )
}
