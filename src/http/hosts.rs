//! Rejects requests that a web page of another site sends by way of a browser.
//!
//! A page can point its own name at 127.0.0.1 and read what a server there says ("DNS rebinding"),
//! but it cannot make the browser send another `Host`. Without reading anything, a page can make
//! the server compute profiles all day, and take away a scraper's deltas. Browsers mark such
//! requests.

use super::reply::{self, ReplyResult};
use crate::{Error, Result};
use ::http::{Request, Version, header, uri::Authority};
use std::net::IpAddr;

/// Hosts that are served: loopback names, the address that the server is bound to, and those
/// allowed.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts {
    any_address: bool,
    addresses: Vec<IpAddr>,
    names: Vec<Box<str>>,
}

const NOT_A_HOST: &str = "the Host header is not a host";

impl Hosts {
    /// `address` is where the server listens. If it stands for every address of the machine, a
    /// request may name any address: only a name can be pointed somewhere else.
    pub(super) fn bind(&mut self, address: IpAddr) {
        let address = address.to_canonical();
        self.any_address = address.is_unspecified();
        self.addresses.push(address);
    }

    /// # Errors
    ///
    /// Setting, if it is neither a name nor an address, or has a port.
    pub(super) fn allow(&mut self, host: &str) -> Result<()> {
        if let Some(address) = address_of(host) {
            self.addresses.push(address);
            return Ok(());
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name = host.strip_suffix('.').unwrap_or(host);
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(Error::setting(format!(
                "could not allow the host {host:?}: not a name such as heap.example.org or an \
                 address such as 10.1.2.3, without scheme, port and path"
            )));
        }
        self.names.push(name.into());
        Ok(())
    }

    /// # Errors
    ///
    /// The reply to a request that is not served.
    pub(super) fn check<B>(&self, request: &Request<B>) -> ReplyResult<()> {
        let mut headers = request.headers().get_all(header::HOST).iter();
        let (host, second) = (headers.next(), headers.next());
        let authority = request.uri().authority();
        if second.is_some() {
            return reply::bad_request("the request has more than one Host header");
        }
        if host.is_none() && authority.is_none() && request.version() >= Version::HTTP_11 {
            return reply::bad_request("the request has no Host header");
        }
        // A full URL in the request line takes precedence over the header; both are checked.
        if let Some(authority) = authority {
            self.check_authority(authority)?;
        }
        match host.map(|host| Authority::try_from(host.as_bytes())) {
            None => {}
            Some(Ok(authority)) => self.check_authority(&authority)?,
            Some(Err(_)) => return reply::bad_request(NOT_A_HOST),
        }
        // A link that a person follows is the person's request.
        let says = |name: &str, word: &str| request.headers().get(name).is_some_and(|v| v == word);
        let is_followed = says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document");
        if says("sec-fetch-site", "cross-site") && !is_followed {
            let why = "a web page of another site asks for this: open it in a tab of its own";
            return reply::forbidden(why);
        }
        Ok(())
    }

    fn check_authority(&self, authority: &Authority) -> ReplyResult<()> {
        if authority.as_str().contains('@') {
            return reply::bad_request(NOT_A_HOST);
        }
        let host = authority.host();
        let is_allowed = match address_of(host) {
            Some(at) => self.any_address || at.is_loopback() || self.addresses.contains(&at),
            None => {
                let host = host.strip_suffix('.').unwrap_or(host);
                let mut names = self.names.iter().map(|name| &**name).chain(["localhost"]);
                names.any(|name| name.eq_ignore_ascii_case(host))
            }
        };
        if is_allowed {
            return Ok(());
        }
        reply::forbidden(&format!(
            "this server does not answer for the host {host}, so that no web page can read it \
             under a name of its own: ask for localhost, or have the program allow the host \
             (`allow_host`)"
        ))
    }
}

