//! Simulated processes, sampled as real ones are: how many leaks are found, missed and invented.
//!
//! Every block of every run passes one countdown with exponential gaps, so the noise is that of a
//! real program. The seeds are fixed. The bounds say how much worse than measured a change may be
//! before a test fails.

use super::random::SeededRandom;
use crate::Profile;
use crate::leak::{NotAccusedReason, Verdict, find};
use crate::{
    Function, FunctionId, Label, LabelValue, Line, Location, LocationId, Sample, ValueType,
};

const INTERVAL: f64 = 512.0 * 1024.0;
const MIB: f64 = 1024.0 * 1024.0;
const SECONDS: u32 = 60;
const TICKS_PER_SECOND: u32 = 20;

/// How long a block lives.
#[derive(Clone, Copy)]
enum BlockLife {
    Forever,
    /// Seconds until it is evicted, first in, first out: a cache that is full by then.
    Evicted(f64),
    /// Mean seconds, exponentially distributed.
    Random(f64),
    /// Until the next multiple of so many seconds: a buffer that is flushed.
    Flushed(f64),
}

/// A call stack that allocates blocks of up to `block` bytes.
#[derive(Clone, Copy)]
struct SimulatedWorkload {
    name: &'static str,
    block: f64,
    bytes_per_second: f64,
    life: BlockLife,
    /// The second at which it stops allocating.
    until: f64,
}

fn workload(
    name: &'static str,
    block: f64,
    mib_per_second: f64,
    life: BlockLife,
) -> SimulatedWorkload {
    SimulatedWorkload {
        name,
        block,
        bytes_per_second: mib_per_second * MIB,
        life,
        until: f64::INFINITY,
    }
}

/// A service without a leak: six stacks that look like one, and forty quiet stacks.
fn without_leak() -> Vec<SimulatedWorkload> {
    let mut all = vec![
        workload("cache", 8192.0, 4.0, BlockLife::Evicted(15.0)),
        workload("churn", 16384.0, 16.0, BlockLife::Random(0.5)),
        workload("slow_churn", 4096.0, 2.0, BlockLife::Random(4.0)),
        workload("large_churn", MIB, 8.0, BlockLife::Random(2.0)),
        workload("flushed", 16384.0, 16.0, BlockLife::Flushed(7.0)),
        SimulatedWorkload {
            until: 10.0,
            ..workload("warm_up", 4096.0, 3.0, BlockLife::Forever)
        },
    ];
    all.extend([workload("quiet", 2048.0, 0.1, BlockLife::Random(3.0)); 40]);
    all
}

struct SimulatedBlock {
    size: f64,
    weight: f64,
    death: f64,
}

/// Runs the workloads for a minute and takes a profile at the start and after each second.
fn run(workloads: &[SimulatedWorkload], seed: u64) -> Vec<Profile> {
    let mut random = SeededRandom::new(seed);
    let mut left = random.exponential(INTERVAL);
    let mut blocks: Vec<Vec<SimulatedBlock>> = workloads.iter().map(|_| vec![]).collect();
    let mut owed = vec![0.0; workloads.len()];
    let mut count = 0_u32;
    let mut profiles = vec![profile(workloads, &blocks, 0)];
    for tick in 1..=SECONDS * TICKS_PER_SECOND {
        let now = f64::from(tick) / f64::from(TICKS_PER_SECOND);
        for ((workload, sampled), owed) in workloads.iter().zip(&mut blocks).zip(&mut owed) {
            if now > workload.until {
                continue;
            }
            *owed += workload.bytes_per_second / f64::from(TICKS_PER_SECOND);
            while *owed > 0.0 {
                count = count.wrapping_add(1);
                let size = (workload.block * (1.0 - f64::from(count % 16) / 128.0)).floor();
                *owed -= size;
                left -= size;
                if left >= 0.0 {
                    continue;
                }
                left = random.exponential(INTERVAL);
                sampled.push(SimulatedBlock {
                    size,
                    weight: 1.0 / -(-size / INTERVAL).exp_m1(),
                    death: match workload.life {
                        BlockLife::Forever => f64::INFINITY,
                        BlockLife::Evicted(age) => now + age,
                        BlockLife::Random(mean) => now + random.exponential(mean),
                        BlockLife::Flushed(period) => ((now / period).floor() + 1.0) * period,
                    },
                });
            }
        }
        if tick % TICKS_PER_SECOND == 0 {
            profiles.push(profile(workloads, &blocks, tick / TICKS_PER_SECOND));
        }
    }
    profiles
}

/// A profile in which `main` calls each workload, which allocates through the standard library.
fn profile(
    workloads: &[SimulatedWorkload],
    blocks: &[Vec<SimulatedBlock>],
    second: u32,
) -> Profile {
    let kinds = [
        "alloc_objects",
        "alloc_space",
        "inuse_objects",
        "inuse_space",
    ];
    let function = |name: String| Function {
        name: name.into(),
        ..Function::default()
    };
    let mut functions = vec![
        function("main".into()),
        function("alloc::raw_vec::finish_grow".into()),
    ];
    let names = workloads.iter().enumerate();
    functions.extend(names.map(|(i, w)| function(format!("{}_{i}", w.name))));
    let locations = (0..functions.len()).map(|index| Location {
        lines: vec![Line {
            function: FunctionId::new(index).unwrap(),
            line: 7,
            column: 0,
        }],
        ..Location::default()
    });
    let stack = |index| {
        [1, index + 2, 0]
            .map(|i| LocationId::new(i).unwrap())
            .to_vec()
    };
    let samples = workloads.iter().zip(blocks).enumerate();
    Profile {
        sample_types: kinds.map(|kind| ValueType::new(kind, "")).to_vec(),
        samples: samples
            .filter(|(_, (_, blocks))| !blocks.is_empty())
            .map(|(index, (workload, blocks))| Sample {
                locations: stack(index),
                values: sums(blocks, f64::from(second)),
                labels: vec![Label {
                    key: "bytes".into(),
                    value: LabelValue::Number {
                        value: whole(workload.block),
                        unit: "bytes".into(),
                    },
                }],
            })
            .collect(),
        locations: locations.collect(),
        functions,
        time_nanos: i64::from(second + 1) * 1_000_000_000,
        period: whole(INTERVAL),
        ..Profile::default()
    }
}

