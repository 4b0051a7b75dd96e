//! The token that a request must carry if one is set, and how the request carries it.
//!
//! A program sends `Authorization: Bearer TOKEN`. `go tool pprof http://any:TOKEN@host/...` and
//! browsers send it as the password of `Basic`, with any user name.

use ::http::{HeaderMap, header};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use std::{fmt, hint::black_box};

/// The token of the endpoints; never printed.
#[derive(Clone)]
pub(super) struct Token(String);

/// How a request carries the right token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    Bearer,
    /// A password. A browser adds it to every request to this host, whichever page caused the
    /// request.
    Basic,
}

impl Token {
    pub(super) fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// `None` if the headers have no token or another one.
    pub(super) fn check(&self, headers: &HeaderMap) -> Option<Credential> {
        let value = headers.get(header::AUTHORIZATION)?.as_bytes();
        let (scheme, rest) = value.split_at(value.iter().position(|byte| *byte == b' ')?);
        let rest = rest.trim_ascii();
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return self.equals(rest).then_some(Credential::Bearer);
        }
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let decoded = BASE64_STANDARD.decode(rest).ok()?;
        let password = decoded.splitn(2, |byte| *byte == b':').nth(1)?;
        self.equals(password).then_some(Credential::Basic)
    }

    /// Takes as long for the right token as for one that differs in its first byte. The time may
    /// only tell the length.
    fn equals(&self, other: &[u8]) -> bool {
        let token = self.0.as_bytes();
        let pairs = token.iter().zip(other);
        let differing = pairs.fold(0, |differing, (a, b)| black_box(differing | (a ^ b)));
        !token.is_empty() && token.len() == other.len() && differing == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Credential::{Basic, Bearer},
        *,
    };
    use ::http::HeaderValue;

    fn checked(token: &str, authorization: &str) -> Option<Credential> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_str(authorization).unwrap(),
        );
        Token::new(token).check(&headers)
    }

    #[test]
    fn only_the_whole_token_is_accepted() {
        for (authorization, expected) in [
            ("Bearer secret", Some(Bearer)),
            ("bearer  secret ", Some(Bearer)),
            ("Bearer secre", None),
            ("Bearer secrets", None),
            ("Bearer Secret", None),
            ("Bearer ", None),
            ("Bearer", None),
            ("", None),
            ("secret", None),
            ("Digest secret", None),
            ("Basic dXNlcjpzZWNyZXQ=", Some(Basic)), // user:secret
            ("Basic OnNlY3JldA==", Some(Basic)),     // :secret
            ("Basic c2VjcmV0", None),                // secret
            ("Basic dXNlcjpzZWNyZQ==", None),        // user:secre
            ("Basic !", None),
        ] {
            assert_eq!(
                checked("secret", authorization),
                expected,
                "{authorization}"
            );
        }
        assert_eq!(Token::new("secret").check(&HeaderMap::new()), None);
        assert_eq!(checked("a:b", "Basic dTphOmI="), Some(Basic)); // u:a:b
    }

    #[test]
    fn an_empty_token_is_never_accepted() {
        assert_eq!(checked("", "Bearer "), None);
        assert_eq!(checked("", "Basic Og=="), None); // :
    }

    #[test]
    fn debug_output_hides_the_token() {
        assert_eq!(format!("{:?}", Token::new("secret")), "Token");
    }
}