/// An address as URLs and people write it, with brackets or without.
fn address_of(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let address: Option<IpAddr> = bare.unwrap_or(host).parse().ok();
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(hosts: &Hosts, host: Option<&str>, uri: &str) -> u16 {
        let mut request = Request::builder().uri(uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let checked = hosts.check(&request.body(()).unwrap());
        checked.map_or_else(|refusal| refusal.0.status().as_u16(), |()| 200)
    }

    #[test]
    fn loopback_the_bound_address_and_allowed_hosts_are_served() {
        let mut hosts = Hosts::default();
        hosts.bind("10.1.2.3".parse().unwrap());
        hosts.allow("Heap.Example.org").unwrap();
        hosts.allow("fd00::7").unwrap();
        for host in [
            "localhost",
            "LOCALHOST:80",
            "localhost.",
            "127.0.0.1:6060",
            "127.9.9.9",
            "[::1]",
            "[::1]:1",
            "[::ffff:127.0.0.1]:6060",
            "10.1.2.3:6060",
            "heap.example.org:6060",
            "heap.example.org.",
            "[fd00::7]:6060",
        ] {
            assert_eq!(status(&hosts, Some(host), "/heap"), 200, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:6060",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.1.2.4",
            "[fd00::8]",
            "notlocalhost",
            "0.0.0.0",
            "0x7f.1",
            "2130706433",
        ] {
            assert_eq!(status(&hosts, Some(host), "/heap"), 403, "{host}");
        }
        for host in [
            "",
            "a b",
            "localhost/",
            "evil@localhost",
            "::1:x",
            "http://localhost",
        ] {
            assert_eq!(status(&hosts, Some(host), "/heap"), 400, "{host}");
        }
    }

    #[test]
    fn a_request_names_one_host_unless_it_is_http_1_0() {
        let hosts = Hosts::default();
        assert_eq!(status(&hosts, None, "/heap"), 400);
        let mut old = Request::builder().uri("/heap").body(()).unwrap();
        *old.version_mut() = Version::HTTP_10;
        assert!(hosts.check(&old).is_ok());
        let two = Request::builder()
            .header("host", "localhost")
            .header("host", "evil.example");
        let refusal = hosts.check(&two.body(()).unwrap()).unwrap_err();
        assert_eq!(refusal.0.status(), 400);
        // HTTP/2 has the host in the URI. A request to a proxy may have it there too, and does not
        // get around the header by that.
        assert_eq!(status(&hosts, None, "http://localhost:1/heap"), 200);
        assert_eq!(status(&hosts, None, "http://evil.example/heap"), 403);
        assert_eq!(
            status(&hosts, Some("evil.example"), "http://localhost/heap"),
            403
        );
        assert_eq!(
            status(&hosts, Some("localhost"), "http://evil.example/heap"),
            403
        );
    }

    #[test]
    fn only_a_followed_link_may_come_from_another_site() {
        for (site, mode, dest, answered) in [
            ("cross-site", "no-cors", "image", false),
            ("cross-site", "cors", "empty", false),
            ("cross-site", "navigate", "iframe", false),
            ("cross-site", "navigate", "document", true),
            ("same-origin", "cors", "empty", true),
            ("none", "navigate", "document", true),
        ] {
            let request = Request::builder()
                .header("host", "localhost:6060")
                .header("sec-fetch-site", site)
                .header("sec-fetch-mode", mode)
                .header("sec-fetch-dest", dest);
            let checked = Hosts::default().check(&request.body(()).unwrap());
            let status = checked.map_err(|refusal| refusal.0.status().as_u16());
            let expected = if answered { Ok(()) } else { Err(403) };
            assert_eq!(status, expected, "{site} {mode} {dest}");
        }
    }

    #[test]
    fn a_server_on_all_addresses_serves_any_address_but_no_name() {
        let mut hosts = Hosts::default();
        hosts.bind("0.0.0.0".parse().unwrap());
        assert_eq!(status(&hosts, Some("10.1.2.3:6060"), "/"), 200);
        assert_eq!(status(&hosts, Some("pod.example"), "/"), 403);
    }

    #[test]
    fn an_invalid_host_is_an_error() {
        for host in [
            "",
            "http://heap.example.org",
            "heap.example.org:6060",
            "*",
            "a/b",
            "[fd00::7]:1",
        ] {
            let error = Hosts::default().allow(host).unwrap_err();
            assert!(
                error.is_setting() && error.to_string().contains(&format!("{host:?}")),
                "{error}"
            );
        }
    }
}
