//! The rules: which growth is a leak, and what every other stack is acquitted of.
//!
//! Each constant says why it is what it is; the simulation beside this file measures what they let
//! through and what they miss. It sees only stacks that are already lined up.

use std::cmp::Reverse;
use std::time::Duration;

use super::blame::{Siblings, blamed};
use super::doubling::{Doublings, doubled_lately, waver};
use super::history::{History, StackHistory, Swing};
use super::significance::{chance_of_so_many, discovery_cutoff, upper_quantile};
use super::stack::{Names, StackFrame};
use super::trend::{grown_intervals, grown_parts, largest_fall, slope};
use super::verdict::{Acquitted, Reason, Suspect, Verdict};
use crate::profile::Estimate;
use crate::units::Bytes;

/// Share of accusations that chance may account for. An accusation costs someone an afternoon, and a
/// slow leak missed today is found by watching longer, so it is strict.
const FALSE_DISCOVERY_RATE: f64 = 0.01;

/// The last part of the span, in which growth must not have faded. A quarter is late enough that
/// what filled up in the third quarter is seen to be full, and holds enough samples to tell.
const LAST_SHARE: f64 = 0.25;

/// Least rate over the last part relative to the mean rate, and of the trend over all snapshots. A leak
/// has 1, what filled up has 0.
const STILL_GROWING: f64 = 0.5;

/// Largest fall from a peak relative to the growth. What leaked does not come back; a buffer that
/// is flushed falls by all it grew by.
const LARGEST_FALL: f64 = 0.5;

/// Least part of a rise that was kept of what was allocated during it, for a sawtooth: a buffer that doubles
/// allocates two or three times what it holds at last, churn many times.
const KEPT_WHILE_RISING: f64 = 0.25;

/// Most that is still allocated in the last part, relative to an even share of it, for a warm-up. What
/// levels off and goes on allocating replaces what it holds: a cache.
const STILL_ALLOCATING: f64 = 0.1;

/// Least share kept of what was allocated since the first profile. Below it a stack mostly churns;
/// accidental survivors are not worth an accusation.
const NOTABLE_RETENTION: f64 = 0.05;

/// Least part of the live bytes that is in blocks too large for sampling to miss, for a list that doubles.
const IN_LARGE_BLOCKS: f64 = 0.9;

/// Share of the process's growth that outweighs low retention: a leak of one block in a hundred is
/// one if it is where the memory goes.
const NOTABLE_SHARE: f64 = 0.1;

/// Standard normal quantile of 0.9: growth as many standard errors above what is needed is seen nine
/// times out of ten.
const NORMAL_90: f64 = 1.281_551_565_544_600_5;

/// How much wider the interval of the median slope is than that of the growth between the ends. Of sums
/// of independent growths the ends hold all there is to know, and a line fitted to all points has 6/5 of
/// that variance (the variance of the least squares slope of a Brownian motion, which pairwise slopes come
/// close to); the simulation measures how often it holds.
const SLOPE_WIDTH: f64 = 1.095_445_115_010_332;

/// Judges every stack.
pub(super) fn judge(history: History, names: &Names, notes: Vec<String>) -> Verdict {
    let frame = Frame::of(&history);
    let trends: Vec<(u32, usize, Suspect)> = history
        .stacks
        .into_iter()
        .map(|stack| (stack.number, stack.skipped, trend(&frame, stack)))
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
                None => blamed(names, (*stack, trend), &siblings, frame.interval_bytes),
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
        span: Duration::try_from_secs_f64(frame.span).unwrap_or_default(),
        snapshots: frame.seconds.len(),
        stacks_tried,
        false_discovery_rate: FALSE_DISCOVERY_RATE,
        smallest_leak: smallest_leak(&frame, stacks_tried),
        notes,
    }
}

/// What all stacks have in common: when the profiles were taken.
#[derive(Debug)]
struct Frame {
    seconds: Vec<f64>,
    points: Vec<usize>,
    span: f64,
    interval_bytes: i64,
    late: usize,
    late_seconds: f64,
    last_part: usize,
    last_seconds: f64,
}

