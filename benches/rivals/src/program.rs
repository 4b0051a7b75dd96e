//! The main function of every program under test: `PROGRAM WORKLOAD OPERATIONS SEED`.
//!
//! It prints the seconds of the work, the peak memory of the process, and a checksum, so that the
//! compiler cannot remove the work.

use crate::workload::Workload;
use std::{env, fs, process::ExitCode, time::Instant};

/// Runs the workload that the arguments name and prints what it took.
pub fn main(run: impl FnOnce(Workload, u64, u64) -> u64) -> ExitCode {
    match measure(run) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn measure(run: impl FnOnce(Workload, u64, u64) -> u64) -> Result<String, String> {
    let usage = "the arguments are a workload, its operations and a seed";
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [workload, operations, seed] = arguments.as_slice() else {
        return Err(usage.to_owned());
    };
    let workload = Workload::from_name(workload).ok_or("no such workload")?;
    let operations = operations.parse().map_err(|_| usage)?;
    let seed = seed.parse().map_err(|_| usage)?;
    let start = Instant::now();
    let checksum = run(workload, operations, seed);
    let seconds = start.elapsed().as_secs_f64();
    if checksum == 0 {
        return Err("the work came to nothing".to_owned());
    }
    Ok(format!("{seconds} {} {checksum}", peak_kib()?))
}

/// The peak memory of this process in KiB. `getrusage` would start with the parent's.
fn peak_kib() -> Result<u64, String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|e| e.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| "no VmHWM in /proc/self/status".to_owned())
}
