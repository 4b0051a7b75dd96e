//! The verdict as JSON, by hand: one kind of object, whose fields are listed in docs/leaks.md.
//!
//! Separate from `text` since programs rely on it. No serializer: the library would depend on one for
//! this alone. Numbers that JSON has no word for are `null`.

use std::fmt::Write as _;

use super::stack::StackFrame;
use super::verdict::{Suspect, Verdict};
use crate::profile::Estimate;

const SECONDS_PER_HOUR: f64 = 3600.0;

/// The whole verdict, in one line.
pub(super) fn verdict(verdict: &Verdict) -> String {
    let leaks = verdict.suspects.iter().map(|suspect| {
        let series = suspect.inuse_space.iter().map(ToString::to_string);
        let mut fields = trend("leak", suspect);
        fields.push(("inuse_space", array(series)));
        object(fields)
    });
    let rest = verdict
        .acquitted
        .iter()
        .map(|acquitted| object(trend(acquitted.reason.name(), &acquitted.trend)));
    object([
        ("has_leak", verdict.has_leak().to_string()),
        ("leaks", array(leaks)),
        ("not_accused", array(rest)),
        ("snapshots", verdict.snapshots.to_string()),
        ("span_seconds", number(verdict.span.as_secs_f64())),
        ("stacks_tried", verdict.stacks_tried.to_string()),
        ("false_discovery_rate", number(verdict.false_discovery_rate)),
        (
            "smallest_leak_bytes_per_hour",
            number(verdict.smallest_leak * SECONDS_PER_HOUR),
        ),
        (
            "notes",
            array(verdict.notes.iter().map(|note| string(note))),
        ),
    ])
}

fn trend(class: &str, trend: &Suspect) -> Vec<(&'static str, String)> {
    let slope = object([
        ("value", number(trend.slope * SECONDS_PER_HOUR)),
        ("low_95", number(trend.slope_95.start() * SECONDS_PER_HOUR)),
        ("high_95", number(trend.slope_95.end() * SECONDS_PER_HOUR)),
    ]);
    let intervals = trend.inuse_space.len().saturating_sub(1);
    vec![
        ("class", string(class)),
        ("function", frame(&trend.function)),
        ("site", frame(&trend.site)),
        ("stack", array(trend.stack.iter().map(frame))),
        ("live_bytes", estimate(trend.live)),
        ("growth_bytes", estimate(trend.growth)),
        ("slope_bytes_per_hour", slope),
        ("allocated_bytes", number(trend.allocated)),
        ("retention", number(trend.retention)),
        ("largest_fall_bytes", number(trend.largest_fall)),
        ("intervals_grown", trend.intervals_grown.to_string()),
        ("intervals", intervals.to_string()),
        ("doublings", trend.doublings.to_string()),
        ("p_value", number(trend.p_value)),
    ]
}

fn frame(frame: &StackFrame) -> String {
    object([
        ("name", string(&frame.name)),
        ("file", string(&frame.file)),
        ("line", frame.line.to_string()),
    ])
}

fn estimate(estimate: Estimate) -> String {
    let reach = estimate.interval_95();
    object([
        ("value", number(estimate.value)),
        ("standard_error", number(estimate.standard_error)),
        ("low_95", number(*reach.start())),
        ("high_95", number(*reach.end())),
    ])
}

fn object(fields: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let fields = fields
        .into_iter()
        .map(|(name, value)| format!("\"{name}\":{value}"));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn array(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(","))
}

fn number(value: f64) -> String {
    if value.is_finite() {
        // Rust writes floats in digits only, which is JSON; an exact 0 never as `-0`.
        format!("{}", value + 0.0)
    } else {
        "null".into()
    }
}

/// Escapes what JSON requires ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259#section-7)), and DEL and
/// the C1 controls too, which terminals may act on.
fn string(text: &str) -> String {
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