impl Frame {
    fn of(history: &History) -> Self {
        let last_part = history.start_of_last(LAST_SHARE);
        Self {
            seconds: history.seconds.clone(),
            points: history.points.clone(),
            span: history.seconds_from(0),
            interval_bytes: history.interval_bytes,
            late: history.late_start,
            late_seconds: history.seconds_from(history.late_start),
            last_part,
            last_seconds: history.seconds_from(last_part),
        }
    }
}

/// What is known of a stack, guilty or not.
fn trend(frame: &Frame, stack: StackHistory) -> Suspect {
    let change = |series: &[i64], from: usize| {
        let end = series.last().copied().unwrap_or_default();
        let start = series.get(from).copied().unwrap_or_default();
        end as f64 - start as f64
    };
    let allocated = change(&stack.alloc_space, 0);
    // Rejecting "it did not grow" and "it did not grow lately" together is as unlikely as rejecting
    // the likelier of the two (an intersection-union test), so one p-value stands for both rules.
    let end = stack.inuse_space.len();
    let is_steady = largest_fall(&stack.inuse_space) <= stack.growth.value * LARGEST_FALL;
    let either = |drift: Estimate, from: usize| match stack.inuse_space.get(from..end) {
        Some(series) if is_steady => either_chance(chance(drift), chance_of_steps(series)),
        _ => either_chance(chance(drift), 1.0),
    };
    let overall = either(stack.drift, 0);
    let late = either(stack.late_drift, frame.late);
    let (parts_grown, parts) = grown_parts(&frame.seconds, &stack.inuse_space);
    // What a sampled live set gained in one interval is (nearly) independent of what it gained
    // in another, since other blocks were drawn. The whole growth over the whole span thus
    // holds all that the profiles know of a steady rate, and its variance is the rate's.
    let rate = stack.growth * frame.span.recip();
    let slope = slope(&frame.seconds, &stack.inuse_space);
    let width = if frame.seconds.len() > 2 {
        SLOPE_WIDTH
    } else {
        1.0
    };
    let reach = rate.interval_95();
    let slope_95 =
        slope - (rate.value - reach.start()) * width..=slope + (reach.end() - rate.value) * width;
    let doublings = Doublings::of(&frame.seconds, &stack.inuse_space);
    let end_bytes = stack.inuse_space.last().copied().unwrap_or_default() as f64;
    let retention = if allocated > 0.0 {
        stack.growth.value / allocated
    } else {
        0.0
    };
    let is_one_list = stack.live_in_large_blocks as f64 >= end_bytes * IN_LARGE_BLOCKS
        && largest_fall(&stack.inuse_space) <= waver(end_bytes)
        && retention >= KEPT_WHILE_RISING;
    let keeps_doubling = is_one_list && doublings.go_on(LAST_SHARE, STILL_GROWING);
    // The list's length is the trend, and known at each doubling; what it holds is up to twice as much.
    let (slope, slope_95) = match doublings.rate().filter(|_| keeps_doubling) {
        Some(rate) => rate,
        None => (slope, slope_95),
    };
    // Any two points could have been these.
    let looks = (frame.points.len() * frame.points.len().saturating_sub(1) / 2).max(1) as f64;
    let rise_p_value = (chance(stack.rise.drift) * looks).min(1.0);
    let fall_p_value = (chance(stack.fall.drift * -1.0) * looks).min(1.0);
    Suspect {
        function: StackFrame::none(),
        site: stack
            .frames
            .get(stack.skipped)
            .cloned()
            .unwrap_or_else(StackFrame::none),
        live: stack.live,
        growth: stack.growth,
        rate,
        slope,
        slope_95,
        late_rate: change(&stack.inuse_space, frame.late) / frame.late_seconds,
        last_rate: change(&stack.inuse_space, frame.last_part) / frame.last_seconds,
        intervals_grown: grown_intervals(&stack.inuse_space),
        parts_grown,
        parts,
        largest_fall: largest_fall(&stack.inuse_space),
        swing_p_value: rise_p_value.max(fall_p_value),
        kept_while_rising: kept(frame, &stack, stack.rise),
        doubled_lately: doubled_lately(&frame.seconds, &stack.inuse_space),
        doublings: doublings.count(),
        is_one_list,
        keeps_doubling,
        allocated,
        last_allocated: change(&stack.alloc_space, frame.last_part),
        last_share: frame.last_seconds / frame.span,
        retention,
        growth_p_value: overall,
        shrink_p_value: chance(stack.drift * -1.0),
        p_value: overall.max(late),
        stack: stack.frames,
        inuse_space: stack.inuse_space,
    }
}

