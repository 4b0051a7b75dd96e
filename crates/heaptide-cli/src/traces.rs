//! `heaptide traces`: every sample with its call stack.

use heaptide_profile::{
    Profile,
    report::{Granularity, Traces, View},
};

use crate::{
    answer::Answer, args, failure::Failure, filter::Filters, pprof::Pprof, subject, table,
};

pub(crate) fn run(arguments: &args::Traces, is_colored: bool) -> Result<Answer, Failure> {
    let filters = Filters::new(&arguments.filter)?;
    let profiles = subject::files(&arguments.profiles)?;
    let same = Pprof::new("-traces")
        .counted(&arguments.counted)
        .lines(arguments.lines)
        .numbers(&arguments.numbers)
        .filter(&arguments.filter)
        .profiles(&profiles)?;
    let mut input = subject::read(&profiles)?;
    // As `pprof` reads even a single profile: samples of one stack and one set of labels are one.
    let merged = Profile::merge(&[&input.profile]);
    input.profile = merged.map_err(|error| Failure::of(&input.name, error))?;
    let subject = subject::part(input, &arguments.counted, &filters)?;
    let granularity = if arguments.lines {
        Granularity::Lines
    } else {
        Granularity::Functions
    };
    let view = View::default().granularity(granularity);
    let traces = Traces::with(subject.profile.sample_type_at(subject.index)?, &view);
    let traces = traces.map_err(|error| subject.fail(error))?;
    let text = traces.text(&table::numbers(&arguments.numbers, is_colored));
    Ok(Answer::new(same.below(text), subject.remarks))
}
