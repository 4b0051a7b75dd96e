//! The command line: what can be asked, and the help that says so.
//!
//! Text is checked here as far as it can be without a file; nothing here has an effect. What several
//! commands can be asked is in `options`.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use crate::options::{
    Counted, Filter, Granularity, NodeKind, Nodes, Numbers, Profiles, Report,
};
use crate::{help, more_args, more_help, options::share};

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
    /// Show functions with their callers and callees
    Tree(Tree),
    /// Show the callers and callees of the functions that match
    Peek(Peek),
    /// Show every sample with its call stack
    Traces(Traces),
    /// Show the source code of the functions that match, line by line
    List(List),
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
    #[command(flatten)]
    pub(crate) profiles: Profiles,
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
#[command(after_help = help::TREE)]
pub(crate) struct Tree {
    #[command(flatten)]
    pub(crate) profiles: Profiles,
    #[command(flatten)]
    pub(crate) counted: Counted,
    /// How many nodes to show; 0 shows all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 80)]
    pub(crate) nodecount: usize,
    /// Leave out nodes whose cum is below this share of the total, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.005, value_parser = share)]
    pub(crate) nodefraction: f64,
    /// Leave out calls that carry less than this share of the total, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.001, value_parser = share)]
    pub(crate) edgefraction: f64,
    #[command(flatten)]
    pub(crate) nodes: Nodes,
    #[command(flatten)]
    pub(crate) numbers: Numbers,
    #[command(flatten)]
    pub(crate) filter: Filter,
}

#[derive(Args, Debug)]
#[command(after_help = help::PEEK)]
pub(crate) struct Peek {
    /// The functions to show
    pub(crate) regex: String,
    #[command(flatten)]
    pub(crate) profiles: Profiles,
    #[command(flatten)]
    pub(crate) counted: Counted,
    #[command(flatten)]
    pub(crate) nodes: Nodes,
    #[command(flatten)]
    pub(crate) numbers: Numbers,
    #[command(flatten)]
    pub(crate) filter: Filter,
}

#[derive(Args, Debug)]
#[command(after_help = help::TRACES)]
pub(crate) struct Traces {
    #[command(flatten)]
    pub(crate) profiles: Profiles,
    #[command(flatten)]
    pub(crate) counted: Counted,
    /// Show file and line of each frame
    #[arg(long)]
    pub(crate) lines: bool,
    #[command(flatten)]
    pub(crate) numbers: Numbers,
    #[command(flatten)]
    pub(crate) filter: Filter,
}

#[derive(Args, Debug)]
#[command(after_help = help::LIST)]
pub(crate) struct List {
    /// The functions to show
    pub(crate) regex: String,
    #[command(flatten)]
    pub(crate) profiles: Profiles,
    #[command(flatten)]
    pub(crate) counted: Counted,
    /// Folders to look for source files in, and in all folders above them;
    /// several are separated as in PATH [default: the current folder]
    #[arg(long, alias = "source_path", value_name = "PATHS")]
    pub(crate) source_path: Option<OsString>,
    /// What to take off the front of the source files' paths; several are
    /// separated as in PATH
    #[arg(long, alias = "trim_path", value_name = "PATHS")]
    pub(crate) trim_path: Option<OsString>,
    #[command(flatten)]
    pub(crate) numbers: Numbers,
    #[command(flatten)]
    pub(crate) filter: Filter,
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
