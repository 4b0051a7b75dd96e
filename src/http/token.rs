//! The token that a request must carry, where one is set: the one place that lets in or turns away.
//!
//! It comes as `Authorization: Bearer TOKEN`, or as the password of `Basic`, whatever the user's name: that
//! is what `go tool pprof http://any:TOKEN@host/…` sends, and what a browser asks a person for.

use ::http::{HeaderMap, header};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use std::{fmt, hint::black_box};

/// What is compared with; never shown.
#[derive(Clone)]
pub(super) struct Token(String);

/// How a request has shown the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Bearer,
    /// By a password, which a browser adds to every request to this host, whoever's page has caused it.
    Basic,
    /// None, or another.
    Nothing,
}

impl Token {
    pub(super) fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    pub(super) fn shown(&self, headers: &HeaderMap) -> Shown {
        let value = headers
            .get(header::AUTHORIZATION)
            .map(|value| value.as_bytes());
        let parts = value.and_then(|value| {
            let at = value.iter().position(|byte| *byte == b' ')?;
            let (scheme, rest) = value.split_at(at);
            Some((scheme, rest.trim_ascii()))
        });
        match parts {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer") && self.is(token) => {
                return Shown::Bearer;
            }
            Some((scheme, encoded)) if scheme.eq_ignore_ascii_case(b"basic") => {
                let decoded = BASE64_STANDARD.decode(encoded).unwrap_or_default();
                let mut parts = decoded.splitn(2, |byte| *byte == b':');
                if parts.next().is_some() && parts.next().is_some_and(|token| self.is(token)) {
                    return Shown::Basic;
                }
            }
            _ => {}
        }
        Shown::Nothing
    }

    /// Takes as long for a token that is right up to its last byte as for one that is wrong in its first; only
    /// the length may show.
    fn is(&self, shown: &[u8]) -> bool {
        let token = self.0.as_bytes();
        let differing = token
            .iter()
            .zip(shown)
            .fold(0, |differing, (a, b)| black_box(differing | (a ^ b)));
        !token.is_empty() && token.len() == shown.len() && differing == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::HeaderValue;

    fn shown(token: &str, authorization: &str) -> Shown {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_str(authorization).unwrap(),
        );
        Token::new(token).shown(&headers)
    }

    #[test]
    fn only_the_whole_token_opens() {
        for (authorization, expected) in [
            ("Bearer secret", Shown::Bearer),
            ("bearer  secret ", Shown::Bearer),
            ("Bearer secre", Shown::Nothing),
            ("Bearer secrets", Shown::Nothing),
            ("Bearer Secret", Shown::Nothing),
            ("Bearer ", Shown::Nothing),
            ("Bearer", Shown::Nothing),
            ("", Shown::Nothing),
            ("secret", Shown::Nothing),
            ("Digest secret", Shown::Nothing),
            ("Basic dXNlcjpzZWNyZXQ=", Shown::Basic), // user:secret
            ("Basic OnNlY3JldA==", Shown::Basic),     // :secret
            ("Basic c2VjcmV0", Shown::Nothing),       // secret
            ("Basic dXNlcjpzZWNyZQ==", Shown::Nothing), // user:secre
            ("Basic !", Shown::Nothing),
        ] {
            assert_eq!(shown("secret", authorization), expected, "{authorization}");
        }
        assert_eq!(
            Token::new("secret").shown(&HeaderMap::new()),
            Shown::Nothing
        );
        assert_eq!(shown("a:b", "Basic dTphOmI="), Shown::Basic); // u:a:b
    }

    #[test]
    fn an_empty_token_opens_nothing() {
        assert_eq!(shown("", "Bearer "), Shown::Nothing);
        assert_eq!(shown("", "Basic Og=="), Shown::Nothing); // :
    }

    #[test]
    fn it_is_not_shown() {
        assert_eq!(format!("{:?}", Token::new("secret")), "Token");
    }
}
