//! The rules: which growth is a leak, and what every other stack is acquitted of.
//!
//! Each constant says why it is what it is; the simulation beside this file measures what they let
//! through and what they miss. It sees only stacks that are already lined up.

use std::cmp::Reverse;
use std::time::Duration;

use super::history::{History, StackHistory};
use super::significance::{chance_of_so_many, discovery_cutoff, upper_quantile};
use super::verdict::{Acquitted, Reason, Suspect, Verdict};
use crate::profile::Estimate;
use crate::units::Bytes;

/// Share of accusations that chance may account for. An accusation costs someone an afternoon, and a
/// slow leak missed today is found by watching longer, so it is strict.
const FALSE_DISCOVERY_RATE: f64 = 0.01;

/// The last part of the span, in which growth must not have faded. A quarter is late enough that
/// what filled up in the third quarter is seen to be full, and holds enough samples to tell.
const LAST_SHARE: f64 = 0.25;

/// Least rate over the last part relative to the mean rate. A leak has 1, what filled up has 0.
const STILL_GROWING: f64 = 0.5;

/// Largest fall from a peak relative to the growth. What leaked does not come back; a buffer that
/// is flushed falls by all it grew by.
const LARGEST_FALL: f64 = 0.5;

/// Parts of the span that growth is counted in. Snapshots can be so close that a leak adds no sample
/// from one to the next; eight parts of what is significant hold two samples each.
const PARTS: usize = 8;

/// Least share kept of what was allocated since the first profile. Below it a stack mostly churns;
/// accidental survivors are not worth an accusation.
const NOTABLE_RETENTION: f64 = 0.05;

/// Share of the process's growth that outweighs low retention: a leak of one block in a hundred is
/// one if it is where the memory goes.
const NOTABLE_SHARE: f64 = 0.1;

/// Standard normal quantile of 0.9: growth as many standard errors above what is needed is seen nine
/// times out of ten.
const NORMAL_90: f64 = 1.281_551_565_544_600_5;

