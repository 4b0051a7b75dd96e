//! The verdict as JSON, by hand: one kind of object, whose fields are listed in docs/leaks.md.
//!
//! Separate from `text` since programs rely on it. No serializer: the library would depend on one for
//! this alone; `crate::json` writes values. Numbers that JSON has no word for are `null`.

use super::frame::StackFrame;
use super::verdict::{Suspect, Verdict};
use crate::json::{array, number, object, string};
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