fn sums(blocks: &[SimulatedBlock], now: f64) -> Vec<i64> {
    let mut sums = [0.0; 4];
    for block in blocks {
        let live = if block.death > now { 1.0 } else { 0.0 };
        let bytes = block.weight * block.size;
        for (sum, part) in
            sums.iter_mut()
                .zip([block.weight, bytes, block.weight * live, bytes * live])
        {
            *sum += part;
        }
    }
    sums.map(whole).to_vec()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "sums of a minute's allocations"
)]
pub(super) fn whole(value: f64) -> i64 {
    value.round() as i64
}

fn accuses(verdict: &Verdict, name: &str) -> bool {
    verdict
        .leaks
        .iter()
        .any(|leak| leak.blamed.name.starts_with(name))
}

/// Measured: no accusation in 300 runs of 46 stacks each, and none in 1,000 runs of other seeds.
///
/// The false discovery rate of 1 % allows 3 in 300. If one run in a thousand had an accusation, two
/// or more in 300 would have odds of 1 in 27.
#[test]
fn a_service_without_a_leak_is_not_accused() {
    const RUNS: u64 = 300;
    let workloads = without_leak();
    let mut accused = Vec::new();
    for seed in 0..RUNS {
        let verdict = find(&run(&workloads, seed)).unwrap();
        accused.extend(verdict.leaks.iter().map(ToString::to_string));
    }
    println!("false accusations in {RUNS} runs: {accused:#?}");
    assert!(accused.len() < 2, "{accused:#?}");
}

/// Measured over 200 runs of a leak of 1.5 MiB/s, while 34 MiB/s come and go: no leak is missed, no
/// other stack is accused, and the true rate is outside the 95 % interval in 14 runs (10 expected).
///
/// If one leak in a thousand is missed, two or more in 200 have odds of 1 in 57.
#[test]
fn a_leak_is_found_among_stacks_that_look_like_one() {
    const RUNS: u64 = 200;
    let mut workloads = without_leak();
    workloads.push(workload("leak", 4096.0, 1.5, BlockLife::Forever));
    let (mut missed, mut accused, mut off, mut slope_off) = (0, Vec::new(), 0, 0);
    for seed in 0..RUNS {
        let verdict = find(&run(&workloads, 10_000 + seed)).unwrap();
        if !accuses(&verdict, "leak") {
            missed += 1;
        }
        for leak in &verdict.leaks {
            if !leak.blamed.name.starts_with("leak") {
                accused.push(leak.to_string());
                continue;
            }
            if !(leak.trend.rates.mean * (1.0 / MIB))
                .interval_95()
                .contains(&1.5)
            {
                off += 1;
            }
            if !leak.trend.rates.slope_95.contains(&(1.5 * MIB)) {
                slope_off += 1;
            }
        }
    }
    println!(
        "of {RUNS} leaks missed {missed}, rate beyond its interval {off}, slope {slope_off}, false \
         {accused:#?}"
    );
    assert!(missed < 2, "missed {missed}");
    assert!(accused.len() < 2, "{accused:#?}");
    // 5 % are expected, 10 of 200; 22 or more have odds of 1 in 2,000.
    assert!(
        off < 22 && slope_off < 22,
        "the 95 % intervals missed the truth {off} and {slope_off} times"
    );
}

/// The verdict promises nine in ten, which is 180 of 200. Measured: 188.
///
/// Fewer than 167 or more than 197 have odds below 1 in 400. The promise is then too high or too
/// low.
#[test]
fn the_smallest_leak_is_found_as_often_as_promised() {
    const RUNS: u64 = 200;
    let mut workloads = vec![workload("quiet", 2048.0, 0.1, BlockLife::Random(3.0)); 10];
    let promised = find(&run(&workloads, 1)).unwrap().smallest_leak / MIB;
    workloads.push(workload("leak", 4096.0, promised, BlockLife::Forever));
    let found = (0..RUNS).filter(|seed| {
        let verdict = find(&run(&workloads, 20_000 + seed)).unwrap();
        accuses(&verdict, "leak")
    });
    let found = found.count();
    println!("{promised:.3} MiB/s found in {found} of {RUNS}");
    assert!((167..=197).contains(&found), "found {found} of {RUNS}");
}

#[test]
fn stacks_without_a_leak_are_put_into_their_classes() {
    let verdict = find(&run(&without_leak(), 3)).unwrap();
    let reason = |name: &str| {
        let found = verdict
            .not_accused
            .iter()
            .find(|a| a.trend.site.name.starts_with(name));
        found.map(|a| a.reason)
    };
    assert_eq!(reason("cache"), Some(NotAccusedReason::LevelsOff));
    assert_eq!(reason("warm_up"), Some(NotAccusedReason::WarmsUp));
    assert_eq!(reason("churn"), Some(NotAccusedReason::Churns));
    assert_eq!(reason("flushed"), Some(NotAccusedReason::Sawtooth));
}
