//! Profiles as people look at them.
//!
//! Each form is a file of its own over [`Profile`](crate::Profile). Nothing here changes a profile
//! or judges it.

#[cfg(feature = "flamegraph")]
mod flamegraph;
mod folded;

#[cfg(feature = "flamegraph")]
pub use flamegraph::write_flamegraph;
pub use folded::{Folded, folded};
