//! Answers for people, from any profile: who holds the memory, and what has changed.
//!
//! A report is computed once as plain data ([`Top`], [`Diff`], [`Folded`]) and then written as text with
//! the choices of [`Text`], or drawn. Reports return values; nothing here prints, reads files or knows
//! where a profile came from.

mod diff;
#[cfg(feature = "flamegraph")]
mod flamegraph;
mod folded;
mod header;
mod names;
mod text;
mod top;
mod value;

pub use diff::Diff;
#[cfg(feature = "flamegraph")]
pub use flamegraph::write_flamegraph;
pub use folded::{Folded, folded};
pub use names::shorten;
pub use text::Text;
pub use top::{Inlined, Top, TopRow};
