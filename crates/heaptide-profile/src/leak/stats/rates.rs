//! How fast a stack grows: over the whole span, over its later half and over its last quarter.

use std::ops::RangeInclusive;

use super::slope::slope;
use super::{ProfileTimes, gain};
use crate::Estimate;
use crate::leak::history::StackHistory;

/// How much wider the interval of the median slope is than that of the growth between the ends.
///
/// Of sums of independent growths the ends hold all there is to know. A line fitted to all points
/// has 6/5 of that variance: it is the variance of the least squares slope of a Brownian motion,
/// which pairwise slopes come close to. The simulation measures how often the interval holds.
const SLOPE_WIDTH: f64 = 1.095_445_115_010_332;

/// Growth in bytes per second.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GrowthRates {
    /// Mean rate from the first profile to the last.
    pub mean: Estimate,
    /// Trend over all profiles: the median of the slopes between any two, each weighing as much as
    /// the time between them. Profiles closer together than a hundredth of the span are one.
    ///
    /// Of a list that keeps doubling it is how fast the list is filled.
    pub slope: f64,
    /// A range that holds the true trend about 95 times in 100, if sampling is the only noise.
    ///
    /// Of a list that keeps doubling it always holds it: it is as wide as the time between profiles
    /// leaves open.
    pub slope_95: RangeInclusive<f64>,
    /// Rate over the later half of the span.
    pub late: f64,
    /// Rate over the last quarter of the span.
    pub last: f64,
}

impl GrowthRates {
    /// `fill_rate` is that of a list that keeps doubling, with its range.
    pub(super) fn of(
        times: &ProfileTimes,
        stack: &StackHistory,
        fill_rate: Option<(f64, RangeInclusive<f64>)>,
    ) -> Self {
        // The gains of a sampled live set in two intervals are (nearly) independent, since other
        // blocks were drawn. The whole growth over the whole span thus
        // holds all that the profiles know of a steady rate, and its variance is the rate's.
        let mean = stack.growth * times.span.recip();
        // The trend is that of the list's length, which is known at each doubling. The live bytes
        // are up to twice as many.
        let (slope, slope_95) = fill_rate.unwrap_or_else(|| median_slope(times, stack, mean));
        Self {
            mean,
            slope,
            slope_95,
            late: gain(&stack.inuse_space, times.late.start) / times.late.seconds,
            last: gain(&stack.inuse_space, times.last.start) / times.last.seconds,
        }
    }
}

/// The median slope, and its range: that of the mean rate, a little wider.
fn median_slope(
    times: &ProfileTimes,
    stack: &StackHistory,
    mean: Estimate,
) -> (f64, RangeInclusive<f64>) {
    let slope = slope(&times.seconds, &stack.inuse_space);
    let width = if times.seconds.len() > 2 {
        SLOPE_WIDTH
    } else {
        1.0
    };
    let reach = mean.interval_95();
    let low = slope - (mean.value - reach.start()) * width;
    let high = slope + (reach.end() - mean.value) * width;
    (slope, low..=high)
}
