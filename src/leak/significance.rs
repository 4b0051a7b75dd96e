//! The arithmetic of chance: tail of the normal distribution, and many tests at once.
//!
//! Small enough to hold here rather than to depend on a statistics library. It knows nothing of
//! memory.

/// Chance that a standard normal value exceeds `z`.
///
/// Two expansions from Abramowitz and Stegun, *Handbook of Mathematical Functions*: the series
/// 26.2.11 near the middle and the continued fraction 26.2.14 in the tail, where one minus the
/// series would cancel. Relative error below 1e-12 up to where the result underflows (`z` = 38).
pub(super) fn upper_tail(z: f64) -> f64 {
    // From 2 on, 120 steps of the fraction give full precision; below, 60 terms of the series do.
    const TAIL_FROM: f64 = 2.0;
    if z.is_nan() {
        return 1.0;
    }
    let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if z.abs() < TAIL_FROM {
        let mut term = z;
        let mut sum = z;
        for n in 1..60 {
            term *= z * z / f64::from(2 * n + 1);
            sum += term;
        }
        return 0.5 - density * sum;
    }
    let fraction = (1..=120)
        .rev()
        .fold(z.abs(), |below, n| z.abs() + f64::from(n) / below);
    let tail = density / fraction;
    if z > 0.0 { tail } else { 1.0 - tail }
}

/// The `z` that a standard normal value exceeds with chance `p`, for `p` in (0, 1).
pub(super) fn upper_quantile(p: f64) -> f64 {
    // The tail falls monotonically, so halving finds it; 38 is where it underflows, and 60 halvings
    // leave less than the spacing of the numbers.
    let (mut low, mut high) = (-38.0, 38.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if upper_tail(middle) > p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// The largest p-value that still counts as a discovery if at most a share `rate` of the discoveries
/// may be false: the step-up procedure of [Benjamini and Hochberg,
/// 1995](https://doi.org/10.1111/j.2517-6161.1995.tb02031.x) for independent tests, which those of
/// different stacks are, as every block is sampled independently.
///
/// Without any discovery it is `rate / m`, what a first one among `m` would have needed.
pub(super) fn discovery_cutoff(mut p_values: Vec<f64>, rate: f64) -> f64 {
    p_values.sort_by(f64::total_cmp);
    let step = rate / p_values.len().max(1) as f64;
    p_values
        .iter()
        .zip(1_u32..)
        .map(|(p, rank)| (*p, step * f64::from(rank)))
        .filter(|(p, threshold)| p <= threshold)
        .last()
        .map_or(step, |(_, threshold)| threshold)
}

#[cfg(test)]
mod tests {
    use super::{discovery_cutoff, upper_quantile, upper_tail};

    #[test]
    fn the_tail_matches_published_values() {
        // Abramowitz and Stegun, tables 26.1 and 26.2 (the last two from 26.2, as -log10).
        let cases = [
            (0.0, 0.5),
            (1.0, 0.158_655_253_931_457_05),
            (-1.0, 0.841_344_746_068_542_9),
            (1.999_999, 0.022_750_186_0),
            (2.0, 0.022_750_131_948_179_2),
            (3.0, 1.349_898_031_630_09e-3),
            (5.0, 2.866_515_718_791_94e-7),
            (10.0, 7.619_853_024_160_53e-24),
        ];
        for (z, expected) in cases {
            let tail = upper_tail(z);
            assert!(
                (tail / expected - 1.0).abs() < 1e-7,
                "{z}: {tail} for {expected}"
            );
        }
        assert_eq!(upper_tail(f64::INFINITY), 0.0);
        assert_eq!(upper_tail(f64::NEG_INFINITY), 1.0);
        assert_eq!(upper_tail(f64::NAN), 1.0);
    }

    #[test]
    fn the_quantile_undoes_the_tail() {
        for z in [-3.0, 0.0, 1.5, 2.0, 4.3, 7.0] {
            assert!((upper_quantile(upper_tail(z)) - z).abs() < 1e-9, "{z}");
        }
    }

    #[test]
    fn the_cutoff_steps_up_over_a_missed_rank() {
        // 0.03 misses its own threshold (0.025) but 0.04 meets the one of its rank (0.0375 is missed,
        // 0.05 met by the fourth), which takes all four in.
        let p_values = vec![0.03, 0.04, 0.001, 0.045];
        assert!((discovery_cutoff(p_values, 0.05) - 0.05).abs() < 1e-12);
        assert!((discovery_cutoff(vec![0.9, 0.5], 0.05) - 0.025).abs() < 1e-12);
        assert!((discovery_cutoff(vec![0.001, 0.9, 0.5, 0.8], 0.04) - 0.01).abs() < 1e-12);
        assert!((discovery_cutoff(Vec::new(), 0.05) - 0.05).abs() < 1e-12);
    }
}
