//! The command line: what can be asked, and the help that says so.
//!
//! Text is checked here as far as it can be without a file; nothing here has an effect. Options that
//! `pprof` has too have its names, and its spelling with an underscore is understood.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use heaptide::report::Unit;

use crate::{help, more_args, more_help};

/// Reads heap profiles: who holds the memory, what has grown, and what leaks.
#[derive(Debug, Parser)]
#[command(version, after_help = help::MAIN, max_term_width = 80)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// When to color what is written to standard output; auto does on a terminal,
    /// unless NO_COLOR is set
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        display_order = 900
    )]
    pub(crate) color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what holds the most
    Top(Top),
    /// Show what has grown and what has shrunk from one profile to another
    Diff(Diff),
    /// Find what keeps growing, over two or more snapshots of one process
    Leaks(Leaks),
    /// Draw a flame graph, as SVG
    Flamegraph(Flamegraph),
    /// Save a profile from a URL
    Fetch(Fetch),
    /// Show again and again what has grown since the start
    Watch(more_args::Watch),
    /// Say what a profile is of, and what it lacks
    Info(more_args::Info),
    /// Give names to a profile without, from binaries and debug files
    Symbolize(more_args::Symbolize),
    /// Write a profile in another format
    Convert(more_args::Convert),
    /// Add profiles up into one
    Merge(more_args::Merge),
    /// Write the completions of a shell
    Completions(more_args::Completions),
    /// Write the manual page
    #[command(after_help = more_help::MAN)]
    Man,
}

#[derive(Args, Debug)]
#[command(after_help = help::TOP)]
pub(crate) struct Top {
    /// Profiles, which are added up; of a folder its newest
    #[arg(required = true, value_name = "PROFILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Subtract this profile; 100 % is the sum of all differences
    #[arg(long, value_name = "PROFILE", conflicts_with = "diff_base")]
    pub(crate) base: Option<PathBuf>,
    /// Subtract this profile; 100 % is its total
    #[arg(long, alias = "diff_base", value_name = "PROFILE")]
    pub(crate) diff_base: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) report: Report,
}

#[derive(Args, Debug)]
#[command(after_help = help::DIFF)]
pub(crate) struct Diff {
    /// The profile from before; or a folder, whose oldest and newest are compared
    pub(crate) base: PathBuf,
    /// The profile from after; may be left out after a folder
    pub(crate) new: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) report: Report,
}

#[derive(Args, Debug)]
#[command(after_help = help::LEAKS)]
pub(crate) struct Leaks {
    /// Snapshots of one process, in any order; of a folder all *.pb.gz
    #[arg(required = true, value_name = "PROFILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Write the verdict as JSON, for programs
    #[arg(long, conflicts_with = "whole_stacks")]
    pub(crate) json: bool,
    /// Exit with 1 if this is found
    #[arg(long, value_name = "WHAT")]
    pub(crate) fail_on: Option<FailOn>,
    /// Show every frame of a leaking stack
    #[arg(long)]
    pub(crate) whole_stacks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    Leak,
}

#[derive(Args, Debug)]
#[command(after_help = help::FLAMEGRAPH)]
pub(crate) struct Flamegraph {
    /// Profiles, which are added up; of a folder its newest
    #[arg(required = true, value_name = "PROFILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Color by what has changed since this profile
    #[arg(long, aliases = ["diff-base", "diff_base"], value_name = "PROFILE")]
    pub(crate) base: Option<PathBuf>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) counted: Counted,
    #[command(flatten)]
    pub(crate) filter: Filter,
}

#[derive(Args, Debug)]
#[command(after_help = help::FETCH)]
pub(crate) struct Fetch {
    /// Where the profile is; a URL without a path means /debug/pprof/heap
    pub(crate) url: String,
    /// Ask for the difference over this many seconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: Option<u64>,
    /// The file to write, or the folder to put it into; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = ".")]
    pub(crate) output: PathBuf,
}

/// What is counted.
#[derive(Args, Debug)]
pub(crate) struct Counted {
    /// What to count: inuse_space, inuse_objects, alloc_space, alloc_objects, or
    /// what else the profile has [default: the profile's own]
    #[arg(
        long,
        alias = "sample_index",
        value_name = "TYPE",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) sample_index: String,
}

/// What all tables can be asked.
#[derive(Args, Debug)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) counted: Counted,
    /// How many rows to show; 0 shows all
    #[arg(
        short = 'n',
        long,
        alias = "rows",
        value_name = "N",
        default_value_t = 20
    )]
    pub(crate) nodecount: usize,
    /// Sort by cum instead of flat
    #[arg(long)]
    pub(crate) cum: bool,
    /// What a row is
    #[arg(long, value_name = "WHAT", default_value = "functions")]
    pub(crate) granularity: Granularity,
    /// The same as --granularity lines
    #[arg(long, conflicts_with_all = ["granularity", "stacks"])]
    pub(crate) lines: bool,
    /// The same as --granularity stacks
    #[arg(long, conflicts_with = "granularity")]
    pub(crate) stacks: bool,
    /// Show every frame of a stack
    #[arg(long)]
    pub(crate) whole_stacks: bool,
    /// Write bytes in this unit: auto, B, KiB, MiB, GiB, TiB
    #[arg(long, default_value = "auto")]
    pub(crate) unit: Unit,
    /// Show plain numbers, in bytes and counts
    #[arg(long, conflicts_with = "unit")]
    pub(crate) exact: bool,
    /// Shorten function names to type and function
    #[arg(long)]
    pub(crate) short_names: bool,
    /// Leave out the standard errors
    #[arg(long)]
    pub(crate) no_error: bool,
    #[command(flatten)]
    pub(crate) filter: Filter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Granularity {
    Functions,
    Lines,
    Stacks,
}

/// Which stacks and frames to look at.
#[derive(Args, Debug)]
#[command(next_help_heading = "Filters")]
pub(crate) struct Filter {
    /// Keep only stacks with a function or file that matches
    #[arg(long, value_name = "REGEX")]
    pub(crate) focus: Option<String>,
    /// Leave out stacks with a function or file that matches
    #[arg(long, value_name = "REGEX")]
    pub(crate) ignore: Option<String>,
    /// Take frames that match off all stacks
    #[arg(long, value_name = "REGEX")]
    pub(crate) hide: Option<String>,
    /// Take all frames off the stacks but those that match
    #[arg(long, value_name = "REGEX")]
    pub(crate) show: Option<String>,
    /// Keep only samples with such a label: REGEX, KEY=REGEX, or a range as in
    /// bytes=1KiB:64KiB, 4MiB: or :512B
    #[arg(long, value_name = "LABEL")]
    pub(crate) tagfocus: Option<String>,
    /// Leave out samples with such a label
    #[arg(long, value_name = "LABEL")]
    pub(crate) tagignore: Option<String>,
}
