//! The command line: the list of the commands.
//!
//! `report_args` and `file_args` have the arguments of each, and `options` those of several. All of
//! them are reached through this module.
//!
//! Text is checked there as far as possible without a file. Nothing there has an effect.

mod file_args;
mod file_help;
pub(crate) mod filter;
mod help;
mod labels;
mod options;
mod report_args;
mod report_help;
pub(crate) mod selection;
pub(crate) mod view_args;

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use self::{
    file_args::{
        CompletionsArgs, ConvertArgs, FetchArgs, Format, FramesToKeep, MergeArgs, SymbolizeArgs,
    },
    options::{
        Counted, FilterArgs, NodeKind, Nodes, NumberArgs, Profiles, ReportArgs, RowGranularity,
    },
    report_args::{
        DiffArgs, FailOn, FlamegraphArgs, InfoArgs, LeaksArgs, ListArgs, PeekArgs, TopArgs,
        TracesArgs, TreeArgs, WatchArgs,
    },
};

/// Reads heap profiles: who holds the memory, what has grown, and what leaks.
#[derive(Debug, Parser)]
#[command(name = "heaptide", version, after_help = help::MAIN, max_term_width = 80)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// When to color what is written to standard output; auto does on a terminal, unless NO_COLOR
    /// is set
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
    Top(TopArgs),
    /// Show what has grown and what has shrunk from one profile to another
    Diff(DiffArgs),
    /// Show functions with their callers and callees
    Tree(TreeArgs),
    /// Show the callers and callees of the functions that match
    Peek(PeekArgs),
    /// Show every sample with its call stack
    Traces(TracesArgs),
    /// Show the source code of the functions that match, line by line
    List(ListArgs),
    /// Find what keeps growing, over two or more snapshots of one process
    Leaks(LeaksArgs),
    /// Draw a flame graph, as SVG
    Flamegraph(FlamegraphArgs),
    /// Save a profile from a URL
    Fetch(FetchArgs),
    /// Show again and again what has grown since the start
    Watch(WatchArgs),
    /// Describe a profile, and what it lacks
    Info(InfoArgs),
    /// Give names to a raw profile, from binaries and debug files
    Symbolize(SymbolizeArgs),
    /// Write a profile in another format
    Convert(ConvertArgs),
    /// Add profiles up into one
    Merge(MergeArgs),
    /// Write the completions of a shell
    Completions(CompletionsArgs),
    /// Write the manual page
    #[command(after_help = file_help::MAN)]
    Man,
}
