//! Names for the addresses of a profile: what was found for them, put into its tables.
//!
//! `offline` gives names to a profile from another process, from what its caller found in files.
//! `lines` is shared with the symbolizer of a running process, so that both write the same.

pub mod lines;
mod offline;

pub use offline::SymbolLine;
