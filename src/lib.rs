//! heaptide: a sampling heap profiler for Rust services.

mod error;
pub mod leak;
pub mod profile;
pub mod report;
mod units;

pub use error::{Error, Result};
pub use profile::Profile;
