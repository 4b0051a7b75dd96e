//! The robust slope of a series of live bytes: the median of the slopes between any two points.
//!
//! Arithmetic on numbers alone.

/// Most points that the slope is taken from. The number of pairs grows with its square: 4,950 pairs
/// for each of 2,000 stacks take a second.
const POINTS: usize = 100;

/// The median slope per second over all pairs of points, each pair weighing as much as the time
/// between its points.
///
/// Sources: [Theil, 1950](https://ir.cwi.nl/pub/18446), [Sen,
/// 1968](https://doi.org/10.1080/01621459.1968.10480934); the weights are from Sievers, 1978,
/// Weighted rank statistics for simple linear regression, JASA 73.
///
/// Two points close together tell little of a trend: counted in full, the pairs of ten profiles a
/// minute apart outvote one that is an hour later. The last fifth of evenly spaced points moves the
/// slope little, whatever it is. So a snapshot in the midst of a batch job does not change the
/// trend, even if it is the last one.
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

/// The points, of which those closer together than a part in [`POINTS`] of the time are joined to
/// their means.
///
/// Points are joined by time and not by number: a thousand profiles of one busy minute are one
/// point of a day, or their pairs would outvote it.
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

/// The value that half of the weight lies below; the mean of two values if it lies between them; 0
/// if there are none.
fn median(weighted: &mut [(f64, f64)]) -> f64 {
    let half = 0.5 * weighted.iter().map(|(_, weight)| weight).sum::<f64>();
    let below = passing(weighted, |weight| weight >= half);
    let above = passing(weighted, |weight| weight > half);
    0.5 * (below + above)
}

/// The first value in order of size at which the weight so far is enough, or the last value; 0 if
/// there are none.
fn passing(mut weighted: &mut [(f64, f64)], is_enough: impl Fn(f64) -> bool) -> f64 {
    let mut before = 0.0;
    // Halves the rest each time. Sorting takes ten times as long.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn times(count: u32) -> Vec<f64> {
        (0..count).map(|second| f64::from(second) * 10.0).collect()
    }

    #[test]
    fn the_slope_of_a_line_is_found_despite_outliers_and_among_many_points() {
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
    fn a_burst_of_points_is_one_point() {
        // Fifty at rest, and fifty in the time of one of them.
        let burst = times(50)
            .into_iter()
            .chain((1..=50).map(|at| 490.0 + f64::from(at) / 5.0));
        let burst: Vec<f64> = burst.collect();
        let jump: Vec<i64> = (0..100).map(|at: i64| (at - 49).max(0)).collect();
        assert!(slope(&burst, &jump) < 0.02);
        // Ten in ten seconds, and one an hour later.
        let sparse: Vec<f64> = (0..10).map(f64::from).chain([3600.0]).collect();
        assert!((slope(&sparse, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 3600]) - 1.0).abs() < 0.01);
    }

    #[test]
    fn pairs_that_are_far_apart_weigh_more() {
        // In the first seconds there is too little time for growth.
        let times = [0.0, 1.0, 2.0, 3.0, 60.0];
        assert!((slope(&times, &[0, 0, 0, 0, 60]) - 1.0).abs() < 0.06);
        // The first four agree on 1 and have half of the weight; the next slope is 3.
        assert_eq!(slope(&[0.0, 1.0, 2.0, 3.0, 4.0], &[0, 1, 2, 3, 12]), 2.0);
    }
}
