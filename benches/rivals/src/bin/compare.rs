//! Compares heaptide with its rivals on the same work; see docs/overhead.md.

use clap::Parser;
use heaptide_rivals::compare::gate;
use std::process::ExitCode;

/// Counts and times the same work on heaptide and its rivals.
#[derive(Parser)]
struct Arguments {
    /// Only heaptide against bare jemalloc, and fail above the promised figures
    #[arg(long)]
    gate: bool,
    /// How many seeds each figure is the mean of
    #[arg(long, default_value_t = 2)]
    seeds: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match gate::gate(arguments.seeds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
