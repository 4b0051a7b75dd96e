//! Options that several commands share.
//!
//! They choose the profiles, the sample type, the numbers and names, and the part to look at.
//!
//! Options that `pprof` has too have its names. Its spelling with an underscore is accepted.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use heaptide_profile::report::Unit;

/// The profile that is looked at.
#[derive(Args, Debug)]
pub(crate) struct Profiles {
    /// Profiles, which are added up; for a folder, its newest
    #[arg(required = true, value_name = "PROFILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Subtract this profile; 100 % is the sum of all differences
    #[arg(long, value_name = "PROFILE", conflicts_with = "diff_base")]
    pub(crate) base: Option<PathBuf>,
    /// Subtract this profile; 100 % is its total
    #[arg(long, alias = "diff_base", value_name = "PROFILE")]
    pub(crate) diff_base: Option<PathBuf>,
}

/// What is counted.
#[derive(Args, Debug)]
pub(crate) struct Counted {
    /// What to count: inuse_space, inuse_objects, alloc_space, alloc_objects, or another type of
    /// the profile [default: the profile's own]
    #[arg(
        long,
        alias = "sample_index",
        value_name = "TYPE",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) sample_index: String,
}

/// How numbers and names are written.
#[derive(Args, Debug)]
pub(crate) struct NumberArgs {
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
}

/// What the nodes of a call graph are, and their order.
#[derive(Args, Debug)]
pub(crate) struct Nodes {
    /// Sort by cum instead of flat
    #[arg(long)]
    pub(crate) cum: bool,
    /// What a node is
    #[arg(long, value_name = "WHAT", default_value = "functions")]
    pub(crate) granularity: NodeKind,
    /// The same as --granularity lines
    #[arg(long, conflicts_with = "granularity")]
    pub(crate) lines: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NodeKind {
    Functions,
    Lines,
}

/// The options of all tables.
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) counted: Counted,
    /// How many rows to show; 0 shows all
    #[arg(
        short = 'n',
        long,
        alias = "rows",
        value_name = "N",
        default_value_t = 20,
        value_parser = rows
    )]
    pub(crate) nodecount: usize,
    /// Sort by cum instead of flat
    #[arg(long)]
    pub(crate) cum: bool,
    /// What a row is
    #[arg(long, value_name = "WHAT", default_value = "functions")]
    pub(crate) granularity: RowGranularity,
    /// The same as --granularity lines
    #[arg(long, conflicts_with_all = ["granularity", "stacks"])]
    pub(crate) lines: bool,
    /// The same as --granularity stacks
    #[arg(long, conflicts_with = "granularity")]
    pub(crate) stacks: bool,
    /// Show every frame of a stack
    #[arg(long)]
    pub(crate) whole_stacks: bool,
    #[command(flatten)]
    pub(crate) numbers: NumberArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowGranularity {
    Functions,
    Lines,
    Stacks,
}

/// Which stacks and frames to look at.
#[derive(Args, Debug)]
#[command(next_help_heading = "Filters")]
pub(crate) struct FilterArgs {
    /// Keep only stacks with a function or file that matches
    #[arg(long, value_name = "REGEX")]
    pub(crate) focus: Option<String>,
    /// Leave out stacks with a function or file that matches
    #[arg(long, value_name = "REGEX")]
    pub(crate) ignore: Option<String>,
    /// Take frames that match off all stacks
    #[arg(long, value_name = "REGEX")]
    pub(crate) hide: Option<String>,
    /// Take all frames off the stacks except those that match
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

/// The number of rows.
pub(crate) fn rows(text: &str) -> Result<usize, &'static str> {
    text.parse()
        .map_err(|_not_a_number| "a whole number, or 0 for all")
}

/// A share, from 0 to 1.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to 1".to_owned()),
    }
}
