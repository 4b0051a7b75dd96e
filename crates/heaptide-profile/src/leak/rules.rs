//! The rules: which growth is a leak, and why any other stack is not accused.
//!
//! Each constant says why it has its value. The simulations in `tests` measure how often the rules
//! accuse wrongly and how often they miss a leak. A rule sees one stack at a time, by its
//! [`StackTrend`], and the sums over all stacks by its [`RuleContext`].

use super::stats::StackTrend;
use super::verdict::NotAccusedReason;

/// Share of accusations that chance may account for. An accusation costs someone an afternoon, and
/// a slow leak missed today is found by watching longer, so it is strict.
pub(super) const FALSE_DISCOVERY_RATE: f64 = 0.01;

/// The last part of the span, in which growth must not have faded. A quarter is late enough to show
/// that a cache which filled up in the third quarter is full, and holds enough samples to tell.
pub(super) const LAST_SHARE: f64 = 0.25;

/// Least rate over the last part, and least slope over all snapshots, relative to the mean rate. A
/// leak has 1, a cache that filled up has 0.
pub(super) const STILL_GROWING: f64 = 0.5;

/// Largest fall from a peak relative to the growth. A leak gives nothing back; a buffer that
/// is flushed falls by all its growth.
pub(super) const LARGEST_FALL: f64 = 0.5;

/// Least share kept of the allocations during a rise, for a sawtooth. A buffer that doubles
/// allocates two or three times what it holds at last, churn many times.
pub(super) const KEPT_WHILE_RISING: f64 = 0.25;

/// Most that is still allocated in the last part, relative to an even share of it, for a warm-up.
/// A stack that levels off and goes on allocating replaces its blocks: a cache.
const STILL_ALLOCATING: f64 = 0.1;

/// Least share kept of the allocations since the first profile. Below it a stack mostly churns;
/// a few accidental survivors are not worth an accusation.
const NOTABLE_RETENTION: f64 = 0.05;

/// Least part of the live bytes in blocks too large for sampling to miss, for a list that doubles.
pub(super) const IN_LARGE_BLOCKS: f64 = 0.9;

/// Share of the process's growth that outweighs low retention: one block kept of a hundred is a
/// leak if it makes up most of the growth of the memory.
const NOTABLE_SHARE: f64 = 0.1;

/// Facts about all stacks together that the rules need.
#[derive(Clone, Copy, Debug)]
pub(super) struct RuleContext {
    /// The largest p-value that is significant, given the number of stacks tried.
    pub(super) cutoff: f64,
    /// The sum of the growth of all stacks that grew, in bytes.
    pub(super) total_growth: f64,
}

/// Why a stack is not accused, by the first reason that holds; `None` for a leak.
pub(super) fn reason_not_accused(
    trend: &StackTrend,
    context: RuleContext,
) -> Option<NotAccusedReason> {
    let is_significant = |p_value: f64| p_value <= context.cutoff;
    if falls_back(trend)
        && is_significant(trend.swings.p_value)
        && trend.swings.kept_while_rising >= KEPT_WHILE_RISING
    {
        return Some(NotAccusedReason::Sawtooth);
    }
    if is_significant(trend.tests.shrink_p_value) {
        return Some(NotAccusedReason::Shrinks);
    }
    if trend.doublings.keeps_doubling {
        return None;
    }
    if !is_significant(trend.tests.growth_p_value) {
        return Some(without_significant_growth(trend));
    }
    if is_mostly_churn(trend) && trend.growth.value < context.total_growth * NOTABLE_SHARE {
        return Some(NotAccusedReason::Churns);
    }
    let grows_lately = is_significant(trend.tests.p_value);
    if slows_down(trend) || (!grows_lately && trend.rates.late < steady_rate(trend)) {
        return Some(after_growth(trend));
    }
    if !grows_lately {
        return Some(NotAccusedReason::Unproven);
    }
    if falls_back(trend) {
        return Some(NotAccusedReason::Sawtooth);
    }
    if is_unsteady(trend) {
        return Some(NotAccusedReason::Unsteady);
    }
    None
}

/// The reason of a stack that did not grow by more than noise.
fn without_significant_growth(trend: &StackTrend) -> NotAccusedReason {
    // A list that doubles is one block at a time: a single event to the test of growth. That it
    // grew is sure, whether it goes on is not.
    let has_grown = has_surely_grown(trend);
    if trend.doublings.is_recent && has_grown {
        return NotAccusedReason::Unproven;
    }
    if trend.doublings.is_one_list && has_grown && slows_down(trend) {
        return NotAccusedReason::WarmsUp;
    }
    let is_replaced = trend.turnover.allocated > trend.live_bytes() as f64;
    if is_mostly_churn(trend) && is_replaced {
        NotAccusedReason::Churns
    } else {
        NotAccusedReason::WithinNoise
    }
}

/// The reason of a stack that grew and slowed down.
fn after_growth(trend: &StackTrend) -> NotAccusedReason {
    if trend.doublings.is_recent && has_surely_grown(trend) {
        return NotAccusedReason::Unproven;
    }
    let turnover = &trend.turnover;
    let even_share = turnover.allocated * turnover.last_share;
    if turnover.last_allocated < even_share * STILL_ALLOCATING {
        NotAccusedReason::WarmsUp
    } else {
        NotAccusedReason::LevelsOff
    }
}

/// Whether it once gave back a large part of its growth.
fn falls_back(trend: &StackTrend) -> bool {
    trend.swings.largest_fall > trend.growth.value.abs() * LARGEST_FALL
}

/// Whether it keeps next to nothing of its allocations.
fn is_mostly_churn(trend: &StackTrend) -> bool {
    trend.turnover.retention < NOTABLE_RETENTION
}

/// Whether its growth is more than the sampling error.
fn has_surely_grown(trend: &StackTrend) -> bool {
    *trend.growth.interval_95().start() > 0.0
}

/// The least rate of a stack that still grows, in bytes per second.
fn steady_rate(trend: &StackTrend) -> f64 {
    trend.rates.mean.value * STILL_GROWING
}

/// Whether its growth faded in the last part of the span.
fn slows_down(trend: &StackTrend) -> bool {
    trend.rates.last < steady_rate(trend)
}

/// Whether it grew in few parts of the span only.
fn is_unsteady(trend: &StackTrend) -> bool {
    let steadiness = &trend.steadiness;
    steadiness.parts_grown * 2 <= steadiness.parts || trend.rates.slope < steady_rate(trend)
}
