//! `heaptide traces`: every sample with its call stack.

use heaptide_profile::{
    Profile,
    report::{Granularity, Traces, View},
};

use crate::{
    args, args::filter::Filters, args::selection, args::view_args, commands::pprof_hint::PprofHint,
    failure::Failure, outcome::Outcome,
};

pub(crate) fn run(arguments: &args::TracesArgs, is_colored: bool) -> Result<Outcome, Failure> {
    let filters = Filters::new(&arguments.filter)?;
    let profiles = selection::files(&arguments.profiles)?;
    let same = PprofHint::new("-traces")
        .counted(&arguments.counted)
        .lines(arguments.lines)
        .numbers(&arguments.numbers)
        .filter(&arguments.filter)
        .profiles(&profiles)?;
    let mut input = selection::read(&profiles)?;
    // `pprof` merges even a single profile: samples with the same stack and labels become one.
    let merged = Profile::merge(&[&input.profile]);
    input.profile = merged.map_err(|error| Failure::of(&input.name, error))?;
    let selection = selection::part(input, &arguments.counted, &filters)?;
    let granularity = if arguments.lines {
        Granularity::Lines
    } else {
        Granularity::Functions
    };
    let view = View::default().granularity(granularity);
    let traces = Traces::with(selection.sample_type()?, &view);
    let text = traces.text(&view_args::numbers(&arguments.numbers, is_colored));
    Ok(Outcome::new(same.below(text), selection.remarks))
}
