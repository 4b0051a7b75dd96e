//! The arguments of the commands that write files.
//!
//! They write profiles, other formats, shell completions and the manual page.
//!
//! The rules are those of `args`. `options` has the arguments that several commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::{args::file_help as help, args::options::Counted};

#[derive(Args, Debug)]
#[command(after_help = help::FETCH)]
pub(crate) struct FetchArgs {
    /// Where the profile is; a URL without a path means /debug/pprof/heap
    pub(crate) url: String,
    /// Ask for the difference over this many seconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: Option<u64>,
    /// The file to write, or the folder to put it into; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = ".")]
    pub(crate) output: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = help::SYMBOLIZE)]
pub(crate) struct SymbolizeArgs {
    /// The profile; for a folder, its newest
    pub(crate) profile: PathBuf,
    /// The file to write; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// An executable, library or debug file that may belong to the profile (repeat for several); it
    /// is used if its build id is in the profile
    #[arg(long = "binary", value_name = "FILE")]
    pub(crate) binaries: Vec<PathBuf>,
    /// A folder of files: .build-id/xx/yyyy.debug, or ID/NAME, xx/yyyy.debug or NAME as in
    /// PPROF_BINARY_PATH, which is also searched
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
    pub(crate) trim: Option<FramesToKeep>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FramesToKeep {
    Containers,
    Allocator,
    Nothing,
}

#[derive(Args, Debug)]
#[command(after_help = help::CONVERT)]
pub(crate) struct ConvertArgs {
    /// Profiles, which are added up; for a folder, its newest
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
pub(crate) struct MergeArgs {
    /// Profiles; for a folder, all its *.pb.gz
    #[arg(required = true, value_name = "PROFILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The file to write; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = help::COMPLETIONS)]
pub(crate) struct CompletionsArgs {
    pub(crate) shell: clap_complete::Shell,
}
