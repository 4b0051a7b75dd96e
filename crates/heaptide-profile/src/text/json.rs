//! JSON values as text, made by hand.
//!
//! A serializer would be a dependency for a few dozen fields. The callers choose the names of the
//! fields.

use std::fmt::Write as _;

/// An object of fields whose values are JSON already.
#[must_use]
pub fn object(fields: impl IntoIterator<Item = (&'static str, String)>) -> String {
    join('{', '}', fields, |text, (name, value)| {
        text.push('"');
        text.push_str(name);
        text.push_str("\":");
        text.push_str(&value);
    })
}

/// An array of values that are JSON already.
#[must_use]
pub fn array(values: impl IntoIterator<Item = String>) -> String {
    join('[', ']', values, |text, value| text.push_str(&value))
}

fn join<T>(
    open: char,
    close: char,
    values: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) -> String {
    let mut text = String::from(open);
    for (at, value) in values.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write(&mut text, value);
    }
    text.push(close);
    text
}

/// A number; `null` if it is not finite.
#[must_use]
pub fn number(value: f64) -> String {
    if value.is_finite() {
        // Rust writes floats in digits only, which is valid JSON. Adding 0 turns `-0` into `0`.
        format!("{}", value + 0.0)
    } else {
        "null".into()
    }
}

/// Escapes what JSON requires ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259#section-7)), and
/// DEL and the C1 controls too, which terminals may act on.
#[must_use]
pub fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control.is_control() => {
                // Control characters are below U+00A0, so each is one unit of UTF-16. Writing to a
                // string cannot fail.
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
