//! From the histories of all stacks to a verdict: how many were tried, which of them the rules accuse, and whom of
//! a stack to blame.
//!
//! Separate from `rules`, which sees one stack: here is what takes all of them together.

use std::cmp::Reverse;
use std::time::Duration;

use super::blame::{Siblings, blamed};
use super::evidence::{Times, trend};
use super::frame::StackFrame;
use super::history::History;
use super::rules::{FALSE_DISCOVERY_RATE, acquit};
use super::significance::{discovery_cutoff, upper_quantile};
use super::stack::Names;
use super::verdict::{Acquitted, Reason, Suspect, Verdict};
use crate::units::Bytes;

/// Standard normal quantile of 0.9: growth as many standard errors above what is needed is seen nine
/// times out of ten.
const NORMAL_90: f64 = 1.281_551_565_544_600_5;

/// Judges every stack.
pub(super) fn judge(history: History, names: &Names, notes: Vec<String>) -> Verdict {
    let times = Times::of(&history);
    let trends: Vec<(u32, usize, Suspect)> = history
        .stacks
        .into_iter()
        .map(|stack| (stack.number, stack.skipped, trend(&times, stack)))
        .collect();
    let cutoff = discovery_cutoff(
        trends.iter().map(|(_, _, trend)| trend.p_value).collect(),
        FALSE_DISCOVERY_RATE,
    );
    let total_growth: f64 = trends.iter().map(|(_, _, t)| t.growth.value.max(0.0)).sum();

    let stacks_tried = trends.len();
    let reasons = trends
        .iter()
        .map(|(_, _, t)| acquit(t, cutoff, total_growth));
    let reasons: Vec<Option<Reason>> = reasons.collect();
    let mut siblings = Siblings::default();
    for ((stack, _, trend), _) in trends.iter().zip(&reasons).filter(|(_, r)| r.is_some()) {
        siblings.add(names, *stack, trend);
    }
    let functions = trends
        .iter()
        .zip(&reasons)
        .map(|((stack, skipped, trend), reason)| {
            let above = match reason {
                None => blamed(names, (*stack, trend), &siblings, times.interval_bytes),
                Some(_) => 0,
            };
            let function = trend.stack.get(skipped + above).cloned();
            function.unwrap_or_else(StackFrame::none)
        });
    let functions: Vec<StackFrame> = functions.collect();

    let mut suspects = Vec::new();
    let mut acquitted = Vec::new();
    for (((_, _, mut trend), reason), function) in trends.into_iter().zip(reasons).zip(functions) {
        trend.function = function;
        match reason {
            Some(reason) => acquitted.push(Acquitted { trend, reason }),
            None => suspects.push(trend),
        }
    }
    suspects.sort_by(|a, b| {
        let by_rate = b.rate.value.total_cmp(&a.rate.value);
        by_rate.then_with(|| a.function.name.cmp(&b.function.name))
    });
    acquitted.sort_by_cached_key(|a| {
        let live = a.trend.inuse_space.last().copied();
        let allocated = Bytes::nearest(a.trend.allocated);
        (Reverse((live, allocated)), a.trend.function.name.clone())
    });
    Verdict {
        suspects,
        acquitted,
        span: Duration::try_from_secs_f64(times.span).unwrap_or_default(),
        snapshots: times.seconds.len(),
        stacks_tried,
        false_discovery_rate: FALSE_DISCOVERY_RATE,
        smallest_leak: smallest_leak(&times, stacks_tried),
        notes,
    }
}

/// The rate in bytes per second that a leak on a stack of its own needs to be significant in the
/// later part nine times out of ten, if it is the only one.
///
/// Growth `G` of blocks smaller than the interval `R` has variance `G R`, and were it normal, it would be
/// significant from `z` standard errors on: `G / sqrt(G R) = z + 1.28` gives `G = (z + 1.28)² R`. The
/// exact test asks for `log2` of one over the chance in samples, hardly other than `z²`; so many are
/// there nine times of ten at somewhat less than this, and what remains is room for the other rules.
fn smallest_leak(times: &Times, stacks_tried: usize) -> f64 {
    let alone = FALSE_DISCOVERY_RATE / stacks_tried.max(1) as f64;
    let needed = (upper_quantile(alone) + NORMAL_90).powi(2);
    needed * times.interval_bytes as f64 / times.late_seconds
}
