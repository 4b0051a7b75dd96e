//! What `compare` does: build, count, time, tell.

pub mod build;
pub mod contender;
pub mod count;
pub mod gate;
pub mod run;