/// The share kept of what was allocated during a swing.
fn kept(frame: &Frame, stack: &StackHistory, swing: Swing) -> f64 {
    let allocated_at = |point: usize| {
        let at = frame.points.get(point)?;
        stack.alloc_space.get(*at).map(|&bytes| bytes as f64)
    };
    match (allocated_at(swing.from), allocated_at(swing.to)) {
        (Some(from), Some(to)) if to > from => swing.drift.value / (to - from),
        _ => 0.0,
    }
}

/// Why a stack is not accused, if so; the first reason that holds.
fn acquit(trend: &Suspect, cutoff: f64, total_growth: f64) -> Option<Reason> {
    let growth = trend.growth.value;
    let steady = trend.rate.value * STILL_GROWING;
    let churns = trend.retention < NOTABLE_RETENTION;
    let falls_back = trend.largest_fall > growth.abs() * LARGEST_FALL;
    let swings = trend.swing_p_value <= cutoff && trend.kept_while_rising >= KEPT_WHILE_RISING;
    if falls_back && swings {
        return Some(Reason::Sawtooth);
    }
    if trend.shrink_p_value <= cutoff {
        return Some(Reason::Shrinks);
    }
    if trend.keeps_doubling {
        return None;
    }
    // A list that doubles is one block at a time: its growth is sure, and whether it goes on is not.
    let is_sure = *trend.growth.interval_95().start() > 0.0;
    if trend.growth_p_value > cutoff {
        if trend.doubled_lately && is_sure {
            return Some(Reason::Unproven);
        }
        if trend.is_one_list && is_sure && trend.last_rate < steady {
            return Some(Reason::WarmsUp);
        }
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
        if trend.doubled_lately && is_sure {
            return Some(Reason::Unproven);
        }
        let evenly = trend.allocated * trend.last_share;
        return Some(if trend.last_allocated < evenly * STILL_ALLOCATING {
            Reason::WarmsUp
        } else {
            Reason::LevelsOff
        });
    }
    if is_unproven {
        return Some(Reason::Unproven);
    }
    if falls_back {
        return Some(Reason::Sawtooth);
    }
    if trend.parts_grown * 2 <= trend.parts || trend.slope < steady {
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
fn smallest_leak(frame: &Frame, stacks_tried: usize) -> f64 {
    let alone = FALSE_DISCOVERY_RATE / stacks_tried.max(1) as f64;
    let needed = (upper_quantile(alone) + NORMAL_90).powi(2);
    needed * frame.interval_bytes as f64 / frame.late_seconds
}

/// Chance that of the intervals in which it changed, it grew by chance in so many: the sign test.
///
/// A list that grows is one block, which comes and goes at each step. To the drift it is a single event,
/// however large it gets; that it grew time after time is what tells. It is asked only of what does not
/// fall back, since a sawtooth rises most of the time.
fn chance_of_steps(series: &[i64]) -> f64 {
    let grown = grown_intervals(series);
    let changed = series.windows(2).filter(|pair| pair.first() != pair.last());
    let fallen = changed.count().saturating_sub(grown);
    chance_of_so_many(grown as f64, fallen as f64)
}

/// Chance that either of two tests says as much, by Bonferroni: their sum at most.
fn either_chance(one: f64, other: f64) -> f64 {
    (2.0 * one.min(other)).min(1.0)
}

/// Chance that noise alone drifts so far up: that of the samples that came and went, so many came.
fn chance(drift: Estimate) -> f64 {
    let (came, went) = drift.effective_samples();
    chance_of_so_many(came, went)
}
