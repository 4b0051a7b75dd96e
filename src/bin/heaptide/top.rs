//! `heaptide top`: what holds the most.

use heaptide::report::{Top, total};

use crate::{answer::Answer, args, failure::Failure, filter::Filters, input, table};

pub(crate) fn run(arguments: &args::Top, is_colored: bool) -> Result<Answer, Failure> {
    let report = &arguments.report;
    let filters = Filters::new(&report.filter)?;
    let bases = [&arguments.base, &arguments.diff_base];
    input::check_standard_input(arguments.files.iter().chain(bases.into_iter().flatten()))?;
    let mut input = input::sum(&arguments.files)?;
    if let Some(file) = &arguments.base {
        let base = input::one(file)?;
        let diff = input.profile.diff(&base.profile);
        input.profile = diff.map_err(|error| Failure::between(&base.name, &input.name, error))?;
    }
    if let Some(file) = &arguments.diff_base {
        let base = input::one(file)?;
        let diff = input.profile.diff_keeping_base(&base.profile);
        input.profile = diff.map_err(|error| Failure::between(&base.name, &input.name, error))?;
    }
    let fail = |error| Failure::of(&input.name, error);
    let index = input
        .profile
        .sample_index(&report.counted.sample_index)
        .map_err(fail)?;
    let view = table::view(report, total(&input.profile, index));
    let ([profile], remarks) = filters.apply_to([&input.profile]);
    let top = Top::with(&profile, index, &view).map_err(fail)?;
    Ok(Answer::new(
        top.text(&table::text(report, is_colored)),
        remarks,
    ))
}
