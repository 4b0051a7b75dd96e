//! Heap profiles as plain data: read, written, added up, compared, reported, and judged for leaks.
//!
//! It runs on every platform and links no allocator. The crate
//! [`heaptide`](https://docs.rs/heaptide) records profiles, and its command prints these reports.
//! Profiles of Go, jemalloc and other programs are read too, if they are in the format of `pprof`.
//!
//! ```
//! use heaptide_profile::{Profile, Sample, ValueType, report};
//!
//! let mut profile = Profile {
//!     sample_types: vec![ValueType::new("inuse_space", "bytes")],
//!     samples: vec![Sample { values: vec![64 << 20], ..Sample::default() }],
//!     ..Profile::default()
//! };
//! let mut file = Vec::new();
//! profile.write(&mut file)?;
//! let read = Profile::read(&file)?;
//! assert_eq!(read, profile);
//!
//! let top = report::Top::new(read.sample_type("inuse_space")?);
//! assert_eq!(top.total, 64 << 20);
//! # Ok::<(), heaptide_profile::Error>(())
//! ```
//!
//! # Contents
//!
//! | to | there is |
//! |---|---|
//! | read and write a profile | [`Profile::read`], [`Profile::write`], [`Profile::check`] |
//! | look at a part of a profile | [`Profile::filter`], [`Filter`] |
//! | add up and compare profiles | [`Profile::merge`], [`Profile::diff`]; many, one at a time: [`Merge`] |
//! | give a raw profile its names | [`Profile::symbolize`], [`SymbolLine`], [`Trim`] |
//! | know how far a number may be off | [`SampleType::estimates`], [`SampleType::estimate`], [`Estimate`], [`Population`] |
//! | show who holds memory, and what grew | [`report`] |
//! | find leaks | [`leak::find`], [`leak::LeakDetector`] |
//! | tell processes apart | [`Profile::process`], [`Profile::is_same_process_as`] |
//!
//! # Features
//!
//! | feature | default | gives |
//! |---|---|---|
//! | `flamegraph` | | `report::write_flamegraph`, by inferno |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod algebra;
mod error;
mod estimates;
mod frames;
pub mod leak;
mod model;
mod pprof;
mod process;
pub mod report;
mod sampling_law;
mod special_functions;
mod symbolize;
#[cfg(any(test, feature = "testing"))]
#[doc(hidden)]
pub mod testing;
mod text;

pub use algebra::{Filter, Filtered, Merge};
pub use error::{Error, Result};
pub use estimates::{Estimate, Population};
pub use frames::Trim;
pub use model::{
    Frame, Function, FunctionId, Label, LabelValue, Line, Location, LocationId, Mapping, MappingId,
    Profile, Sample, SampleType, ValueType,
};
pub use process::Process;
pub use symbolize::SymbolLine;

/// What heaptide's other packages use. It may change in any release.
#[doc(hidden)]
pub mod internal {
    pub use crate::frames::{DROP_FRAMES, trim};
    pub use crate::model::heap::{BYTES_LABEL, INTERVAL_LABEL, SAMPLE_TYPES};
    pub use crate::report::{ReportColumn, address_name, clean};
    /// The one formula of the sampling law, which the recording side weighs samples by.
    pub mod sampling_law {
        pub use crate::sampling_law::probability;
    }
    pub use crate::symbolize::lines;
    pub use crate::text::{json, printable::printable, units};
}
