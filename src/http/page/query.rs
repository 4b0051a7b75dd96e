//! What the page asks its data for: the parameters behind `ui/data?`.
//!
//! Unknown parameters are ignored, so that an older page still works; what cannot be read is an error that
//! names it.

use regex::{Regex, RegexBuilder};

/// What a regular expression may take up when compiled. They are matched in linear time.
const REGEX_SIZE: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Query {
    /// The sample type by name; empty for the profile's default.
    pub(super) sample_type: String,
    pub(super) focus: Option<Regex>,
    pub(super) ignore: Option<Regex>,
    /// The moment to compare with.
    pub(super) since: Option<u64>,
    /// The moment to look at again; now where there is none.
    pub(super) at: Option<u64>,
}

impl Query {
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut parsed = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value);
            match name {
                "sample_index" => parsed.sample_type = value,
                "focus" => parsed.focus = pattern(name, &value)?,
                "ignore" => parsed.ignore = pattern(name, &value)?,
                "since" => parsed.since = moment(name, &value)?,
                "at" => parsed.at = moment(name, &value)?,
                _ => {}
            }
        }
        Ok(parsed)
    }
}

fn pattern(name: &str, value: &str) -> Result<Option<Regex>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    let built = RegexBuilder::new(value).size_limit(REGEX_SIZE).build();
    built
        .map(Some)
        .map_err(|error| format!("{name} is no regular expression: {error}"))
}

fn moment(name: &str, value: &str) -> Result<Option<u64>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    value
        .parse()
        .map(Some)
        .map_err(|_not_a_number| format!("{name} is no moment's number: {value:?}"))
}

/// `application/x-www-form-urlencoded`: `+` is a space, `%` and two hexadecimal digits a byte; what is neither
/// stands for itself.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        match (first, behind) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high * 16 + low);
                    rest = after;
                }
                _ => bytes.push(first),
            },
            _ => bytes.push(first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(hexadecimal: u8) -> Option<u8> {
    let value = char::from(hexadecimal).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_unknown_ones_ignored() {
        let query = Query::parse(
            "sample_index=alloc_space&focus=a%3A%3A%28b%7Cc%29+d&since=7&at=&new=1&ignore",
        );
        let query = query.unwrap();
        assert_eq!(query.sample_type, "alloc_space");
        assert_eq!(query.focus.unwrap().as_str(), "a::(b|c) d");
        assert!(query.ignore.is_none());
        assert_eq!((query.since, query.at), (Some(7), None));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let refused = |query| Query::parse(query).unwrap_err();
        assert!(refused("focus=(").starts_with("focus is no regular expression: "));
        assert!(refused("ignore=(a{999}){999}").starts_with("ignore is no regular"));
        assert_eq!(refused("since=-1"), "since is no moment's number: \"-1\"");
    }

    #[test]
    fn a_percent_sign_that_begins_no_byte_stands_for_itself() {
        for (coded, text) in [
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%25%c3%b1%ff", "%ñ\u{fffd}"),
        ] {
            assert_eq!(decode(coded), text);
        }
    }
}
