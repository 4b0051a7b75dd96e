//! The arguments of the reports.
//!
//! The rules are those of `args`. `options` has the arguments that several commands share.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use crate::{
    args::options::{Counted, FilterArgs, Nodes, NumberArgs, Profiles, ReportArgs, rows, share},
    args::report_help as help,
};

#[derive(Args, Debug)]
#[command(after_help = help::TOP)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    pub(crate) profiles: Profiles,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Args, Debug)]
#[command(after_help = help::DIFF)]
pub(crate) struct DiffArgs {
    /// The earlier profile; or a folder, whose oldest and newest are compared
    pub(crate) base: PathBuf,
    /// The later profile; may be left out after a folder
    pub(crate) new: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Args, Debug)]
#[command(after_help = help::TREE)]
pub(crate) struct TreeArgs {
    #[command(flatten)]
    pub(crate) profiles: Profiles,
    #[command(flatten)]
    pub(crate) counted: Counted,
    /// How many nodes to show; 0 shows all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 80, value_parser = rows)]
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
    pub(crate) numbers: NumberArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Args, Debug)]
#[command(after_help = help::PEEK)]
pub(crate) struct PeekArgs {
    /// The functions to show
    pub(crate) regex: String,
    #[command(flatten)]
    pub(crate) profiles: Profiles,
    #[command(flatten)]
    pub(crate) counted: Counted,
    #[command(flatten)]
    pub(crate) nodes: Nodes,
    #[command(flatten)]
    pub(crate) numbers: NumberArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Args, Debug)]
#[command(after_help = help::TRACES)]
pub(crate) struct TracesArgs {
    #[command(flatten)]
    pub(crate) profiles: Profiles,
    #[command(flatten)]
    pub(crate) counted: Counted,
    /// Show file and line of each frame
    #[arg(long)]
    pub(crate) lines: bool,
    #[command(flatten)]
    pub(crate) numbers: NumberArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Args, Debug)]
#[command(after_help = help::LIST)]
pub(crate) struct ListArgs {
    /// The functions to show
    pub(crate) regex: String,
    #[command(flatten)]
    pub(crate) profiles: Profiles,
    #[command(flatten)]
    pub(crate) counted: Counted,
    /// Folders to search for source files, with all folders above them; several are separated as in
    /// PATH [default: the current folder]
    #[arg(long, alias = "source_path", value_name = "PATHS")]
    pub(crate) source_path: Option<OsString>,
    /// What to take off the front of the source files' paths; several are separated as in PATH
    #[arg(long, alias = "trim_path", value_name = "PATHS")]
    pub(crate) trim_path: Option<OsString>,
    #[command(flatten)]
    pub(crate) numbers: NumberArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Args, Debug)]
#[command(after_help = help::LEAKS)]
pub(crate) struct LeaksArgs {
    /// Snapshots of one process, in any order; for a folder, all its *.pb.gz
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
pub(crate) struct FlamegraphArgs {
    /// Profiles, which are added up; for a folder, its newest
    #[arg(required = true, value_name = "PROFILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Color by what has changed since this profile
    #[arg(long, aliases = ["diff-base", "diff_base"], value_name = "PROFILE")]
    pub(crate) base: Option<PathBuf>,
    /// The file to write; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) counted: Counted,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

#[derive(Args, Debug)]
#[command(after_help = help::WATCH)]
pub(crate) struct WatchArgs {
    /// A URL, as for fetch; or a folder, whose newest snapshot is taken
    #[arg(value_name = "URL|DIR")]
    pub(crate) source: PathBuf,
    /// How long to wait between two looks: 500ms, 5s, 2m
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = interval)]
    pub(crate) every: Duration,
    /// End after this many looks; the first is the base
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// How many rows to show if output is not a terminal, 0 for all; a terminal is filled
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = rows)]
    pub(crate) nodecount: usize,
    /// Append one block for each look instead of drawing anew
    #[arg(long)]
    pub(crate) plain: bool,
    #[command(flatten)]
    pub(crate) counted: Counted,
}

#[derive(Args, Debug)]
#[command(after_help = help::INFO)]
pub(crate) struct InfoArgs {
    /// The profile; for a folder, its newest
    pub(crate) profile: PathBuf,
}

/// A length of time, from a tenth of a second to a day.
fn interval(text: &str) -> Result<Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let parsed = units.iter().find_map(|(unit, seconds)| {
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        Some(number * seconds)
    });
    let seconds = parsed.ok_or("write a number and a unit: 500ms, 5s, 2m")?;
    if !(0.1..=86_400.0).contains(&seconds) {
        return Err("from 100ms to 24h".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::{Duration, interval};

    #[test]
    fn intervals_have_a_unit_and_bounds() {
        assert_eq!(interval("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(interval("1.5 s"), Ok(Duration::from_millis(1500)));
        assert_eq!(interval("24h"), Ok(Duration::from_secs(86_400)));
        for text in ["5", "s", "", "50ms", "25h", "-1s", "nans", "infs", "5 d"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }
}
