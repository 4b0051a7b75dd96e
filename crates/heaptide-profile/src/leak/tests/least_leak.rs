//! The least leak that is found: the table of docs/leaks.md, measured on simulated stacks.
//!
//! Each stack leaks a part of what it allocates. Unlike in `simulation`, only the state at the
//! snapshots is drawn. They are a minute apart, and blocks that are freed live five seconds, so the
//! live churn of two snapshots is independent. Blocks are small, each sample stands for an
//! interval's bytes, and the numbers of samples are Poisson.

use super::random::SeededRandom;
use super::simulation::whole;
use crate::Profile;
use crate::leak::find;
use crate::{Function, FunctionId, Line, Location, LocationId, Sample, ValueType};

const INTERVAL: f64 = 512.0 * 1024.0;
const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * 1024.0;
const SECONDS_APART: f64 = 60.0;
const LIFE_SECONDS: f64 = 5.0;
/// Other stacks, which stand still and count as tried.
const OTHERS: usize = 49;
/// Runs for each figure of the table; the figures were measured with twice as many.
const RUNS: u64 = 20;

/// Numbers of snapshots, the columns of the table.
const SNAPSHOTS: [u32; 4] = [10, 30, 60, 120];
/// Each row: MiB a second that come and go on the stack that leaks, and for each column the least
/// leak in KiB a second. It is the least of a ladder with steps of a fifth that was found in 36 of
/// 40 runs.
const TABLE: [(f64, [f64; 4]); 4] = [
    (0.0, [33.0, 13.5, 7.8, 3.1]),
    (1.0, [119.0, 40.0, 23.0, 9.3]),
    (10.0, [250.0, 69.0, 34.0, 16.0]),
    (100.0, [600.0, 175.0, 83.0, 40.0]),
];

/// Whether a leak of so many KiB a second is found beside so many MiB a second of churn on its
/// stack.
fn is_found(leak: f64, churn: f64, snapshots: u32, seed: u64) -> bool {
    let mut random = SeededRandom::new(seed);
    let per_second = |bytes: f64| bytes / INTERVAL;
    let (mut kept, mut freed) = (0.0, 0.0);
    let template = template();
    let profiles: Vec<Profile> = (0..snapshots)
        .map(|number| {
            kept += random.poisson(per_second(leak * KIB) * SECONDS_APART);
            let live = random.poisson(per_second(churn * MIB) * LIFE_SECONDS);
            let gone = per_second(churn * MIB) * (SECONDS_APART - LIFE_SECONDS);
            freed += random.poisson(gone);
            let allocated = kept + live + freed;
            freed += live;
            profile(&template, number, allocated, kept + live)
        })
        .collect();
    let verdict = find(&profiles).unwrap();
    assert!(verdict.leaks.iter().all(|leak| &*leak.blamed.name == "f0"));
    verdict.has_leak()
}

/// A profile with the names of all stacks.
fn template() -> Profile {
    let kinds = [
        "alloc_objects",
        "alloc_space",
        "inuse_objects",
        "inuse_space",
    ];
    let function = |at: usize| Function {
        name: format!("f{at}").into(),
        ..Function::default()
    };
    let location = |at: usize| Location {
        lines: vec![Line {
            function: FunctionId::new(at).unwrap(),
            line: 1,
            column: 0,
        }],
        ..Location::default()
    };
    Profile {
        sample_types: kinds.map(|kind| ValueType::new(kind, "")).to_vec(),
        locations: (0..=OTHERS).map(location).collect(),
        functions: (0..=OTHERS).map(function).collect(),
        period: whole(INTERVAL),
        ..Profile::default()
    }
}

/// A profile of stack 0 with so many samples, allocated and live, and of the other stacks.
fn profile(template: &Profile, number: u32, allocated: f64, live: f64) -> Profile {
    let bytes = |samples: f64| whole(samples * INTERVAL);
    let sample = |at: usize| {
        let (allocated, live) = if at == 0 {
            (bytes(allocated), bytes(live))
        } else {
            (bytes(4.0), bytes(4.0))
        };
        Sample {
            locations: vec![LocationId::new(at).unwrap()],
            values: vec![allocated / 64, allocated, live / 64, live],
            labels: vec![],
        }
    };
    Profile {
        samples: (0..=OTHERS).map(sample).collect(),
        time_nanos: i64::from(number + 1) * 60_000_000_000,
        ..template.clone()
    }
}

/// Nine in ten are promised, which is 18 of 20. Fewer than 13 have odds of 1 in 400. A leak of half
/// the size is found fewer than 18 times.
#[test]
fn the_least_leak_is_what_the_table_says() {
    for (churn, row) in TABLE {
        for (snapshots, least) in SNAPSHOTS.into_iter().zip(row) {
            let found = |leak: f64| {
                let seeds = 500..500 + RUNS;
                let found = seeds.filter(|seed| is_found(leak, churn, snapshots, *seed));
                found.count()
            };
            let (all, half) = (found(least), found(least / 2.0));
            println!(
                "{churn} MiB/s, {snapshots}: {least} KiB/s in {all} of {RUNS}, half in {half}"
            );
            assert!(all >= 13, "{churn} MiB/s, {snapshots} snapshots: {all}");
            assert!(
                half < 18,
                "{churn} MiB/s, {snapshots} snapshots: half in {half}"
            );
        }
    }
}
