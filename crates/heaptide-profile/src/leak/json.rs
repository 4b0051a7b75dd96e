//! The verdict as JSON: one object, whose fields docs/leaks.md lists.
//!
//! Separate from `text`, since programs rely on it. It is written by hand: the library would depend
//! on a serializer for this alone. Numbers without a form in JSON are `null`.

use super::frame::StackFrame;
use super::stats::StackTrend;
use super::verdict::Verdict;
use crate::Estimate;
use crate::text::json::{array, number, object, string};

const SECONDS_PER_HOUR: f64 = 3600.0;

/// The whole verdict, in one line.
pub(super) fn verdict(verdict: &Verdict) -> String {
    let leaks = verdict.leaks.iter().map(|leak| {
        let series = leak.trend.inuse_space.iter().map(ToString::to_string);
        let mut fields = fields("leak", &leak.blamed, &leak.trend);
        fields.push(("inuse_space", array(series)));
        object(fields)
    });
    let rest = verdict.not_accused.iter().map(|stack| {
        let trend = &stack.trend;
        object(fields(stack.reason.name(), &trend.site, trend))
    });
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

/// The fields that leaks and other stacks have in common.
fn fields(class: &str, function: &StackFrame, trend: &StackTrend) -> Vec<(&'static str, String)> {
    let rates = &trend.rates;
    let slope = object([
        ("value", number(rates.slope * SECONDS_PER_HOUR)),
        ("low_95", number(rates.slope_95.start() * SECONDS_PER_HOUR)),
        ("high_95", number(rates.slope_95.end() * SECONDS_PER_HOUR)),
    ]);
    let steadiness = &trend.steadiness;
    vec![
        ("class", string(class)),
        ("function", frame(function)),
        ("site", frame(&trend.site)),
        ("stack", array(trend.stack.iter().map(frame))),
        ("live_bytes", estimate(trend.live)),
        ("growth_bytes", estimate(trend.growth)),
        ("slope_bytes_per_hour", slope),
        ("allocated_bytes", number(trend.turnover.allocated)),
        ("retention", number(trend.turnover.retention)),
        ("largest_fall_bytes", number(trend.swings.largest_fall)),
        ("intervals_grown", steadiness.intervals_grown.to_string()),
        ("intervals", steadiness.intervals.to_string()),
        ("doublings", trend.doublings.count.to_string()),
        ("p_value", number(trend.tests.p_value)),
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
