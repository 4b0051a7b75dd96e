//! JSON, by hand: what verdicts, tables and the status of the profiler are written with.
//!
//! No serializer, which the library would depend on for a few objects. A room of its own because siblings
//! use it; what an object has for fields is theirs.

use std::fmt::Write as _;

/// `{"name":value,...}`; the values are JSON already.
pub(crate) fn object(fields: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let fields = fields
        .into_iter()
        .map(|(name, value)| format!("\"{name}\":{value}"));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// `[value,...]`; the values are JSON already.
pub(crate) fn array(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(","))
}

/// A number; `null` if JSON has no word for it.
pub(crate) fn number(value: f64) -> String {
    if value.is_finite() {
        // Rust writes floats in digits only, which is JSON; an exact 0 never as `-0`.
        format!("{}", value + 0.0)
    } else {
        "null".into()
    }
}

/// Escapes what JSON requires ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259#section-7)), and DEL and
/// the C1 controls too, which terminals may act on.
pub(crate) fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control.is_control() => {
                // Controls are below U+00A0: one unit of UTF-16. Writing to a string cannot fail.
                let escaped = write!(quoted, "\\u{:04x}", u32::from(control));
                debug_assert_eq!(escaped, Ok(()));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        assert_eq!(string("a::<\"b\">\\"), r#""a::<\"b\">\\""#);
        assert_eq!(string("\n\u{1b}[31m\u{9b}"), r#""\u000a\u001b[31m\u009b""#);
        assert_eq!(string("± é"), "\"± é\"");
    }

    #[test]
    fn numbers_are_json() {
        assert_eq!(number(f64::NAN), "null");
        assert_eq!(number(f64::NEG_INFINITY), "null");
        assert_eq!(number(-0.0), "0");
        assert_eq!(number(1.5e300).len(), 301);
        assert_eq!(number(0.01), "0.01");
    }
}
