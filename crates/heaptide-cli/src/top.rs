//! `heaptide top`: what holds the most.

use heaptide_profile::report::Top;

use crate::{answer::Answer, args, failure::Failure, filter::Filters, subject, table};

pub(crate) fn run(arguments: &args::Top, is_colored: bool) -> Result<Answer, Failure> {
    let report = &arguments.report;
    let filters = Filters::new(&report.filter)?;
    let input = subject::read(&arguments.profiles)?;
    let subject = subject::part(input, &report.counted, &filters)?;
    let view = table::view(report, subject.total);
    let top = Top::with(subject.profile.sample_type_at(subject.index)?, &view);
    let top = top.map_err(|error| subject.fail(error))?;
    let text = top.text(&table::text(report, is_colored));
    Ok(Answer::new(text, subject.remarks))
}
