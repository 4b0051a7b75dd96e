//! Random numbers from a fixed seed, for the simulations.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

/// A generator that gives the same numbers for the same seed.
pub(super) struct SeededRandom(Xoshiro256PlusPlus);

impl SeededRandom {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// A number in (0, 1], so that its logarithm is finite.
    pub(super) fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) + 1) as f64 / 2_f64.powi(53)
    }

    /// An exponentially distributed number.
    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * self.uniform().ln()
    }

    /// A Poisson number.
    ///
    /// Where few are expected, arrivals within a time are counted. From a hundred on it is a normal
    /// number (Box and Muller), whose tails are close enough.
    pub(super) fn poisson(&mut self, mean: f64) -> f64 {
        if mean > 100.0 {
            let radius = (-2.0 * self.uniform().ln()).sqrt();
            let angle = 2.0 * std::f64::consts::PI * self.uniform();
            return (mean + mean.sqrt() * radius * angle.cos()).round().max(0.0);
        }
        let (mut count, mut time) = (0.0, -self.uniform().ln());
        while time < mean {
            count += 1.0;
            time -= self.uniform().ln();
        }
        count
    }
}
