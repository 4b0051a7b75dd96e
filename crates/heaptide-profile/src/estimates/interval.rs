//! Intervals for the blocks that sampled blocks stand for, valid for few samples and for many.
//!
//! It is separate from `estimate`, so that the method is in one place with its sources. It knows
//! masses of sampled blocks, and nothing of profiles.
//!
//! A block of `s` bytes is sampled with probability `p`. Before the n-th sampled block come `F`
//! blocks that are not sampled. `F` is negative binomial with mean `n (1-p)/p` and variance
//! `n (1-p)/p²`.
//!
//! With `n` samples, the number of unsampled blocks lies between the lower quantile of `F` at `n`
//! and the upper quantile of `F` at `n + 1`, since the next sample may have been about to come.
//! This is the construction of
//! [Clopper and Pearson, 1934](https://doi.org/10.1093/biomet/26.4.404). For rare samples (`p` to
//! 0), `F` times `p` is a gamma variable, and the interval is the one of
//! [Garwood, 1936](https://doi.org/10.1093/biomet/28.3-4.437) for a Poisson count.
//!
//! Blocks of several sizes have a weighted sum of such variables. The gamma distribution of the
//! same mean and variance is used for it, with one more sample of the heaviest unseen weight at the
//! upper limit. This is the interval of
//! [Fay and Feuer, 1997](https://doi.org/10.1002/(SICI)1097-0258(19970415)16:7%3C791::AID-SIM500%3E3.0.CO;2-%23).
//! The same gamma distribution replaces the negative binomial where `p` is large, with a margin of
//! half a block because counts are whole.
//!
//! A difference has the limits of its two parts, combined by the squares of their distances. This
//! is the method of variance estimates recovery
//! ([Zou and Donner, 2008](https://doi.org/10.1002/sim.3095)).

use std::ops::{Add, Mul, RangeInclusive};

use crate::special_functions::gamma_lower;

/// The chance on either side of an interval that holds 95 times in 100.
const TAIL: f64 = 0.025;
/// The standard normal value that is exceeded with chance `TAIL`.
const NORMAL_TAIL: f64 = 1.959_963_984_540_054;

/// How much too large `seen` may be. A sampled block of 512 KiB stands for 1.58 blocks, and the
/// file says 2. Two blocks look a fifth smaller, and 1.09 of them would have been sampled.
const ROUNDING: f64 = 0.1;

/// From this shape on the approximation of Wilson and Hilferty gives the gamma quantile. Its error
/// there is less than a thousandth of the distance to the mean.
const SHAPE_IS_LARGE: f64 = 200.0;

/// The blocks that some sampled blocks stand for, in bytes or in blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Mass {
    /// The sampled blocks themselves. The truth is at least this.
    pub(super) seen: f64,
    /// The estimate of the blocks that were not sampled.
    pub(super) unseen: f64,
    /// The variance of `unseen`.
    pub(super) variance: f64,
    /// A block of the kind that leaves the most unseen.
    pub(super) block: f64,
    /// How much such a block leaves unseen for each sampled one: `block (1-p)/p`.
    pub(super) behind: f64,
}

impl Mass {
    /// Estimated `bytes` of blocks of `size` bytes, where `odds` is `(1-p)/p`. 0 bytes are a mass
    /// too: nothing was sampled, but such blocks may have been there.
    pub(super) fn of(bytes: f64, size: f64, odds: f64) -> Self {
        let seen = bytes / (1.0 + odds);
        let behind = size * odds;
        Self {
            seen,
            unseen: bytes - seen,
            variance: bytes * behind,
            block: size,
            behind,
        }
    }

    /// The same blocks as evidence of the rate at which they come. That the sampled ones exist says
    /// nothing about the rate. Each comes and is sampled as a point of a Poisson process, with
    /// variance `weight²`.
    pub(super) fn of_arrivals(bytes: f64, size: f64, odds: f64) -> Self {
        let weighs = size * (1.0 + odds);
        Self {
            seen: 0.0,
            unseen: bytes,
            variance: bytes * weighs,
            block: 0.0,
            behind: weighs,
        }
    }

    pub(super) fn value(&self) -> f64 {
        self.seen + self.unseen
    }

    /// The limits of the 95 % interval.
    pub(super) fn limits(&self) -> (f64, f64) {
        let low = gamma_quantile(self.unseen, self.variance, TAIL);
        let weight = self.block + self.behind;
        let high = gamma_quantile(
            self.unseen + self.behind,
            self.variance + self.behind * weight,
            1.0 - TAIL,
        );
        // Blocks are whole, gamma variables are not. So there is a margin of half a block either
        // way, unless it is certain enough that none was missed. For blocks that are rarely sampled
        // the margin is negligible.
        let none_missed = self.unseen + self.behind <= TAIL * self.block;
        let room = if none_missed { 0.0 } else { 0.5 * self.block };
        // The size of the blocks is known from rounded counts, so `seen` is known to a tenth.
        let least = (1.0 - ROUNDING) * self.seen;
        let low = (self.seen + low - room).max(least);
        (low, self.seen + high + room)
    }
}

