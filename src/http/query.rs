//! A query's parameters, decoded as Go's `url.ParseQuery` and `Request.FormValue` do it.
//!
//! No crate does it, since the rules are Go's: the first value of a name counts, and a pair with a
//! semicolon or a broken escape is dropped.

use super::limits::MAX_PARAMETERS;
use super::reply::{self, ReplyResult};
use std::borrow::Cow;

/// Names and values, decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Query<'a> {
    pub(super) fn parse(query: &'a str) -> ReplyResult<Self> {
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MAX_PARAMETERS {
                let why = format!("too many parameters: at most {MAX_PARAMETERS} are read");
                return reply::bad_request(&why);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = decode(name).zip(decode(value));
            pairs.extend(decoded.filter(|_| !pair.contains(';')));
        }
        Ok(Self { pairs })
    }

    /// The first value of a name; `None` also if it is empty, as in Go's handlers.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.pairs.iter().find(|(found, _)| found == name)?;
        Some(&**value).filter(|value| !value.is_empty())
    }

    /// A number as Go's handlers read `debug`: 0 for a text that is not a number, and the
    /// nearest 64-bit number for one that is too large.
    pub(super) fn atoi(&self, name: &str) -> i64 {
        let text = self.get(name).unwrap_or_default();
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        match text.parse() {
            Ok(number) => number,
            Err(_) if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) => 0,
            Err(_) if text.starts_with('-') => i64::MIN,
            Err(_) => i64::MAX,
        }
    }
}

/// Decodes `+` and `%` escapes; `None` for a broken escape. Bytes that are not UTF-8 become U+FFFD.
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
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
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
    fn the_first_value_of_a_name_counts_and_broken_pairs_are_dropped() {
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
    fn numbers_are_read_as_go_reads_them() {
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
        assert!(Query::parse(&many(MAX_PARAMETERS)).is_ok());
        let refusal = Query::parse(&many(MAX_PARAMETERS + 1)).unwrap_err();
        assert_eq!(refusal.0.status(), 400);
    }
}
