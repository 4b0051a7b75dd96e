//! The steps of `compare`: build, count, time and print.

pub mod build;
pub mod clock;
pub mod contender;
pub mod count;
pub mod gate;
pub mod run;
pub mod table;
