//! Sums, differences and parts of profiles.
//!
//! `merge` and `diff` are the public faces of `sum`. By `tables`, `sum` decides which entries of
//! two profiles are the same one. `header` combines what describes a whole profile, and `period`
//! what describes its sampling. `filter` takes a part of a profile.

mod diff;
mod filter;
mod header;
mod merge;
mod period;
mod sum;
mod tables;

pub use filter::{Filter, Filtered};
pub use merge::Merge;
