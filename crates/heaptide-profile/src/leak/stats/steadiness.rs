//! How evenly a stack's growth is spread over the time: in how many parts of it the stack grew.

use super::ProfileTimes;

/// Most equal parts of the time that growth is counted in.
///
/// Snapshots can be so close that a leak adds no sample from one to the next. Eight parts of
/// significant growth hold two samples each.
const PARTS: usize = 8;

/// In how many parts of the time the live bytes grew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Steadiness {
    /// Number of intervals between neighboring profiles.
    pub intervals: usize,
    /// In how many of these intervals it grew.
    pub intervals_grown: usize,
    /// Number of equal parts of the span: eight, or as many as intervals. A part without a profile
    /// is joined to the next one with a profile.
    pub parts: usize,
    /// In how many of these parts it grew.
    pub parts_grown: usize,
}

impl Steadiness {
    pub(super) fn of(times: &ProfileTimes, series: &[i64]) -> Self {
        let (parts_grown, parts) = grown_parts(&times.seconds, series);
        Self {
            intervals: series.len().saturating_sub(1),
            intervals_grown: grown_intervals(series),
            parts,
            parts_grown,
        }
    }
}

/// In how many intervals between neighbors it grew.
pub(super) fn grown_intervals(series: &[i64]) -> usize {
    let pairs = series.iter().zip(series.iter().skip(1));
    pairs.filter(|(before, after)| after > before).count()
}

/// In how many parts of the time it grew, and the number of parts. A part in which no profile was
/// taken is joined to the next one with a profile.
fn grown_parts(seconds: &[f64], series: &[i64]) -> (usize, usize) {
    let (Some(last), Some(span)) = (series.len().checked_sub(1), seconds.last()) else {
        return (0, 0);
    };
    let parts = last.min(PARTS);
    // At the end of a part stands the last profile so far.
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
    fn intervals_with_growth_are_counted() {
        assert_eq!(grown_intervals(&[1, 2, 2, 1, 5]), 2);
    }

    #[test]
    fn parts_are_equal_in_time_and_not_in_number_of_profiles() {
        assert_eq!(grown_parts(&times(5), &[1, 2, 2, 1, 5]), (2, 4));
        let steady: Vec<i64> = (0..100).collect();
        assert_eq!(grown_parts(&times(100), &steady), (8, 8));
        assert_eq!(grown_parts(&[0.0], &[7]), (0, 0));
        assert_eq!(grown_parts(&[], &[]), (0, 0));
    }

    #[test]
    fn a_burst_of_profiles_is_one_part() {
        // Fifty at rest, and fifty in the time of one of them.
        let burst = times(50)
            .into_iter()
            .chain((1..=50).map(|at| 490.0 + f64::from(at) / 5.0));
        let burst: Vec<f64> = burst.collect();
        let jump: Vec<i64> = (0..100).map(|at: i64| (at - 49).max(0)).collect();
        assert_eq!(grown_parts(&burst, &jump), (1, 8));
        // Ten in ten seconds, and one an hour later: the hour is one part.
        let sparse: Vec<f64> = (0..10).map(f64::from).chain([3600.0]).collect();
        let grows: Vec<i64> = (0..11).collect();
        assert_eq!(grown_parts(&sparse, &grows), (2, 2));
    }
}
