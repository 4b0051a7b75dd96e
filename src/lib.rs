//! heaptide: a sampling heap profiler for Rust services.

mod error;
pub mod leak;
mod pprof;
pub mod profile;
mod record;
pub mod report;
mod snapshot;
mod symbolize;
pub mod units;

pub use error::{Error, Result};
pub use pprof::{ProfileOptions, write_allocs_profile, write_heap_profile};
pub use profile::Profile;
pub use record::{
    DefaultInner, Lost, SamplingAllocator, Stats, sample_interval, set_sample_interval, stats,
};
pub use snapshot::{Snapshot, snapshot};
pub use symbolize::Trim;
