//! heaptide: a sampling heap profiler for Rust services.

mod error;
pub mod profile;
mod symbolize;

pub use error::{Error, Result};
pub use profile::Profile;
pub use symbolize::Trim;
