//! Classes of frames, and the rules for which frames of a stack are shown.
//!
//! `frame_class` decides about one function, `trim` cuts the leaves of stacks by it, and
//! `drop_frames` says the same as a regular expression of names.

mod drop_frames;
mod frame_class;
mod trim;

pub use drop_frames::DROP_FRAMES;
pub(crate) use frame_class::is_standard_library;
pub use trim::{Trim, trim};
