//! Sums, differences and parts of profiles.
//!
//! `merge` and `diff` are the public faces of `sum`. `sum` uses `tables` to find the equal entries
//! of two profiles. `header` combines the fields that describe a whole profile. `period` combines
//! the sample intervals. `filter` takes a part of a profile.

mod diff;
mod filter;
mod header;
mod merge;
mod period;
mod sum;
mod tables;

pub use filter::{Filter, Filtered};
pub use merge::Merge;
