//! heaptide: a sampling heap profiler for Rust services.

mod error;
mod pprof;
pub mod profile;

pub use error::{Error, Result};
pub use profile::Profile;
