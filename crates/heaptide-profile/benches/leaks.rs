//! Measures the time and memory of leak detection over a thousand snapshots of two thousand stacks.
//!
//! ```text
//! cargo bench --bench leaks
//! cargo bench --bench leaks -- 200 20000
//! ```
//!
//! Each snapshot is made, written to bytes, read back and added, as the command does with files.
//! Making and writing are not counted. Times are processor times, so that other work on the machine
//! does not count. The bench also serves as a check: it fails above 10 s or 500 MB, or if it does
//! not find the leak in the snapshots.

use heaptide_profile::Profile;
use heaptide_profile::{
    Function, FunctionId, Label, LabelValue, Line, Location, LocationId, Mapping, Sample,
    ValueType, leak::LeakDetector,
};
use std::{collections::BTreeMap, env, fs, process::ExitCode, time::Duration};

const DEPTH: usize = 40;
/// The number of functions on the stacks.
const FUNCTIONS: usize = 5_000;
/// Call sites in each of them.
const SITES: usize = 4;
const MIB: i64 = 1 << 20;
const MOST_TIME: Duration = Duration::from_secs(10);
const MOST_MEMORY: u64 = 500_000_000;

/// A service's snapshot: stacks that share their roots, each of two size groups; stack 7 leaks, a
/// quarter of the others churn, and the rest stand still.
fn snapshot(number: i64, stacks: usize) -> Profile {
    let kinds = [
        "alloc_objects",
        "alloc_space",
        "inuse_objects",
        "inuse_space",
    ];
    // As in real profiles, the tables hold only functions that are on a stack.
    let mut locations: BTreeMap<usize, usize> = BTreeMap::new();
    let mut functions: BTreeMap<usize, usize> = BTreeMap::new();
    let mut profile = Profile {
        sample_types: kinds.map(|kind| ValueType::new(kind, "")).to_vec(),
        mappings: vec![Mapping::default()],
        time_nanos: (number + 1) * 60_000_000_000,
        period: 512 * 1024,
        ..Profile::default()
    };
    for stack in 0..stacks {
        let path = (0..DEPTH).filter_map(|depth| {
            let site = site(stack, DEPTH - depth);
            let next = functions.len();
            let function = *functions.entry(site / SITES).or_insert(next);
            if function == next {
                profile.functions.push(named(site / SITES));
            }
            let next = locations.len();
            let location = *locations.entry(site).or_insert(next);
            if location == next {
                profile.locations.push(Location {
                    address: 0x1000 + site as u64 * 16,
                    lines: FunctionId::new(function)
                        .map(|function| Line {
                            function,
                            line: 10 + (site % SITES) as i64,
                            column: 0,
                        })
                        .into_iter()
                        .collect(),
                    ..Location::default()
                });
            }
            LocationId::new(location)
        });
        let path: Vec<LocationId> = path.collect();
        profile.samples.extend([1_024, 16_384].map(|block| Sample {
            locations: path.clone(),
            values: values(stack, number, block),
            labels: vec![Label {
                key: "bytes".into(),
                value: LabelValue::Number {
                    value: block,
                    unit: "bytes".into(),
                },
            }],
        }));
    }
    profile
}

fn named(function: usize) -> Function {
    Function {
        name: format!("service::module_{}::function_{function}", function % 97).into(),
        system_name: format!("_RNvNtCs4_7service6module8function{function}").into(),
        file: format!("/build/service/src/module_{}.rs", function % 97).into(),
        start_line: 1,
    }
}

/// The call site at a depth. There are fewer different ones near the root.
fn site(stack: usize, depth: usize) -> usize {
    let shared = (DEPTH - depth).min(11);
    let different = (stack >> shared).wrapping_mul(2_654_435_761);
    different.wrapping_add(depth * 8_191) % (FUNCTIONS * SITES)
}

fn values(stack: usize, number: i64, block: i64) -> Vec<i64> {
    let (allocated, live) = match stack % 4 {
        _ if stack == 7 => ((number + 1) * MIB, (number + 1) * MIB),
        // This stack churns: its size differs a little each time.
        0 => {
            let wobble = (number * 7_919 + stack as i64 * 31) % 5;
            ((number + 1) * 20 * MIB, (4 + wobble) * MIB)
        }
        _ => (2 * MIB, 2 * MIB),
    };
    vec![allocated / block, allocated, live / block, live]
}

/// The most memory this process ever had, in bytes.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1_024)
}

/// Time that this thread has spent on a processor.
fn busy() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    let nanos = text
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok());
    Duration::from_nanos(nanos.expect("a number comes first"))
}

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let mut numbers = env::args().filter_map(|argument| argument.parse::<usize>().ok());
    let snapshots = numbers.next().unwrap_or(1_000);
    let stacks = numbers.next().unwrap_or(2_000);
    let (mut reading, mut adding) = (Duration::ZERO, Duration::ZERO);
    let mut detector = LeakDetector::new();
    for number in 0..snapshots as i64 {
        let mut bytes = Vec::new();
        snapshot(number, stacks)
            .write(&mut bytes)
            .expect("it is valid");
        let start = busy();
        let profile = Profile::read(&bytes).expect("what was written");
        reading += busy() - start;
        let start = busy();
        detector.add(&profile).expect("of one process");
        adding += busy() - start;
    }
    let start = busy();
    let verdict = detector.verdict().expect("more than two");
    let judging = busy() - start;
    let memory = peak_memory().expect("/proc/self/status has VmHWM");
    let total = reading + adding + judging;
    println!(
        "{snapshots} snapshots of {stacks} stacks in {total:.2?}: read {reading:.2?}, lined up \
         {adding:.2?}, judged {judging:.2?}; {} MB at most",
        memory / 1_000_000
    );
    let found = verdict
        .leaks
        .iter()
        .map(|leak| leak.trend.inuse_space.last());
    let is_found = found.eq([Some(&(2 * snapshots as i64 * MIB))]);
    if is_found && total < MOST_TIME && memory < MOST_MEMORY {
        return ExitCode::SUCCESS;
    }
    eprintln!("more than {MOST_TIME:?} or {MOST_MEMORY} bytes, or not the one leak:\n{verdict}");
    ExitCode::FAILURE
}
