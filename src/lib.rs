//! heaptide: a sampling heap profiler for Rust services.

mod error;
pub mod profile;
mod record;
mod snapshot;
mod symbolize;

pub use error::{Error, Result};
pub use profile::Profile;
pub use record::{
    DefaultInner, Lost, SamplingAllocator, Stats, sample_interval, set_sample_interval, stats,
};
pub use snapshot::{Snapshot, snapshot};
pub use symbolize::Trim;
