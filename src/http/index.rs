//! The index of the endpoints, as Go's page lists them.

use super::reply::{self, Reply};
use crate::stats;
use ::http::{StatusCode, header};

/// The words are Go's where Go has any. Links are relative, so they are right under any prefix that
/// ends in a slash. Routers hide from us whether it does, so a script adds the slash.
const PAGE: &str = include_str!("index.html");

/// The hash is of the script in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
    script-src 'sha256-J0byWcFw6zzET3kQyywBSH2eHGLlsh+HLC8A0R4bGfY='";

pub(super) fn answer() -> Reply {
    let page = PAGE.replace("{stacks}", &stats().stacks.to_string());
    let reply = reply::new(StatusCode::OK, reply::HTML, page);
    reply::with(reply, header::CONTENT_SECURITY_POLICY, POLICY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::route::Route;

    #[test]
    fn every_link_leads_to_an_endpoint_of_this_host() {
        let reply = answer();
        let body = std::str::from_utf8(reply.body()).unwrap();
        let links: Vec<&str> = body
            .split("href='")
            .skip(1)
            .filter_map(|rest| rest.split('\'').next())
            .collect();
        assert_eq!(
            links.len(),
            8,
            "the seven endpoints, and the page above them"
        );
        for link in links {
            let path = format!("/debug/pprof/{}", link.split('?').next().unwrap());
            assert!(
                !matches!(Route::of(&path), Route::Unknown | Route::Index),
                "{path}"
            );
        }
        assert!(!body.contains("//"), "no address of another host");
        assert!(!body.contains("{stacks}"));
    }
}
