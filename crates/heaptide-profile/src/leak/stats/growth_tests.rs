//! Tests of whether noise alone explains a stack's growth or its loss.

use super::ProfileTimes;
use super::significance::chance_of_so_many;
use super::steadiness::grown_intervals;
use super::swings::largest_fall;
use crate::Estimate;
use crate::leak::history::StackHistory;
use crate::leak::rules::LARGEST_FALL;

/// Chances that noise alone, of sampling and of blocks that come and go at random, shows the
/// growth or the loss in the profiles.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct GrowthTests {
    /// Chance of such growth both over the span and over its later half.
    pub p_value: f64,
    /// Chance of such growth over the whole span.
    pub growth_p_value: f64,
    /// Chance of a loss at least as large over the whole span, if it shrank.
    pub shrink_p_value: f64,
}

impl GrowthTests {
    pub(super) fn of(times: &ProfileTimes, stack: &StackHistory) -> Self {
        let growth_p_value = chance_of_growth(stack, stack.drift, 0);
        let late_p_value = chance_of_growth(stack, stack.late_drift, times.late.start);
        Self {
            // Rejecting "it did not grow" and "it did not grow lately" together is as unlikely as
            // rejecting the likelier of the two (an intersection-union test), so one p-value
            // stands for both rules.
            p_value: growth_p_value.max(late_p_value),
            growth_p_value,
            shrink_p_value: chance_of_drift(stack.drift * -1.0),
        }
    }
}

/// Chance that noise alone shows the growth from one profile to the last, by its amount or by the
/// number of intervals in which it grew, whichever tells more.
///
/// The sign test is only for stacks that do not fall back, since a sawtooth rises most of the
/// time.
fn chance_of_growth(stack: &StackHistory, drift: Estimate, from: usize) -> f64 {
    let is_steady = largest_fall(&stack.inuse_space) <= stack.growth.value * LARGEST_FALL;
    let by_steps = match stack.inuse_space.get(from..) {
        Some(series) if is_steady => chance_of_steps(series),
        _ => 1.0,
    };
    either_chance(chance_of_drift(drift), by_steps)
}

/// Chance that noise alone drifts so far up: that of the samples that came and went, so many came.
pub(super) fn chance_of_drift(drift: Estimate) -> f64 {
    let (came, went) = drift.effective_samples();
    chance_of_so_many(came, went)
}

/// Chance that of the intervals in which it changed, it grew in so many: the sign test.
///
/// A list that grows is one block, which comes and goes at each step. To the drift it is a single
/// event, however large it gets. The number of times that it grew is the evidence.
fn chance_of_steps(series: &[i64]) -> f64 {
    let grown = grown_intervals(series);
    let changed = series.windows(2).filter(|pair| pair.first() != pair.last());
    let fallen = changed.count().saturating_sub(grown);
    chance_of_so_many(grown as f64, fallen as f64)
}

/// Chance that either of two tests says as much: at most their sum (Bonferroni).
fn either_chance(one: f64, other: f64) -> f64 {
    (2.0 * one.min(other)).min(1.0)
}
