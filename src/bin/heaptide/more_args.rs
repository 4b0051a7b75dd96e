//! The arguments of the commands that convert, symbolize and watch.
//!
//! Apart from `args`, which has those of the reports; the rules are the same.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::{args::Counted, more_help as help};

#[derive(Args, Debug)]
#[command(after_help = help::SYMBOLIZE)]
pub(crate) struct Symbolize {
    /// The profile; of a folder its newest
    pub(crate) profile: PathBuf,
    /// The file to write; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// An executable, library or debug file that may be one of the profile's
    /// (repeat for several); it is used if its build id is
    #[arg(long = "binary", value_name = "FILE")]
    pub(crate) binaries: Vec<PathBuf>,
    /// A folder of files: .build-id/xx/yyyy.debug, or ID/NAME, xx/yyyy.debug or
    /// NAME as in PPROF_BINARY_PATH, which is looked in too
    #[arg(long = "debug-dir", value_name = "DIR")]
    pub(crate) debug_dirs: Vec<PathBuf>,
    /// A debuginfod server (http://) or the folder of its cache
    /// [default: DEBUGINFOD_URLS]
    #[arg(long, value_name = "URL|DIR")]
    pub(crate) debuginfod: Vec<String>,
    /// Symbolize again what has names
    #[arg(long)]
    pub(crate) force: bool,
    /// What to leave out at the leaf of each stack: the allocator's own frames and
    /// those of containers, its own only, or nothing [default: containers for raw
    /// profiles of heaptide, nothing for others]
    #[arg(long, value_name = "WHAT")]
    pub(crate) trim: Option<Frames>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Frames {
    Containers,
    Plumbing,
    Nothing,
}

#[derive(Args, Debug)]
#[command(after_help = help::INFO)]
pub(crate) struct Info {
    /// The profile; of a folder its newest
    pub(crate) profile: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = help::CONVERT)]
pub(crate) struct Convert {
    /// Profiles, which are added up; of a folder its newest
    #[arg(required = true, value_name = "PROFILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The file to write; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The format [default: by the end of the file's name: .pb.gz, .folded,
    /// .speedscope.json, .json]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) to: Option<Format>,
    #[command(flatten)]
    pub(crate) counted: Counted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Pprof,
    Folded,
    Speedscope,
    Json,
}

#[derive(Args, Debug)]
#[command(after_help = help::MERGE)]
pub(crate) struct Merge {
    /// Profiles; of a folder all *.pb.gz
    #[arg(required = true, value_name = "PROFILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The file to write; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = help::WATCH)]
pub(crate) struct Watch {
    /// A URL, as for fetch; or a folder, whose newest snapshot is taken
    #[arg(value_name = "URL|DIR")]
    pub(crate) source: PathBuf,
    /// How long to wait between two looks: 500ms, 5s, 2m
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = interval)]
    pub(crate) every: std::time::Duration,
    /// End after this many looks; the first is the base
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// How many rows to show where output is no terminal; a terminal is filled
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub(crate) nodecount: usize,
    /// Append one block for each look instead of drawing anew
    #[arg(long)]
    pub(crate) plain: bool,
    #[command(flatten)]
    pub(crate) counted: Counted,
}

#[derive(Args, Debug)]
#[command(after_help = help::COMPLETIONS)]
pub(crate) struct Completions {
    pub(crate) shell: clap_complete::Shell,
}

/// A length of time, from a tenth of a second to a day.
fn interval(text: &str) -> Result<std::time::Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let parsed = units.iter().find_map(|(unit, seconds)| {
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        Some(number * seconds)
    });
    let seconds = parsed.ok_or("write a number and a unit: 500ms, 5s, 2m")?;
    if !(0.1..=86_400.0).contains(&seconds) {
        return Err("from 100ms to 24h".into());
    }
    Ok(std::time::Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::interval;
    use std::time::Duration;

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
