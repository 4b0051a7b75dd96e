//! Tests of the verdict as a whole, by subject, and the profiles that they use.
//!
//! `simulation`, `simulated_lists` and `least_leak` measure the rules on simulated processes.

mod attribution;
mod input;
mod least_leak;
mod output;
mod processes;
mod random;
mod reasons;
mod simulated_lists;
mod simulation;

use crate::Profile;
use crate::{Function, FunctionId, Line, Location, LocationId, Sample, ValueType};

/// A frame of a test stack: function, file and line.
type TestFrame = (&'static str, &'static str, i64);

const MAIN: TestFrame = ("app::main", "src/main.rs", 3);
const GROW: TestFrame = (
    "alloc::raw_vec::finish_grow",
    "/rustc/1/library/alloc/src/raw_vec/mod.rs",
    9,
);

/// A profile taken at a second. Each sample is a stack, leaf first, with MiB allocated and live.
fn profile(second: i64, samples: &[(&[TestFrame], i64, i64)]) -> Profile {
    let kinds = [
        "alloc_objects",
        "alloc_space",
        "inuse_objects",
        "inuse_space",
    ];
    let mut profile = Profile {
        sample_types: kinds.map(|kind| ValueType::new(kind, "")).to_vec(),
        time_nanos: second * 1_000_000_000,
        period: 512 * 1024,
        ..Profile::default()
    };
    for (stack, allocated, live) in samples {
        let mut locations = vec![];
        for (name, file, line) in *stack {
            let id = profile.functions.len();
            profile.functions.push(Function {
                name: (*name).into(),
                file: (*file).into(),
                ..Function::default()
            });
            profile.locations.push(Location {
                lines: vec![Line {
                    function: FunctionId::new(id).unwrap(),
                    line: *line,
                    column: 0,
                }],
                ..Location::default()
            });
            locations.push(LocationId::new(id).unwrap());
        }
        profile.samples.push(Sample {
            locations,
            values: vec![allocated << 10, allocated << 20, live << 10, live << 20],
            labels: vec![],
        });
    }
    profile
}

/// Nine profiles of one stack that never frees, with its live MiB after each second.
fn kept(live: [i64; 9]) -> Vec<Profile> {
    let stack: &[TestFrame] = &[("app::keep", "src/keep.rs", 5), MAIN];
    (0..)
        .zip(live)
        .map(|(second, mib)| profile(second, &[(stack, mib, mib)]))
        .collect()
}
