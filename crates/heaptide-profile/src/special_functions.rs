//! Incomplete gamma and beta functions, for intervals and p-values that hold for few samples.
//!
//! Both are sums or continued fractions, multiplied by a factor from `libm`'s logarithm of the
//! gamma function. They compute the smaller of the two tails, so that a tiny tail keeps its digits.

use libm::lgamma;

/// An expansion stops when a step changes it by less than this part.
const PRECISION: f64 = 1e-15;
/// More steps than any of our arguments takes: the most are some hundreds.
const MOST_STEPS: u32 = 10_000;
/// Replaces a denominator of 0 in a continued fraction.
const TINY: f64 = 1e-300;

/// The regularized lower incomplete gamma function `P(shape, x)`: the chance that a gamma variable
/// of this shape and of scale 1 is at most `x`.
///
/// The series of [DLMF 8.7.1](https://dlmf.nist.gov/8.7.E1) below the mean, and the continued
/// fraction of [DLMF 8.9.2](https://dlmf.nist.gov/8.9.E2) above it. 0 for an `x` of 0 or
/// less. Otherwise 1 for a shape of 0, which is the limit: all of the mass lies at 0.
pub(crate) fn gamma_lower(shape: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if shape <= 0.0 {
        return 1.0;
    }
    if x < shape + 1.0 {
        let front = (shape * x.ln() - x - lgamma(shape + 1.0)).exp();
        let (mut term, mut sum) = (1.0, 1.0);
        for n in 1..MOST_STEPS {
            term *= x / (shape + f64::from(n));
            sum += term;
            if term < sum * PRECISION {
                break;
            }
        }
        front * sum
    } else {
        let front = (shape * x.ln() - x - lgamma(shape)).exp();
        let first = x + 1.0 - shape;
        let fraction = continued_fraction(first, |n| (n * (shape - n), x + 2.0 * n + 1.0 - shape));
        1.0 - front / fraction
    }
}

/// The regularized incomplete beta function `I_x(a, b)`, for positive `a` and `b` and an `x`
/// between 0 and 1.
///
/// For whole numbers it is the chance of at least `a` successes in `a + b - 1` trials that each
/// succeed with chance `x`. The continued fraction is that of [DLMF
/// 8.17.22](https://dlmf.nist.gov/8.17.E22).
pub(crate) fn beta_lower(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // Below this point the fraction converges fast. Above it, the fraction of the other tail does.
    if x < (a + 1.0) / (a + b + 2.0) {
        beta_tail(a, b, x)
    } else {
        1.0 - beta_tail(b, a, 1.0 - x)
    }
}

fn beta_tail(a: f64, b: f64, x: f64) -> f64 {
    let front = lgamma(a + b) - lgamma(a + 1.0) - lgamma(b) + a * x.ln() + b * (-x).ln_1p();
    let fraction = continued_fraction(1.0, |step| {
        let m = (0.5 * step).floor();
        let part = if step % 2.0 == 0.0 {
            m * (b - m) * x / ((a + step - 1.0) * (a + step))
        } else {
            -(a + m) * (a + b + m) * x / ((a + step - 1.0) * (a + step))
        };
        (part, 1.0)
    });
    front.exp() / fraction
}

/// `first + n1/(d1 + n2/(d2 + ...))`, by the method of [Lentz,
/// 1976](https://doi.org/10.1364/AO.15.000668); `part` gives the numerator and the denominator of a
/// step, counted from 1.
fn continued_fraction(first: f64, part: impl Fn(f64) -> (f64, f64)) -> f64 {
    let not_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut value = not_zero(first);
    let (mut ahead, mut behind) = (value, 0.0);
    for n in 1..MOST_STEPS {
        let (numerator, denominator) = part(f64::from(n));
        behind = 1.0 / not_zero(denominator + numerator * behind);
        ahead = not_zero(denominator + numerator / ahead);
        let change = ahead * behind;
        value *= change;
        if (change - 1.0).abs() < PRECISION {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::{beta_lower, gamma_lower};

    /// Far below any difference that shows in our probabilities and limits.
    const ACCURACY: f64 = 1e-11;

    fn near(value: f64, expected: f64) {
        let error = (value - expected).abs();
        assert!(
            error <= ACCURACY * expected.abs(),
            "{value:e} instead of {expected:e}"
        );
    }

    /// For a whole shape the upper tail is a sum of Poisson chances ([DLMF
    /// 8.4.8](https://dlmf.nist.gov/8.4.E8)).
    #[test]
    fn whole_shapes_give_poisson_sums() {
        for shape in [1_u32, 2, 5, 30, 150, 200] {
            for x in [0.01, 0.5, 3.0, 29.0, 149.0, 210.0, 320.0] {
                let mut chance = f64::exp(-x);
                let mut upper = 0.0;
                for n in 1..=shape {
                    upper += chance;
                    chance *= x / f64::from(n);
                }
                let lower = gamma_lower(f64::from(shape), x);
                assert!(
                    (lower - (1.0 - upper)).abs() < ACCURACY,
                    "{shape} {x}: {lower:e} instead of {:e}",
                    1.0 - upper
                );
            }
        }
    }

    /// A shape of a half gives the error function ([DLMF 7.11.1](https://dlmf.nist.gov/7.11.E1)).
    #[test]
    fn half_a_shape_gives_the_error_function() {
        for x in [1e-300_f64, 1e-9, 0.1, 1.0, 4.0, 20.0] {
            near(gamma_lower(0.5, x), libm::erf(x.sqrt()));
        }
        assert_eq!((gamma_lower(0.5, 0.0), gamma_lower(0.5, -1.0)), (0.0, 0.0));
    }

    #[test]
    fn the_mass_of_a_vanishing_shape_lies_at_zero() {
        for shape in [0.0, 1e-320, 1e-12] {
            for x in [1e-9, 1.0, 40.0] {
                assert!(gamma_lower(shape, x) > 1.0 - 1e-10, "{shape} {x}");
            }
        }
    }

    #[test]
    fn whole_counts_give_binomial_sums() {
        for x in [0.5_f64, 0.25] {
            for trials in [1_u32, 4, 12, 60, 400] {
                // From all trials down. `chance` is that of exactly `successes`, and `at_least`
                // that of `successes` or more.
                let mut chance = x.powf(f64::from(trials));
                let mut at_least = 0.0;
                for successes in (1..=trials).rev() {
                    at_least += chance;
                    let failures = f64::from(trials - successes);
                    near(
                        beta_lower(f64::from(successes), failures + 1.0, x),
                        at_least,
                    );
                    chance *= f64::from(successes) / (failures + 1.0) * (1.0 - x) / x;
                }
            }
        }
    }

    #[test]
    fn the_two_tails_of_a_beta_variable_add_up_to_one() {
        for (a, b, x) in [(0.3, 7.7, 0.02), (1500.5, 499.5, 0.7), (90.0, 91.5, 0.5)] {
            let sum = beta_lower(a, b, x) + beta_lower(b, a, 1.0 - x);
            assert!((sum - 1.0).abs() < ACCURACY, "{a} {b} {x}: {sum}");
        }
        assert_eq!(
            (beta_lower(2.0, 3.0, 0.0), beta_lower(2.0, 3.0, 1.0)),
            (0.0, 1.0)
        );
    }
}