/// Independent masses.
impl Add for Mass {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let heavier = if other.behind > self.behind {
            other
        } else {
            self
        };
        Self {
            seen: self.seen + other.seen,
            unseen: self.unseen + other.unseen,
            variance: self.variance + other.variance,
            block: heavier.block,
            behind: heavier.behind,
        }
    }
}

/// The same in another unit. The factor is not negative.
impl Mul<f64> for Mass {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self {
            seen: self.seen * factor,
            unseen: self.unseen * factor,
            variance: self.variance * factor * factor,
            block: self.block * factor,
            behind: self.behind * factor,
        }
    }
}

/// The 95 % interval of `added` less `removed`.
pub(super) fn of_difference(added: &Mass, removed: &Mass) -> RangeInclusive<f64> {
    let (low, high) = added.limits();
    let (low_removed, high_removed) = removed.limits();
    let (value, value_removed) = (added.value(), removed.value());
    let net = value - value_removed;
    let down = (value - low).hypot(high_removed - value_removed);
    let up = (high - value).hypot(value_removed - low_removed);
    net - down..=net + up
}

/// The value that a gamma variable of this mean and variance does not exceed with chance `p`.
fn gamma_quantile(mean: f64, variance: f64, p: f64) -> f64 {
    if !(mean > 0.0 && variance > 0.0) {
        return mean.max(0.0);
    }
    let (shape, scale) = (mean * mean / variance, variance / mean);
    if shape >= SHAPE_IS_LARGE {
        let z = if p < 0.5 { -NORMAL_TAIL } else { NORMAL_TAIL };
        let cube_root = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * shape.sqrt());
        return mean * cube_root.powi(3);
    }
    // The distribution function grows, so bisection finds where it passes `p`. The tail falls as
    // exp(-x), so 40 above ten deviations leave 1e-17.
    let (mut low, mut high) = (0.0, shape + 10.0 * shape.sqrt() + 40.0);
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if gamma_lower(shape, middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    scale * 0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, expected: f64, relative: f64) {
        assert!(
            (value - expected).abs() <= relative * expected.abs(),
            "{value} instead of {expected}"
        );
    }

    #[test]
    fn rare_samples_have_the_exact_poisson_limits() {
        // Garwood's table: a count, and the 95 % limits of its expectation.
        let table = [
            (0.0, 0.0, 3.6889),
            (1.0, 0.0253, 5.5716),
            (3.0, 0.6187, 8.7673),
            (10.0, 4.7954, 18.3904),
            (30.0, 20.2409, 42.8269),
            (100.0, 81.3639, 121.6272),
            (1000.0, 938.9695, 1063.9429),
        ];
        for (count, low, high) in table {
            // One-byte blocks at a million bytes.
            let odds = (1e-6_f64).exp_m1().recip();
            let (l, h) = Mass::of(count * 1e6, 1.0, odds).limits();
            assert!((l / 1e6 - low).abs() < 1e-4 * (1.0 + low), "{count}: {l}");
            near(h / 1e6, high, 1e-4);
        }
    }

    #[test]
    fn large_blocks_are_nearly_certain_and_unmissable_blocks_are_exact() {
        // Blocks of 20 intervals are missed once in 500 million.
        let (low, high) = Mass::of(20.0, 20.0, 20_f64.exp_m1().recip()).limits();
        near(low, 20.0, 1e-6);
        near(high, 20.0, 1e-6);
        assert_eq!(Mass::of(20.0, 5.0, 0.0).limits(), (20.0, 20.0));
        assert_eq!(Mass::default().limits(), (0.0, 0.0));
        let one = Mass::of(1.582, 1.0, 1_f64.exp_m1().recip());
        assert!(one.limits().0 >= 0.9);
    }

    #[test]
    fn large_shapes_join_the_small_ones() {
        for p in [TAIL, 1.0 - TAIL] {
            let below = gamma_quantile(199.999, 199.999, p);
            let above = gamma_quantile(200.001, 200.001, p);
            near(above - 200.0, below - 200.0, 1e-3);
        }
    }

    #[test]
    fn a_difference_combines_the_limits_of_both_parts() {
        let mass = Mass::of(100e6, 1.0, (1e-6_f64).exp_m1().recip());
        let alone = of_difference(&mass, &Mass::default());
        assert_eq!((*alone.start(), *alone.end()), mass.limits());
        let both = of_difference(&mass, &mass);
        near(*both.end(), -both.start(), 1e-9);
        near(*both.end(), (21.6272_f64.hypot(18.6361)) * 1e6, 1e-4);
    }
}
