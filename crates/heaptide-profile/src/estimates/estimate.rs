//! A number that is known up to sampling noise: its standard error, and an interval that holds.
//!
//! A value of a heap profile is an estimate. How far it may be off follows from block sizes and
//! sample intervals alone; `population` reads these from profiles, `interval` turns them into
//! limits. This type adds such numbers up, and decides nothing: what is significant is for its
//! callers.

use std::iter::Sum;
use std::ops::{Add, Mul, RangeInclusive};

use super::interval::{self, Mass};

/// A number known up to sampling noise, in the unit of the column it comes from.
///
/// It comes from a profile ([`Profile::estimate`](crate::Profile::estimate)); the default is an
/// exact 0. Estimates of different samples are independent, so those of a function, of a filter or
/// of a whole profile are added up.
///
/// ```
/// use heaptide_profile::{Estimate, Profile, Sample, ValueType};
///
/// let profile = Profile {
///     sample_types: vec![
///         ValueType::new("inuse_objects", "count"),
///         ValueType::new("inuse_space", "bytes"),
///     ],
///     // Twice 4 MiB of small blocks, of which 8 were sampled each.
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
    /// Square root of the estimated variance of `value`; 0 if it is exact, or if nothing was
    /// sampled.
    pub standard_error: f64,
    /// The sampled blocks that add to the value.
    added: Mass,
    /// Those that take away from it.
    removed: Mass,
}

impl Estimate {
    /// `value` is what a profile says, which may be cut to a whole number; the masses are not.
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
    /// It holds for few samples too, where it reaches further up than down: Garwood's interval for
    /// a Poisson count where all blocks weigh the same and are sampled rarely, Fay and Feuer's
    /// gamma interval for those of several sizes, and for differences both sides' limits put
    /// together. What no interval can know is a kind of blocks of which none was sampled.
    /// `docs/sampling.md` has the sources, and how often the true number was measured to lie
    /// within.
    #[must_use]
    pub fn interval_95(self) -> RangeInclusive<f64> {
        interval::of_difference(&self.added, &self.removed)
    }

    /// How many samples of equal weight would have the same values and variances: those that add,
    /// and those that take away. Not whole, as samples weigh differently.
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
        // Twelve that come and four that go, each for 1000 blocks of a byte.
        let mass = |samples: f64| Mass::of(samples * 1000.0, 1.0, 999.0);
        let estimate = Estimate::new(8000.0, mass(12.0), mass(4.0));
        let (came, went) = estimate.effective_samples();
        assert!((came / 12.0 - 1.0).abs() < 0.01 && (went / 4.0 - 1.0).abs() < 0.01);
        assert_eq!(Estimate::default().effective_samples(), (0.0, 0.0));
    }
}
