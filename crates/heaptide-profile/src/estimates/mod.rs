//! Estimates with their standard errors and intervals, from the values of a heap profile.
//!
//! `of_profile` computes them for each sample, by `columns`. A `population` has the blocks that
//! were sampled by one law. `interval` has the intervals that hold for few samples, and `estimate`
//! is the result.

mod columns;
#[cfg(test)]
mod coverage;
mod estimate;
mod interval;
mod of_profile;
mod population;

pub use estimate::Estimate;
pub use population::Population;
