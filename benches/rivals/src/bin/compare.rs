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
    /// How many seeds each count is the mean of; 0 counts nothing
    #[arg(long, default_value_t = 2)]
    seeds: u64,
    /// How many rounds are timed; 0 times nothing, and has no memory either
    #[arg(long, default_value_t = 9)]
    rounds: u64,
    /// Only these workloads, by name
    #[arg(long, value_delimiter = ',', value_parser = workload)]
    workloads: Vec<Workload>,
    /// Only contenders that have one of these in their title, beside the baseline
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// A file in which each table replaces that under its heading, between the file's marks
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

    let rows = contenders.len();
    let mut tables = Vec::new();
    if arguments.seeds > 0 {
        let counted = count::count(&contenders, &workloads, arguments.seeds)?;
        tables.push(("Instructions", table::counts(&counted, rows)));
    }
    if arguments.rounds > 0 {
        let timed = clock::time(&contenders, &workloads, arguments.rounds)?;
        tables.push(("Time", table::times(&timed, rows)));
        tables.push(("Peak memory", table::peaks(&timed, rows)));
    }
    for (title, table) in &tables {
        println!("### {title}\n\n{table}");
    }
    match &arguments.write {
        Some(file) => table::put(&tables, file),
        None => Ok(()),
    }
}
