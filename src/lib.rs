//! heaptide: a sampling heap profiler for Rust services.

mod error;
mod pprof;
pub mod profile;
pub mod report;

pub use error::{Error, Result};
pub use profile::Profile;