/// Judges every stack.
pub(super) fn judge(history: &History) -> Verdict {
    let trends: Vec<Suspect> = history.stacks.iter().map(|s| trend(history, s)).collect();
    let cutoff = discovery_cutoff(
        trends.iter().map(|t| t.p_value).collect(),
        FALSE_DISCOVERY_RATE,
    );
    let total_growth: f64 = trends.iter().map(|t| t.growth.value.max(0.0)).sum();

    let mut suspects = Vec::new();
    let mut acquitted = Vec::new();
    let stacks_tried = trends.len();
    for trend in trends {
        match acquit(&trend, cutoff, total_growth) {
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
    let span = history.seconds_from(0);
    Verdict {
        suspects,
        acquitted,
        span: Duration::from_secs_f64(span),
        snapshots: history.seconds.len(),
        stacks_tried,
        false_discovery_rate: FALSE_DISCOVERY_RATE,
        smallest_leak: smallest_leak(history, stacks_tried),
    }
}

/// What is known of a stack, guilty or not.
fn trend(history: &History, stack: &StackHistory) -> Suspect {
    let span = history.seconds_from(0);
    let last_part = history.start_of_last(LAST_SHARE);
    let change = |from: usize| {
        let end = stack.inuse_space.last().copied().unwrap_or_default();
        let start = stack.inuse_space.get(from).copied().unwrap_or_default();
        end as f64 - start as f64
    };
    let allocated = match (stack.alloc_space.first(), stack.alloc_space.last()) {
        (Some(&first), Some(&last)) => last as f64 - first as f64,
        _ => 0.0,
    };
    // Rejecting "it did not grow" and "it did not grow lately" together is as unlikely as rejecting
    // the likelier of the two (an intersection-union test), so one p-value stands for both rules.
    let overall = chance(stack.drift);
    let late = chance(stack.late_drift);
    let (parts_grown, parts) = grown_parts(&stack.inuse_space);
    Suspect {
        function: stack.blamed.clone(),
        stack: stack.frames.clone(),
        inuse_space: stack.inuse_space.clone(),
        live: stack.live,
        growth: stack.growth,
        // What a sampled live set gained in one interval is (nearly) independent of what it gained
        // in another, since other blocks were drawn. The whole growth over the whole span thus
        // holds all that the profiles know of a steady rate, and its variance is the rate's.
        rate: stack.growth * span.recip(),
        late_rate: change(history.start_of_late()) / history.seconds_from(history.start_of_late()),
        last_rate: change(last_part) / history.seconds_from(last_part),
        intervals_grown: pairs(&stack.inuse_space).filter(|(a, b)| b > a).count(),
        parts_grown,
        parts,
        largest_fall: largest_fall(&stack.inuse_space),
        allocated,
        retention: if allocated > 0.0 {
            stack.growth.value / allocated
        } else {
            0.0
        },
        growth_p_value: overall,
        shrink_p_value: chance(stack.drift * -1.0),
        p_value: overall.max(late),
    }
}

/// Why a stack is not accused, if so; the first reason that holds.
fn acquit(trend: &Suspect, cutoff: f64, total_growth: f64) -> Option<Reason> {
    let growth = trend.growth.value;
    let steady = trend.rate.value * STILL_GROWING;
    let churns = trend.retention < NOTABLE_RETENTION;
    if trend.shrink_p_value <= cutoff {
        return Some(Reason::Shrinks);
    }
    if trend.growth_p_value > cutoff {
        let live = trend.inuse_space.last().copied().unwrap_or_default();
        let replaced = trend.allocated > live as f64;
        return Some(if churns && replaced {
            Reason::Churns
        } else {
            Reason::WithinNoise
        });
    }
    if churns && growth < total_growth * NOTABLE_SHARE {
        return Some(Reason::Churns);
    }
    let is_unproven = trend.p_value > cutoff;
    if trend.last_rate < steady || (is_unproven && trend.late_rate < steady) {
        return Some(Reason::LevelsOff);
    }
    if is_unproven {
        return Some(Reason::Unproven);
    }
    if trend.largest_fall > growth * LARGEST_FALL {
        return Some(Reason::FallsBack);
    }
    if trend.parts_grown * 2 <= trend.parts {
        return Some(Reason::Unsteady);
    }
    None
}

/// The rate in bytes per second that a leak on a stack of its own needs to be significant in the
/// later part nine times out of ten, if it is the only one.
///
/// Growth `G` of blocks smaller than the interval `R` has variance `G R`, and were it normal, it would be
/// significant from `z` standard errors on: `G / sqrt(G R) = z + 1.28` gives `G = (z + 1.28)² R`. The
/// exact test asks for `log2` of one over the chance in samples, hardly other than `z²`; so many are
/// there nine times of ten at somewhat less than this, and what remains is room for the other rules.
fn smallest_leak(history: &History, stacks_tried: usize) -> f64 {
    let alone = FALSE_DISCOVERY_RATE / stacks_tried.max(1) as f64;
    let needed = (upper_quantile(alone) + NORMAL_90).powi(2);
    let seconds = history.seconds_from(history.start_of_late());
    needed * history.interval_bytes as f64 / seconds
}

/// Chance that noise alone drifts so far up: that of the samples that came and went, so many came.
fn chance(drift: Estimate) -> f64 {
    let (came, went) = drift.effective_samples();
    chance_of_so_many(came, went)
}

fn pairs(series: &[i64]) -> impl Iterator<Item = (&i64, &i64)> {
    series.iter().zip(series.iter().skip(1))
}

fn largest_fall(series: &[i64]) -> f64 {
    let mut peak = i64::MIN;
    let falls = series.iter().map(|&value| {
        peak = peak.max(value);
        peak.saturating_sub(value)
    });
    falls.max().unwrap_or_default() as f64
}

/// In how many of the parts of the series it grew, and how many parts there are.
fn grown_parts(series: &[i64]) -> (usize, usize) {
    let intervals = series.len().saturating_sub(1);
    let parts = intervals.min(PARTS);
    let edge = |part: usize| series.get(part * intervals / parts.max(1));
    let grown = (0..parts)
        .filter(|&part| edge(part + 1) > edge(part))
        .count();
    (grown, parts)
}
