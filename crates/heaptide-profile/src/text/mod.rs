//! Formats for values: JSON, text for a terminal, and numbers with units.

pub mod json;
pub(crate) mod printable;
pub mod units;
