//! The trend of one rolled-up call stack, in groups of numbers, one group for each question.
//!
//! Each group is computed in its own file, from the history of the stack and the times of the
//! profiles alone. A new kind of evidence is a new file here, a field of [`StackTrend`], and a
//! rule in `rules` that reads it. Nothing here decides which stacks leak.

mod doublings;
mod growth_tests;
mod rates;
mod significance;
mod slope;
mod steadiness;
mod swings;
mod turnover;

use super::frame::StackFrame;
use super::history::{ProcessHistory, StackHistory};
use super::rules::LAST_SHARE;
use crate::Estimate;

pub use doublings::Doublings;
pub use growth_tests::GrowthTests;
pub use rates::GrowthRates;
pub(super) use significance::{discovery_cutoff, upper_quantile};
pub use steadiness::Steadiness;
pub use swings::Swings;
pub use turnover::Turnover;

/// The trend of one rolled-up call stack over the profiles, whether it leaks or not.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StackTrend {
    /// The function that allocates: the innermost one outside the standard library, at the line
    /// that grew most.
    pub site: StackFrame,
    /// The whole call stack that grew most, leaf first.
    pub stack: Vec<StackFrame>,
    /// Live bytes at each profile.
    pub inuse_space: Vec<i64>,
    /// Live bytes at the last profile.
    pub live: Estimate,
    /// Growth of the live bytes from the first profile to the last.
    pub growth: Estimate,
    /// How fast it grew: over the whole span, and lately.
    pub rates: GrowthRates,
    /// Whether chance alone explains its growth or its loss.
    pub tests: GrowthTests,
    /// How evenly its growth is spread over the time.
    pub steadiness: Steadiness,
    /// Its largest rise and its largest fall.
    pub swings: Swings,
    /// Its allocations, and the share of them that it kept.
    pub turnover: Turnover,
    /// Whether it is a list that grows by doubling.
    pub doublings: Doublings,
}

impl StackTrend {
    /// Answers every question about one stack.
    pub(super) fn of(times: &ProfileTimes, stack: StackHistory) -> Self {
        let turnover = Turnover::of(times, &stack);
        let (doublings, fill_rate) = Doublings::of(times, &stack, &turnover);
        Self {
            site: stack.site(),
            live: stack.live,
            growth: stack.growth,
            rates: GrowthRates::of(times, &stack, fill_rate),
            tests: GrowthTests::of(times, &stack),
            steadiness: Steadiness::of(times, &stack.inuse_space),
            swings: Swings::of(times, &stack),
            turnover,
            doublings,
            stack: stack.frames,
            inuse_space: stack.inuse_space,
        }
    }

    /// Live bytes at the last profile, as the profile has them.
    pub(super) fn live_bytes(&self) -> i64 {
        self.inuse_space.last().copied().unwrap_or_default()
    }
}

/// When the profiles were taken: the part of a history that all stacks share.
#[derive(Debug)]
pub(super) struct ProfileTimes {
    /// When each profile was taken, in seconds after the first.
    pub(super) seconds: Vec<f64>,
    /// Positions of the profiles that a drift is known between.
    points: Vec<usize>,
    /// Seconds from the first profile to the last.
    pub(super) span: f64,
    /// The sample interval in bytes.
    pub(super) interval_bytes: i64,
    /// The later half of the span.
    pub(super) late: LastPart,
    /// The last quarter of the span.
    last: LastPart,
}

/// A part of the span that ends at the last profile.
#[derive(Debug)]
pub(super) struct LastPart {
    /// Position of its first profile.
    start: usize,
    /// How long it takes.
    pub(super) seconds: f64,
}

impl ProfileTimes {
    pub(super) fn of(history: &ProcessHistory) -> Self {
        let part = |start| LastPart {
            start,
            seconds: history.seconds_from(start),
        };
        Self {
            seconds: history.seconds.clone(),
            points: history.points.clone(),
            span: history.seconds_from(0),
            interval_bytes: history.interval_bytes,
            late: part(history.late_start),
            last: part(history.start_of_last(LAST_SHARE)),
        }
    }
}

/// The gain of a series from one position to its end.
fn gain(series: &[i64], from: usize) -> f64 {
    let end = series.last().copied().unwrap_or_default();
    let start = series.get(from).copied().unwrap_or_default();
    end as f64 - start as f64
}
