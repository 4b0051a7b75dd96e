//! The command line: what can be asked, and the help that says so.
//!
//! Text is checked here as far as it can be without a file; nothing here has an effect.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const AFTER_HELP: &str = "\
Examples:
  heaptide top heap.pb.gz
  heaptide top --sample-index alloc_space -n 0 heap.pb.gz
  heaptide diff before.pb.gz after.pb.gz
  curl -s localhost:6060/debug/pprof/heap | heaptide diff before.pb.gz -

Profiles are pprof files, gzipped or plain, of this profiler, of Go, or of any other.";

const AFTER_TOP: &str = "\
Examples:
  heaptide top heap.pb.gz
  heaptide top --sample-index alloc_objects -n 50 heap.pb.gz
  heaptide top --exact -n 0 heap.pb.gz > top.txt
  curl -s localhost:6060/debug/pprof/heap | heaptide top -

Columns: flat is what the function itself holds, cum what it and all it calls hold; sum% adds up
flat% from the top. ± is one standard error of sampling; the truth lies within two of it 95 times in
100 where samples are many. The numbers are those of `go tool pprof -top -nodefraction=0`.";

const AFTER_DIFF: &str = "\
Examples:
  heaptide diff before.pb.gz after.pb.gz
  heaptide diff --sample-index inuse_objects -n 0 before.pb.gz after.pb.gz
  curl -s localhost:6060/debug/pprof/heap | heaptide diff before.pb.gz -

Growth is positive. Percentages are of the base's total. ± is one standard error of sampling, for two
profiles of one process. The numbers are those of
`go tool pprof -top -nodefraction=0 -diff_base BASE NEW`.";

/// Reads heap profiles: who holds the memory, and what has grown.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the functions that hold the most.
    Top(Top),
    /// Show what has grown and what has shrunk from one profile to another.
    Diff(Diff),
}

#[derive(Args, Debug)]
#[command(after_help = AFTER_TOP)]
pub(crate) struct Top {
    /// The profile; `-` reads it from standard input.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) report: Report,
}

#[derive(Args, Debug)]
#[command(after_help = AFTER_DIFF)]
pub(crate) struct Diff {
    /// The profile from before; `-` reads it from standard input.
    pub(crate) base: PathBuf,
    /// The profile from after; `-` reads it from standard input.
    pub(crate) new: PathBuf,
    #[command(flatten)]
    pub(crate) report: Report,
}

/// What all reports can be asked.
#[derive(Args, Debug)]
pub(crate) struct Report {
    /// What to count: inuse_space, inuse_objects, alloc_space, alloc_objects, or what else the
    /// profile has [default: the profile's own].
    #[arg(
        long,
        value_name = "TYPE",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) sample_index: String,
    /// How many functions to show; 0 shows all.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub(crate) rows: usize,
    /// Show plain numbers, in bytes and counts.
    #[arg(long)]
    pub(crate) exact: bool,
    /// Shorten function names to type and function.
    #[arg(long)]
    pub(crate) short_names: bool,
    /// Leave out the standard errors.
    #[arg(long)]
    pub(crate) no_error: bool,
}
