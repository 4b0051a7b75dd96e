//! The rules: which growth is a leak, and what every other stack is acquitted of.
//!
//! Each constant says why it is what it is; the simulation beside this file measures what they let
//! through and what they miss. It sees one stack at a time, and what `evidence` says of it.

use super::verdict::{Reason, Suspect};

/// Share of accusations that chance may account for. An accusation costs someone an afternoon, and a
/// slow leak missed today is found by watching longer, so it is strict.
pub(super) const FALSE_DISCOVERY_RATE: f64 = 0.01;

/// The last part of the span, in which growth must not have faded. A quarter is late enough that
/// what filled up in the third quarter is seen to be full, and holds enough samples to tell.
pub(super) const LAST_SHARE: f64 = 0.25;

/// Least rate over the last part relative to the mean rate, and of the trend over all snapshots. A leak
/// has 1, what filled up has 0.
pub(super) const STILL_GROWING: f64 = 0.5;

/// Largest fall from a peak relative to the growth. What leaked does not come back; a buffer that
/// is flushed falls by all it grew by.
pub(super) const LARGEST_FALL: f64 = 0.5;

/// Least part of a rise that was kept of what was allocated during it, for a sawtooth: a buffer that doubles
/// allocates two or three times what it holds at last, churn many times.
pub(super) const KEPT_WHILE_RISING: f64 = 0.25;

/// Most that is still allocated in the last part, relative to an even share of it, for a warm-up. What
/// levels off and goes on allocating replaces what it holds: a cache.
const STILL_ALLOCATING: f64 = 0.1;

/// Least share kept of what was allocated since the first profile. Below it a stack mostly churns;
/// accidental survivors are not worth an accusation.
const NOTABLE_RETENTION: f64 = 0.05;

/// Least part of the live bytes that is in blocks too large for sampling to miss, for a list that doubles.
pub(super) const IN_LARGE_BLOCKS: f64 = 0.9;

/// Share of the process's growth that outweighs low retention: a leak of one block in a hundred is
/// one if it is where the memory goes.
const NOTABLE_SHARE: f64 = 0.1;

/// Why a stack is not accused, if so; the first reason that holds.
pub(super) fn acquit(trend: &Suspect, cutoff: f64, total_growth: f64) -> Option<Reason> {
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
