//! What `compare` does: build, count, time, tell.

pub mod build;
pub mod clock;
pub mod contender;
pub mod count;
pub mod gate;
pub mod run;
pub mod table;
