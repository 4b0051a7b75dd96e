//! Compares heaptide with its rivals on the same work; see docs/overhead.md.

use clap::Parser;
use heaptide_rivals::{
    compare::{build, clock, contender, contender::Contender, count, gate, table},
    workload::Workload,
};
use std::{path::PathBuf, process::ExitCode};

/// Counts and times the same work on heaptide and its rivals, and prints Markdown tables
#[derive(Parser)]
struct Arguments {
    /// Only count, for heaptide and bare jemalloc, and fail above the promised figures
    #[arg(long)]
    gate: bool,
    /// How many seeds each count is the mean of
    #[arg(long, default_value_t = 2)]
    seeds: u64,
    /// How many rounds are timed
    #[arg(long, default_value_t = 9)]
    rounds: u64,
    /// Only these workloads, by name
    #[arg(long, value_delimiter = ',', value_parser = workload)]
    workloads: Vec<Workload>,
    /// Only contenders that have one of these in their title, beside the baseline
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// A file in which the tables are put, between its marks
    #[arg(long)]
    write: Option<PathBuf>,
}

fn workload(name: &str) -> Result<Workload, String> {
    Workload::from_name(name).ok_or_else(|| {
        let names = Workload::ALL.map(Workload::name).join(", ");
        format!("the workloads are {names}")
    })
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = if arguments.gate {
        gate::gate(arguments.seeds)
    } else {
        compare(&arguments)
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn compare(arguments: &Arguments) -> Result<(), String> {
    let only = &arguments.only;
    let wanted = |title: &str| only.is_empty() || only.iter().any(|part| title.contains(part));
    let rivals = contender::ALL.iter().skip(1);
    let rivals = rivals.filter(|contender| wanted(contender.title));
    let contenders: Vec<Contender> = [contender::BASELINE]
        .into_iter()
        .chain(rivals.copied())
        .collect();
    let workloads = match arguments.workloads.as_slice() {
        [] => Workload::ALL.to_vec(),
        some => some.to_vec(),
    };
    build::build(&contenders)?;

    let counted = count::count(&contenders, &workloads, arguments.seeds)?;
    let timed = clock::time(&contenders, &workloads, arguments.rounds)?;
    let rows = contenders.len();
    let tables = format!(
        "### Instructions\n\n{}\n### Time\n\n{}\n### Peak memory\n\n{}",
        table::counts(&counted, rows),
        table::times(&timed, rows),
        table::peaks(&timed, rows),
    );
    println!("{tables}");
    match &arguments.write {
        Some(file) => table::put(&tables, file),
        None => Ok(()),
    }
}
