//! How values are written: as JSON, for a terminal, and with units for people.

pub mod json;
pub(crate) mod printable;
pub mod units;
