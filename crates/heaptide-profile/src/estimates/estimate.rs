//! A number with sampling noise: its standard error, and an interval that holds.
//!
//! A value of a heap profile is an estimate. Its possible error follows from block sizes and sample
//! intervals alone. `population` reads these from profiles, and `interval` turns them into limits.
//! This type adds such numbers up. It does not decide what is significant.

use std::iter::Sum;
use std::ops::{Add, Mul, RangeInclusive};

use super::interval::{self, Mass};

/// A number with sampling noise, in the unit of its column.
///
/// It comes from a profile ([`SampleType::estimate`](crate::SampleType::estimate)). The default is
/// an exact 0. Estimates of different samples are independent. So those of a function, of a filter
/// or of a whole profile can be added up.
///
/// ```
/// use heaptide_profile::{Estimate, Profile, Sample, ValueType};
///
/// let profile = Profile {
///     sample_types: vec![
///         ValueType::new("inuse_objects", "count"),
///         ValueType::new("inuse_space", "bytes"),
///     ],
///     // Two stacks with 4 MiB of small blocks each. 8 blocks of each were sampled.
///     samples: vec![Sample { values: vec![65_536, 4 << 20], ..Sample::default() }; 2],
///     period: 512 * 1024,
///     ..Profile::default()
/// };
/// let total: Estimate = profile.sample_type("inuse_space")?.estimates()?.into_iter().sum();
/// assert_eq!(total.value, 8_388_608.0);
/// assert!((total.standard_error / total.value - 0.25).abs() < 0.001);
/// // 16 samples: few enough for an interval that reaches further up than down.
/// let reach = total.interval_95();
/// assert!((reach.start() / total.value - 0.572).abs() < 0.001);
/// assert!((reach.end() / total.value - 1.624).abs() < 0.001);
/// # Ok::<(), heaptide_profile::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Estimate {
    /// The best guess.
    pub value: f64,
    /// Square root of the estimated variance of `value`. It is 0 if the value is exact, or if
    /// nothing was sampled.
    pub standard_error: f64,
    /// The sampled blocks that add to the value.
    added: Mass,
    /// The sampled blocks that take away from the value.
    removed: Mass,
}

impl Estimate {
    /// `value` is the number in the profile, which may be cut to a whole number. The masses are
    /// not.
    pub(super) fn new(value: f64, added: Mass, removed: Mass) -> Self {
        Self {
            value,
            standard_error: (added.variance + removed.variance).sqrt(),
            added,
            removed,
        }
    }

    /// A range that holds the true number 95 times in 100.
    ///
    /// It holds for few samples too, and then reaches further up than down.
    ///
    /// - Blocks that weigh the same and are rarely sampled: Garwood's interval for a Poisson count.
    /// - Blocks of several sizes: the gamma interval of Fay and Feuer.
    /// - Differences: the limits of both sides, put together.
    ///
    /// If no block of some kind was sampled, the interval does not include that kind.
    /// `docs/sampling.md` has the sources, and measured shares.
    #[must_use]
    pub fn interval_95(self) -> RangeInclusive<f64> {
        interval::of_difference(&self.added, &self.removed)
    }

    /// The number of samples of equal weight that would have the same values and variances: those
    /// that add, and those that take away. They are not whole numbers, because samples weigh
    /// differently.
    pub(crate) fn effective_samples(&self) -> (f64, f64) {
        let variance = self.standard_error * self.standard_error;
        let values = self.added.value() + self.removed.value();
        if variance <= 0.0 {
            return (0.0, 0.0);
        }
        let per_value = values / variance;
        (
            self.added.value() * per_value,
            self.removed.value() * per_value,
        )
    }
}

/// The sum of independent estimates: variances add.
impl Add for Estimate {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::new(
            self.value + other.value,
            self.added + other.added,
            self.removed + other.removed,
        )
    }
}

/// The sum of independent estimates: variances add.
impl Sum for Estimate {
    fn sum<I: Iterator<Item = Self>>(estimates: I) -> Self {
        estimates.fold(Self::default(), Add::add)
    }
}

/// An estimate times a number that is exactly known.
impl Mul<f64> for Estimate {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        let (added, removed) = (self.added * factor.abs(), self.removed * factor.abs());
        if factor < 0.0 {
            Self::new(self.value * factor, removed, added)
        } else {
            Self::new(self.value * factor, added, removed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_add_and_scale() {
        let mass = Mass::of(100.0, 1.0, 4.0);
        let unit = Estimate::new(100.0, mass, Mass::default());
        let sum: Estimate = [unit; 4].into_iter().sum();
        assert_eq!((sum.value, sum.standard_error), (400.0, 40.0));
        let turned = sum * -0.5;
        assert_eq!((turned.value, turned.standard_error), (-200.0, 20.0));
        let (there, back) = (sum.interval_95(), turned.interval_95());
        assert!((there.start() / back.end() + 2.0).abs() < 1e-9);
        assert!((there.end() / back.start() + 2.0).abs() < 1e-9);
    }

    #[test]
    fn samples_of_equal_weight_are_counted() {
        // Twelve samples come and four go. Each stands for 1000 blocks of a byte.
        let mass = |samples: f64| Mass::of(samples * 1000.0, 1.0, 999.0);
        let estimate = Estimate::new(8000.0, mass(12.0), mass(4.0));
        let (came, went) = estimate.effective_samples();
        assert!((came / 12.0 - 1.0).abs() < 0.01 && (went / 4.0 - 1.0).abs() < 0.01);
        assert_eq!(Estimate::default().effective_samples(), (0.0, 0.0));
    }
}
