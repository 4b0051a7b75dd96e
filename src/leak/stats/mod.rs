//! What the profiles say of one stack, guilty or not: its trend, its chances, its shape.
//!
//! Separate from `rules`, which draws the conclusions, and from `history`, which knows no chance. Each stack is looked
//! at by itself.

use super::doubling::{Doublings, doubled_lately, waver};
use super::frame::StackFrame;
use super::history::{History, StackHistory, Swing};
use super::rules::{IN_LARGE_BLOCKS, KEPT_WHILE_RISING, LARGEST_FALL, LAST_SHARE, STILL_GROWING};
use super::significance::chance_of_so_many;
use super::trend::{grown_intervals, grown_parts, largest_fall, slope};
use super::verdict::Suspect;
use crate::profile::Estimate;

/// How much wider the interval of the median slope is than that of the growth between the ends. Of sums
/// of independent growths the ends hold all there is to know, and a line fitted to all points has 6/5 of
/// that variance (the variance of the least squares slope of a Brownian motion, which pairwise slopes come
/// close to); the simulation measures how often it holds.
const SLOPE_WIDTH: f64 = 1.095_445_115_010_332;

/// What all stacks have in common: when the profiles were taken.
#[derive(Debug)]
pub(super) struct Times {
    pub(super) seconds: Vec<f64>,
    points: Vec<usize>,
    pub(super) span: f64,
    pub(super) interval_bytes: i64,
    late: usize,
    pub(super) late_seconds: f64,
    last_part: usize,
    last_seconds: f64,
}

impl Times {
    pub(super) fn of(history: &History) -> Self {
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
pub(super) fn trend(times: &Times, stack: StackHistory) -> Suspect {
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
    let late = either(stack.late_drift, times.late);
    let (parts_grown, parts) = grown_parts(&times.seconds, &stack.inuse_space);
    // What a sampled live set gained in one interval is (nearly) independent of what it gained
    // in another, since other blocks were drawn. The whole growth over the whole span thus
    // holds all that the profiles know of a steady rate, and its variance is the rate's.
    let rate = stack.growth * times.span.recip();
    let slope = slope(&times.seconds, &stack.inuse_space);
    let width = if times.seconds.len() > 2 {
        SLOPE_WIDTH
    } else {
        1.0
    };
    let reach = rate.interval_95();
    let slope_95 =
        slope - (rate.value - reach.start()) * width..=slope + (reach.end() - rate.value) * width;
    let doublings = Doublings::of(&times.seconds, &stack.inuse_space);
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
    let looks = (times.points.len() * times.points.len().saturating_sub(1) / 2).max(1) as f64;
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
        late_rate: change(&stack.inuse_space, times.late) / times.late_seconds,
        last_rate: change(&stack.inuse_space, times.last_part) / times.last_seconds,
        intervals_grown: grown_intervals(&stack.inuse_space),
        parts_grown,
        parts,
        largest_fall: largest_fall(&stack.inuse_space),
        swing_p_value: rise_p_value.max(fall_p_value),
        kept_while_rising: kept(times, &stack, stack.rise),
        doubled_lately: doubled_lately(&times.seconds, &stack.inuse_space),
        doublings: doublings.count(),
        is_one_list,
        keeps_doubling,
        allocated,
        last_allocated: change(&stack.alloc_space, times.last_part),
        last_share: times.last_seconds / times.span,
        retention,
        growth_p_value: overall,
        shrink_p_value: chance(stack.drift * -1.0),
        p_value: overall.max(late),
        stack: stack.frames,
        inuse_space: stack.inuse_space,
    }
}

/// The share kept of what was allocated during a swing.
fn kept(times: &Times, stack: &StackHistory, swing: Swing) -> f64 {
    let allocated_at = |point: usize| {
        let at = times.points.get(point)?;
        stack.alloc_space.get(*at).map(|&bytes| bytes as f64)
    };
    match (allocated_at(swing.from), allocated_at(swing.to)) {
        (Some(from), Some(to)) if to > from => swing.drift.value / (to - from),
        _ => 0.0,
    }
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
