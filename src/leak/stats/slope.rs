//! The shape of a series of live bytes: its robust slope, its largest fall, the parts in which it grew.
//!
//! Arithmetic on numbers alone: what noise does to them is in `significance`, what they mean in `rules`.

/// Equal parts of the time that growth is counted in. Snapshots can be so close that a leak adds no sample
/// from one to the next; eight parts of what is significant hold two samples each.
const PARTS: usize = 8;

/// Most points that the slope is taken from. Pairs grow with the square
/// of it, and 4,950 of them for each of 2,000 stacks take a second.
const POINTS: usize = 100;

/// The median slope over all pairs of points, per second ([Theil, 1950](https://ir.cwi.nl/pub/18446), [Sen,
/// 1968](https://doi.org/10.1080/01621459.1968.10480934)), each weighing as much as the time between the two (Sievers,
/// 1978, Weighted rank statistics for simple linear regression, JASA 73).
///
/// Two points close together tell little of a trend: counted in full, the pairs of ten profiles a minute apart outvote
/// one that is an hour later. The last fifth of even points may be anything without moving it far: a snapshot in
/// the midst of a batch job is no trend, even if it is the last one.
pub(super) fn slope(seconds: &[f64], values: &[i64]) -> f64 {
    let points = joined(seconds, values);
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (at, (time, value)) in points.iter().enumerate() {
        let later = points.iter().skip(at + 1);
        slopes.extend(
            later
                .filter(|(later, _)| later > time)
                .map(|(later, other)| {
                    let weight = later - time;
                    ((other - value) / weight, weight)
                }),
        );
    }
    median(&mut slopes)
}

/// The points, those closer together than a part in [`POINTS`] of the time joined to their means.
///
/// By time and not by number: a thousand profiles of one busy minute are one point of a day, or their pairs would
/// outvote it.
fn joined(seconds: &[f64], values: &[i64]) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (seconds.first(), seconds.last()) else {
        return Vec::new();
    };
    let part = (last - first) / POINTS as f64;
    let number = |time: f64| ((time - first) / part).floor().min(POINTS as f64 - 1.0);
    let points: Vec<(f64, f64)> = seconds
        .iter()
        .zip(values)
        .map(|(&time, &value)| (time, value as f64))
        .collect();
    let joined = points.chunk_by(|(a, _), (b, _)| number(*a) >= number(*b));
    joined
        .map(|points| {
            let count = points.len() as f64;
            let times: f64 = points.iter().map(|(time, _)| time).sum();
            let values: f64 = points.iter().map(|(_, value)| value).sum();
            (times / count, values / count)
        })
        .collect()
}

/// The value that half of the weight is below, the mean of two if it lies between them; 0 of none.
fn median(weighted: &mut [(f64, f64)]) -> f64 {
    let half = 0.5 * weighted.iter().map(|(_, weight)| weight).sum::<f64>();
    let below = passing(weighted, |weight| weight >= half);
    let above = passing(weighted, |weight| weight > half);
    0.5 * (below + above)
}

/// The first value in order of size with which the weight so far is enough, or the last; 0 of none.
fn passing(mut weighted: &mut [(f64, f64)], is_enough: impl Fn(f64) -> bool) -> f64 {
    let mut before = 0.0;
    // Halves what is left, as sorting would take ten times as long.
    while weighted.len() > 1 {
        let middle = weighted.len() / 2;
        weighted.select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0));
        let (smaller, larger) = weighted.split_at_mut(middle);
        let weight = before + smaller.iter().map(|(_, weight)| weight).sum::<f64>();
        if is_enough(weight) {
            weighted = smaller;
        } else {
            before = weight;
            weighted = larger;
        }
    }
    weighted.first().map_or(0.0, |(value, _)| *value)
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

/// In how many of the parts of the time it grew, and how many parts there are: of those in which no profile was
/// taken each is one with the next in which one was.
pub(super) fn grown_parts(seconds: &[f64], series: &[i64]) -> (usize, usize) {
    let (Some(last), Some(span)) = (series.len().checked_sub(1), seconds.last()) else {
        return (0, 0);
    };
    let parts = last.min(PARTS);
    // By the end of a part, the last profile so far.
    let inner = (1..parts).map(|part| {
        let end = span * part as f64 / parts as f64;
        seconds
            .partition_point(|time| *time <= end)
            .saturating_sub(1)
    });
    let mut edges: Vec<usize> = [0].into_iter().chain(inner).chain([last]).collect();
    edges.dedup();
    let pairs = edges.iter().zip(edges.iter().skip(1));
    let grown = pairs.filter(|(from, to)| series.get(**to) > series.get(**from));
    (grown.count(), edges.len().saturating_sub(1))
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
    }

    #[test]
    fn parts_are_of_the_time_and_not_of_the_profiles() {
        assert_eq!(grown_parts(&times(5), &[1, 2, 2, 1, 5]), (2, 4));
        let steady: Vec<i64> = (0..100).collect();
        assert_eq!(grown_parts(&times(100), &steady), (8, 8));
        assert_eq!(grown_parts(&[0.0], &[7]), (0, 0));
        assert_eq!(grown_parts(&[], &[]), (0, 0));
        // Fifty at rest, and fifty in the time of one of them.
        let burst = times(50)
            .into_iter()
            .chain((1..=50).map(|at| 490.0 + f64::from(at) / 5.0));
        let burst: Vec<f64> = burst.collect();
        let jump: Vec<i64> = (0..100).map(|at: i64| (at - 49).max(0)).collect();
        assert_eq!(grown_parts(&burst, &jump), (1, 8));
        assert!(slope(&burst, &jump) < 0.02);
        // Ten in ten seconds, and one an hour later: what was between is one part.
        let sparse: Vec<f64> = (0..10).map(f64::from).chain([3600.0]).collect();
        let grows: Vec<i64> = (0..11).collect();
        assert_eq!(grown_parts(&sparse, &grows), (2, 2));
        assert!((slope(&sparse, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 3600]) - 1.0).abs() < 0.01);
    }

    #[test]
    fn what_is_far_apart_tells_more_of_a_slope() {
        // Too little time at first for anything to come.
        let times = [0.0, 1.0, 2.0, 3.0, 60.0];
        assert!((slope(&times, &[0, 0, 0, 0, 60]) - 1.0).abs() < 0.06);
        // The first four agree on 1 and have half of the weight; the next slope is 3.
        assert_eq!(slope(&[0.0, 1.0, 2.0, 3.0, 4.0], &[0, 1, 2, 3, 12]), 2.0);
    }
}
