//! Tails of the binomial and the normal distribution, and the cutoff for many tests at once.
//!
//! Arithmetic on numbers alone.

use crate::special_functions::beta_lower;

/// Above this number of events the normal distribution stands in for the binomial one. Its tails
/// are then close enough, and the continued fraction of the binomial one takes hundreds of steps.
const EVENTS_ARE_MANY: f64 = 2000.0;

/// Chance that of `more + less` events of two equally likely kinds at least `more` are of the
/// first.
///
/// This is the test of two Poisson rates by [Przyborowski and Wilenski,
/// 1940](https://doi.org/10.1093/biomet/31.3-4.313). Given the sum of two counts, each of them is
/// binomial with a half. The tail is an incomplete beta function ([DLMF
/// 8.17.5](https://dlmf.nist.gov/8.17.E5)), which also takes counts that are not whole. Unlike a
/// normal tail it holds for few events: five against none have a chance of 1 in 32, where the
/// normal tail says 1 in 79.
pub(super) fn chance_of_so_many(more: f64, less: f64) -> f64 {
    // 1 means no evidence.
    if more.is_nan() || more <= 0.0 {
        return 1.0;
    }
    let less = less.max(0.0);
    if more + less > EVENTS_ARE_MANY {
        return upper_tail((more - less) / (more + less).sqrt());
    }
    beta_lower(more, less + 1.0, 0.5)
}

/// Chance that a standard normal value exceeds `z`.
///
/// It uses two expansions from Abramowitz and Stegun, *Handbook of Mathematical Functions*: the
/// series 26.2.11 near the middle and the continued fraction 26.2.14 in the tail, where one minus
/// the series would cancel. The relative error is below 1e-12 up to where the result underflows
/// (`z` = 38).
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
pub(in crate::leak) fn upper_quantile(p: f64) -> f64 {
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

/// The largest p-value that counts as a discovery if at most a share `rate` of the discoveries may
/// be false.
///
/// This is the step-up procedure of [Benjamini and Hochberg,
/// 1995](https://doi.org/10.1111/j.2517-6161.1995.tb02031.x) for independent tests. The tests of
/// different stacks are independent, as every block is sampled independently. Without any discovery
/// it is `rate / m`: the p-value that a first discovery among `m` tests needs.
pub(in crate::leak) fn discovery_cutoff(mut p_values: Vec<f64>, rate: f64) -> f64 {
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
    use super::{EVENTS_ARE_MANY, chance_of_so_many, discovery_cutoff, upper_quantile, upper_tail};

    #[test]
    fn the_chance_of_two_counts_is_binomial() {
        let near = |value: f64, expected: f64| {
            assert!(
                (value / expected - 1.0).abs() < 1e-9,
                "{value} for {expected}"
            );
        };
        near(chance_of_so_many(5.0, 0.0), 1.0 / 32.0);
        near(chance_of_so_many(12.0, 0.0), 1.0 / 4096.0);
        // 10 heads or more of 12: 66 + 12 + 1 of 4096.
        near(chance_of_so_many(10.0, 2.0), 79.0 / 4096.0);
        near(chance_of_so_many(2.0, 10.0), 1.0 - 13.0 / 4096.0);
        assert_eq!(chance_of_so_many(0.0, 7.0), 1.0);
        assert_eq!(chance_of_so_many(0.0, 0.0), 1.0);
        assert!(chance_of_so_many(0.1, 0.0) > 0.9);
        assert_eq!(chance_of_so_many(1e300, 0.0), 0.0);
    }

    /// How often a p-value of `level` or less is seen where nothing grows. `mean` samples are
    /// expected to come and as many to go. It is summed over all counts, nothing is drawn.
    fn false_alarms(level: f64, mean: f64, p_value: fn(f64, f64) -> f64) -> f64 {
        let mut chances = vec![(-mean).exp()];
        for n in 1..200 {
            chances.push(chances[n - 1] * mean / n as f64);
        }
        let counts = || chances.iter().enumerate();
        let of_came = counts().map(|(came, chance)| {
            let alarms = counts().filter(|(went, _)| p_value(came as f64, *went as f64) <= level);
            chance * alarms.map(|(_, chance)| chance).sum::<f64>()
        });
        of_came.sum()
    }

    #[test]
    fn p_values_are_not_too_small_for_few_samples() {
        for level in [0.01, 0.001, 0.0001] {
            for mean in [0.5, 1.0, 3.0, 6.0, 12.0, 50.0] {
                let share = false_alarms(level, mean, chance_of_so_many);
                assert!(share <= level, "{level} at {mean}: {share}");
                // Nor is it so rare that nothing would be found.
                assert!(
                    mean < 50.0 || share > 0.4 * level,
                    "{level} at {mean}: {share}"
                );
            }
        }
    }

    #[test]
    fn the_two_distributions_agree_where_they_meet() {
        for sigmas in [1.0, 3.0, 5.0] {
            let apart = sigmas * EVENTS_ARE_MANY.sqrt();
            let (more, less) = (
                (EVENTS_ARE_MANY + apart) / 2.0,
                (EVENTS_ARE_MANY - apart) / 2.0,
            );
            let few = chance_of_so_many(more, less);
            let many = chance_of_so_many(more + 0.001, less);
            // The binomial counts the event itself in full, the normal tail half of it.
            assert!((1.0..1.2).contains(&(few / many)), "{few} {many}");
        }
    }

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
    fn the_cutoff_steps_over_ranks_that_miss_their_threshold() {
        // Sorted, the second and third miss their thresholds (0.025 and 0.0375), but the fourth
        // meets its own (0.05), so all four are discoveries.
        let p_values = vec![0.03, 0.04, 0.001, 0.045];
        assert!((discovery_cutoff(p_values, 0.05) - 0.05).abs() < 1e-12);
        assert!((discovery_cutoff(vec![0.9, 0.5], 0.05) - 0.025).abs() < 1e-12);
        assert!((discovery_cutoff(vec![0.001, 0.9, 0.5, 0.8], 0.04) - 0.01).abs() < 1e-12);
        assert!((discovery_cutoff(Vec::new(), 0.05) - 0.05).abs() < 1e-12);
    }
}
