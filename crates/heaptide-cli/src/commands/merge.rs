//! `heaptide merge`: many profiles added up into one, read one by one.
//!
//! The library defines a sum of profiles. This module decides which profiles may be added, and when
//! to warn.

use std::collections::HashSet;

use heaptide_profile::{Merge, Process, Profile};

use crate::{
    args,
    failure::Failure,
    files::input::{self, Series},
    files::output,
    outcome::Outcome,
};

/// What all profiles must have in common, taken from the first one.
struct First {
    name: String,
    period: i64,
}

pub(crate) fn run(arguments: &args::MergeArgs) -> Result<Outcome, Failure> {
    output::is_stdout(&arguments.output, "profile")?;
    input::check_standard_input(&arguments.files)?;
    let mut first: Option<First> = None;
    let tells_interval = |period: i64, profile: &Profile| period > 0 && is_heap(profile);
    let mut merge = Merge::default();
    let mut processes = HashSet::new();
    let (mut count, mut again) = (0_usize, 0_usize);
    Series::of(&arguments.files)?.each(|name, profile| {
        let first = first.get_or_insert_with(|| First {
            name: name.to_owned(),
            period: profile.period,
        });
        // Each sample of a sum of heaps states the interval it was drawn at, if its profile did.
        let both_tell =
            [first.period, profile.period].map(|period| tells_interval(period, profile));
        if first.period != profile.period && both_tell != [true; 2] {
            return Err(Failure::between(
                &first.name,
                name,
                format!(
                    "the profiles have different periods: {} and {}, so no sample of the sum would \
                     say what it stands for",
                    first.period, profile.period
                ),
            ));
        }
        count += 1;
        again += usize::from(!process(profile).is_none_or(|process| processes.insert(process)));
        let added = merge.add(profile);
        added.map_err(|error| Failure::between(&first.name, name, error))
    })?;
    let fail = |error| Failure::with(&arguments.output, error);
    let sum = merge.finish().map_err(fail)?;
    let mut bytes = Vec::new();
    sum.write(&mut bytes).map_err(fail)?;
    output::put(&arguments.output, &bytes)?;
    let mut remarks = Vec::new();
    if again > 0 {
        remarks.push(format!(
            "{again} of the {count} profiles {} of a process that is in it already: what lived on \
             is counted in each of them",
            if again == 1 {
                "is a further snapshot"
            } else {
                "are further snapshots"
            }
        ));
    }
    Ok(Outcome::new(String::new(), remarks))
}

/// Whether its period is a sample interval.
fn is_heap(profile: &Profile) -> bool {
    let counts = profile.period_type.as_ref();
    counts.is_some_and(|of| (&*of.kind, &*of.unit) == ("space", "bytes"))
}

/// Identifies the process of a snapshot by the process that it states and by the load address of
/// the program. `None` if these prove nothing: the program is loaded at a fixed address, or the
/// profile is a delta.
fn process(profile: &Profile) -> Option<(Option<Process>, String, u64)> {
    let process = profile.process();
    let main = profile.mappings.first();
    let (program, start) = main.map_or_else(Default::default, |main| {
        (main.build_id.to_string(), main.start)
    });
    // Loaders put programs that may be anywhere above this address. Fixed addresses are far below.
    let is_known = process.is_some() || start >= 1 << 40;
    let is_cumulative = profile.duration_nanos == 0;
    (is_known && is_cumulative).then_some((process, program, start))
}
