//! Which `Host` a request may name. A web page can have its own name lead to 127.0.0.1 and then read what a
//! server there says ("DNS rebinding"); what it cannot do is to have the browser name another host. And without
//! reading anything it can have the server make profiles all day, and take a scraper's deltas away; browsers say
//! of such requests whose they are.

use crate::{Error, Result};
use ::http::{HeaderValue, Request, StatusCode, Version, header, uri::Authority};
use std::net::IpAddr;

/// Hosts that are answered: loopback names, the address that the server is bound to, and those it is given.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts {
    bound: Option<IpAddr>,
    addresses: Vec<IpAddr>,
    names: Vec<Box<str>>,
}

/// Why a request is not answered.
pub(super) type Refusal = (StatusCode, String);

impl Hosts {
    /// `address` is where the server listens. If that is every address of the machine, every address may be
    /// named: a name that leads elsewhere than it should is what has to be kept out, and an address is none.
    pub(super) fn bind(&mut self, address: IpAddr) {
        self.bound = Some(address.to_canonical());
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
                "could not allow the host {host:?}: not a name such as heap.example.org or an address \
                 such as 10.1.2.3, without scheme, port and path"
            )));
        }
        self.names.push(name.into());
        Ok(())
    }

    /// # Errors
    ///
    /// What to answer instead.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let mut headers = request.headers().get_all(header::HOST).iter();
        let (host, second) = (headers.next(), headers.next());
        let authority = request.uri().authority();
        if second.is_some() {
            return Err(bad("the request has more than one Host header"));
        }
        if host.is_none() && authority.is_none() && request.version() >= Version::HTTP_11 {
            return Err(bad("the request has no Host header"));
        }
        // A full URL in the request line stands above the header; both are looked at.
        if let Some(authority) = authority {
            self.check_authority(authority)?;
        }
        host.map_or(Ok(()), |host| self.check_header(host))?;
        if is_of_another_site(request) {
            let why = "a web page of another site asks for this: open it in a tab of its own";
            return Err((StatusCode::FORBIDDEN, why.to_owned()));
        }
        Ok(())
    }

    fn check_header(&self, value: &HeaderValue) -> Result<(), Refusal> {
        let authority = Authority::try_from(value.as_bytes())
            .map_err(|_invalid| bad("the Host header is not a host"))?;
        self.check_authority(&authority)
    }

    fn check_authority(&self, authority: &Authority) -> Result<(), Refusal> {
        if authority.as_str().contains('@') {
            return Err(bad("the Host header is not a host"));
        }
        let host = authority.host();
        let is_allowed = match address_of(host) {
            Some(address) => self.allows_address(address),
            None => self.allows_name(host),
        };
        if is_allowed {
            return Ok(());
        }
        let why = format!(
            "this server does not answer for the host {host}, so that no web page can read it under a name \
             of its own: ask for localhost, or have the program allow the host (`allow_host`)"
        );
        Err((StatusCode::FORBIDDEN, why))
    }

    fn allows_address(&self, address: IpAddr) -> bool {
        let is_bound = self
            .bound
            .is_some_and(|bound| bound == address || bound.is_unspecified());
        address.is_loopback() || is_bound || self.addresses.contains(&address)
    }

    fn allows_name(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let mut names = self.names.iter().map(|name| &**name).chain(["localhost"]);
        names.any(|name| name.eq_ignore_ascii_case(host))
    }
}

/// Whether it comes from within a page of another site. A link that a person follows is their own request.
fn is_of_another_site<B>(request: &Request<B>) -> bool {
    let says = |name: &str, word: &str| request.headers().get(name).is_some_and(|v| v == word);
    let is_followed = says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document");
    says("sec-fetch-site", "cross-site") && !is_followed
}

fn bad(why: &str) -> Refusal {
    (StatusCode::BAD_REQUEST, why.to_owned())
}

/// An address as URLs and people write it, with brackets or without.
fn address_of(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical())
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
        checked.map_or_else(|(status, _)| status.as_u16(), |()| 200)
    }

    #[test]
    fn loopback_the_bound_address_and_what_is_allowed_are_answered_for() {
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
    fn a_request_names_one_host_and_none_only_in_old_http() {
        let hosts = Hosts::default();
        assert_eq!(status(&hosts, None, "/heap"), 400);
        let mut old = Request::builder().uri("/heap").body(()).unwrap();
        *old.version_mut() = Version::HTTP_10;
        assert!(hosts.check(&old).is_ok());
        let two = Request::builder()
            .header("host", "localhost")
            .header("host", "evil.example");
        let (status_of_two, _) = hosts.check(&two.body(()).unwrap()).unwrap_err();
        assert_eq!(status_of_two, 400);
        // HTTP/2 has it in the URI; so may a request to a proxy, which is no way around the header.
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
    fn a_page_of_another_site_may_be_left_and_not_ask() {
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
            let status = checked.map_err(|(status, _)| status.as_u16());
            let expected = if answered { Ok(()) } else { Err(403) };
            assert_eq!(status, expected, "{site} {mode} {dest}");
        }
    }

    #[test]
    fn on_every_address_of_the_machine_any_address_may_be_named_and_no_name() {
        let mut hosts = Hosts::default();
        hosts.bind("0.0.0.0".parse().unwrap());
        assert_eq!(status(&hosts, Some("10.1.2.3:6060"), "/"), 200);
        assert_eq!(status(&hosts, Some("pod.example"), "/"), 403);
    }

    #[test]
    fn what_is_no_host_is_not_allowed_in_silence() {
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
