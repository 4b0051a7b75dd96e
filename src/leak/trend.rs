//! The shape of a series of live bytes: its robust slope, its largest fall, the parts in which it grew.
//!
//! Arithmetic on numbers alone: what noise does to them is in `significance`, what they mean in `judge`.

/// Parts of the span that growth is counted in. Snapshots can be so close that a leak adds no sample
/// from one to the next; eight parts of what is significant hold two samples each.
const PARTS: usize = 8;

/// Most points that the slope is taken from; more are joined to their means. Pairs grow with the square
/// of it, and 4,950 of them for each of 2,000 stacks take a second.
const POINTS: usize = 100;

/// The median slope over all pairs of points, per second: [Theil,
/// 1950](https://ir.cwi.nl/pub/18446), [Sen, 1968](https://doi.org/10.1080/01621459.1968.10480934).
///
/// Up to 29 % of the points may be anything without moving it far: a snapshot in the midst of a batch
/// job is no trend, even if it is the last one.
pub(super) fn slope(seconds: &[f64], values: &[i64]) -> f64 {
    let points = joined(seconds, values);
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (at, (time, value)) in points.iter().enumerate() {
        let later = points.iter().skip(at + 1);
        slopes.extend(
            later
                .filter(|(later, _)| later > time)
                .map(|(later, other)| (other - value) / (later - time)),
        );
    }
    median(&mut slopes)
}

/// The points, or the means of as many neighbors as make them no more than [`POINTS`].
fn joined(seconds: &[f64], values: &[i64]) -> Vec<(f64, f64)> {
    let size = seconds.len().div_ceil(POINTS).max(1);
    let chunks = seconds.chunks(size).zip(values.chunks(size));
    chunks
        .map(|(times, values)| {
            let count = times.len().max(1) as f64;
            let sum: f64 = values.iter().map(|&value| value as f64).sum();
            (times.iter().sum::<f64>() / count, sum / count)
        })
        .collect()
}

/// The middle one, the mean of the middle two; 0 of none.
fn median(values: &mut [f64]) -> f64 {
    let half = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    let is_even = values.len().is_multiple_of(2);
    let (below, middle, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    let below = below.iter().copied().max_by(f64::total_cmp);
    match below {
        Some(below) if is_even => 0.5 * (below + *middle),
        _ => *middle,
    }
}

/// The largest fall from an earlier value.
pub(super) fn largest_fall(series: &[i64]) -> f64 {
    let mut peak = i64::MIN;
    let falls = series.iter().map(|&value| {
        peak = peak.max(value);
        peak.saturating_sub(value)
    });
    falls.max().unwrap_or_default() as f64
}

/// In how many intervals between neighbors it grew.
pub(super) fn grown_intervals(series: &[i64]) -> usize {
    let pairs = series.iter().zip(series.iter().skip(1));
    pairs.filter(|(before, after)| after > before).count()
}

/// In how many of the parts of the series it grew, and how many parts there are.
pub(super) fn grown_parts(series: &[i64]) -> (usize, usize) {
    let intervals = series.len().saturating_sub(1);
    let parts = intervals.min(PARTS);
    let edge = |part: usize| series.get(part * intervals / parts.max(1));
    let grown = (0..parts)
        .filter(|&part| edge(part + 1) > edge(part))
        .count();
    (grown, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(count: u32) -> Vec<f64> {
        (0..count).map(|second| f64::from(second) * 10.0).collect()
    }

    #[test]
    fn the_slope_of_a_line_is_found_behind_outliers_and_in_a_crowd() {
        let line = |count: i64| -> Vec<i64> { (0..count).map(|at| 500 + 70 * at).collect() };
        assert_eq!(slope(&times(9), &line(9)), 7.0);
        let mut bumpy = line(11);
        bumpy[10] = 1_000_000;
        bumpy[4] = 0;
        assert!((slope(&times(11), &bumpy) - 7.0).abs() < 0.5);
        assert!((slope(&times(1000), &line(1000)) - 7.0).abs() < 1e-9);
        assert_eq!(slope(&times(2), &[10, 30]), 2.0);
        assert_eq!(slope(&[0.0], &[5]), 0.0);
    }

    #[test]
    fn falls_and_parts_are_counted() {
        assert_eq!(largest_fall(&[5, 9, 3, 20, 15]), 6.0);
        assert_eq!(largest_fall(&[]), 0.0);
        assert_eq!(grown_intervals(&[1, 2, 2, 1, 5]), 2);
        assert_eq!(grown_parts(&[1, 2, 2, 1, 5]), (2, 4));
        let steady: Vec<i64> = (0..100).collect();
        assert_eq!(grown_parts(&steady), (8, 8));
    }
}
