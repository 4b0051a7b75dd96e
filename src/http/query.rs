//! A query's parameters, taken apart as Go's `url.ParseQuery` and `Request.FormValue` do it.
//!
//! By hand and not with a crate because the rules are Go's: of a name given twice the first counts, and a
//! pair that has a semicolon or a broken escape is left out as if it were not there.

use super::reply::{self, Result};
use std::borrow::Cow;

/// More than any client has a use for.
const MOST_PARAMETERS: usize = 100;

/// Names and values, decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Query<'a> {
    pub(super) fn parse(query: &'a str) -> Result<Self> {
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MOST_PARAMETERS {
                return reply::bad_request(&format!(
                    "too many parameters: at most {MOST_PARAMETERS} are read"
                ));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if pair.contains(';') {
                continue;
            }
            if let (Some(name), Some(value)) = (decode(name), decode(value)) {
                pairs.push((name, value));
            }
        }
        Ok(Self { pairs })
    }

    /// The first value of a name; `None` also where it is empty, as Go's handlers take it.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let first = self.pairs.iter().find(|(found, _)| found == name);
        let value = first.map(|(_, value)| &**value);
        value.filter(|value| !value.is_empty())
    }

    /// A number as Go's handlers read `debug` and `gc`: what is none counts as 0, and one beyond 64 bits as
    /// the last within.
    pub(super) fn atoi(&self, name: &str) -> i64 {
        let text = self.get(name).unwrap_or_default();
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return 0;
        }
        let limit = if text.starts_with('-') {
            i64::MIN
        } else {
            i64::MAX
        };
        text.parse().unwrap_or(limit)
    }
}

/// `+` for a space and `%` escapes undone; `None` for a broken escape. What is no UTF-8 becomes U+FFFD.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    Some(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_counts_and_broken_pairs_do_not() {
        let query =
            Query::parse("a=1&&a=2&b&c=%zz&c=3&d=%&e=%4&x;y=1&f=a%20b+c%2B&%67=7&h=%ff").unwrap();
        for (name, value) in [
            ("a", Some("1")),
            ("b", None),
            ("c", Some("3")),
            ("d", None),
            ("e", None),
            ("x;y", None),
            ("f", Some("a b c+")),
            ("g", Some("7")),
            ("h", Some("\u{fffd}")),
            ("absent", None),
        ] {
            assert_eq!(query.get(name), value, "{name}");
        }
        // An empty first one hides the second, as in Go.
        assert_eq!(Query::parse("a=&a=2").unwrap().get("a"), None);
    }

    #[test]
    fn numbers_are_go_s() {
        for (text, number) in [
            ("1", 1),
            ("%2B2", 2),
            ("-1", -1),
            ("x", 0),
            ("", 0),
            ("1.5", 0),
            ("0x1", 0),
            ("1_0", 0),
            ("-", 0),
            ("99999999999999999999", i64::MAX),
            ("-99999999999999999999", i64::MIN),
        ] {
            let query = format!("debug={text}");
            assert_eq!(
                Query::parse(&query).unwrap().atoi("debug"),
                number,
                "{text}"
            );
        }
    }

    #[test]
    fn parameters_are_bounded() {
        let many = |count| "a=1&".repeat(count);
        assert!(Query::parse(&many(MOST_PARAMETERS)).is_ok());
        let refusal = Query::parse(&many(MOST_PARAMETERS + 1)).unwrap_err();
        assert_eq!(refusal.status(), 400);
    }
}
