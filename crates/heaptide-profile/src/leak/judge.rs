//! From the histories of all stacks to a verdict: which stacks leak, and the function to blame.
//!
//! Separate from `rules`, which sees one stack at a time. Here all stacks are taken together: how
//! many were tried, and how the process grew.

use std::cmp::Reverse;
use std::time::Duration;

use super::attribution::{NotAccusedBySite, blamed};
use super::frame::StackFrame;
use super::history::ProcessHistory;
use super::interner::StackInterner;
use super::rules::{FALSE_DISCOVERY_RATE, RuleContext, reason_not_accused};
use super::stats::{ProfileTimes, StackTrend, discovery_cutoff, upper_quantile};
use super::verdict::{Leak, NotAccused, NotAccusedReason, Verdict};
use crate::text::units::Bytes;

/// Standard normal quantile of 0.9: growth that is so many standard errors above the significant
/// amount is seen nine times out of ten.
const NORMAL_90: f64 = 1.281_551_565_544_600_5;

/// A stack on its way to the verdict.
struct Judged {
    /// Its number in the interner.
    number: u32,
    /// Position of its site among the frames of the trend.
    site: usize,
    trend: StackTrend,
    /// Why it is not accused; `None` for a leak.
    reason: Option<NotAccusedReason>,
}

/// Judges every stack.
pub(super) fn judge(
    history: ProcessHistory,
    interner: &StackInterner,
    notes: Vec<String>,
) -> Verdict {
    let times = ProfileTimes::of(&history);
    let mut stacks: Vec<Judged> = history
        .stacks
        .into_iter()
        .map(|stack| Judged {
            number: stack.number,
            site: stack.skipped,
            trend: StackTrend::of(&times, stack),
            reason: None,
        })
        .collect();
    let stacks_tried = stacks.len();
    let p_values = stacks.iter().map(|stack| stack.trend.tests.p_value);
    let growth = stacks.iter().map(|stack| stack.trend.growth.value.max(0.0));
    let context = RuleContext {
        cutoff: discovery_cutoff(p_values.collect(), FALSE_DISCOVERY_RATE),
        total_growth: growth.sum(),
    };
    for stack in &mut stacks {
        stack.reason = reason_not_accused(&stack.trend, context);
    }
    let functions = blamed_functions(&stacks, interner, times.interval_bytes);
    let mut leaks = Vec::new();
    let mut not_accused = Vec::new();
    for (stack, function) in stacks.into_iter().zip(functions) {
        let trend = stack.trend;
        match stack.reason {
            Some(reason) => not_accused.push(NotAccused { trend, reason }),
            None => leaks.push(Leak {
                trend,
                blamed: function.unwrap_or_else(StackFrame::none),
            }),
        }
    }
    leaks.sort_by(|a, b| {
        let rate = |leak: &Leak| leak.trend.rates.mean.value;
        let by_rate = rate(b).total_cmp(&rate(a));
        by_rate.then_with(|| a.blamed.name.cmp(&b.blamed.name))
    });
    not_accused.sort_by_cached_key(|stack| {
        let trend = &stack.trend;
        let live = trend.inuse_space.last().copied();
        let allocated = Bytes::nearest(trend.turnover.allocated);
        (Reverse((live, allocated)), trend.site.name.clone())
    });
    Verdict {
        leaks,
        not_accused,
        span: Duration::try_from_secs_f64(times.span).unwrap_or_default(),
        snapshots: times.seconds.len(),
        stacks_tried,
        false_discovery_rate: FALSE_DISCOVERY_RATE,
        smallest_leak: smallest_leak(&times, stacks_tried),
        notes,
    }
}

/// The function to blame for each stack that leaks; `None` for other stacks and without frames.
fn blamed_functions(
    stacks: &[Judged],
    interner: &StackInterner,
    interval_bytes: i64,
) -> Vec<Option<StackFrame>> {
    let mut others = NotAccusedBySite::default();
    for stack in stacks.iter().filter(|stack| stack.reason.is_some()) {
        others.add(interner, stack.number, &stack.trend);
    }
    let function = |stack: &Judged| {
        if stack.reason.is_some() {
            return None;
        }
        let leak = (stack.number, &stack.trend);
        let above = blamed(interner, leak, &others, interval_bytes);
        stack.trend.stack.get(stack.site + above).cloned()
    };
    stacks.iter().map(function).collect()
}

/// The rate in bytes per second that a leak needs to be significant in the later part nine times
/// out of ten, if it is the only leak and has a stack of its own.
///
/// Growth `G` of blocks smaller than the interval `R` has variance `G R`. Were it normal, it would
/// be significant from `z` standard errors on: `G / sqrt(G R) = z + 1.28` gives `G = (z + 1.28)²
/// R`. The exact test asks for `log2` of one over the chance in samples, which differs little from
/// `z²`. Nine times out of ten so many samples come at a rate somewhat below this one. The rest is
/// room for the other rules.
fn smallest_leak(times: &ProfileTimes, stacks_tried: usize) -> f64 {
    let alone = FALSE_DISCOVERY_RATE / stacks_tried.max(1) as f64;
    let needed = (upper_quantile(alone) + NORMAL_90).powi(2);
    needed * times.interval_bytes as f64 / times.late.seconds
}
