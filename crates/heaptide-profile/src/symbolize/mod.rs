//! Puts function names and source lines for addresses into a profile.
//!
//! `offline` names the addresses of a profile from another process. Its caller reads the files.
//! `lines` is shared with the symbolizer of a running process, so that both write the same.

pub mod lines;
mod offline;

pub use offline::SymbolLine;
