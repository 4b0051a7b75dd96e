//! `heaptide top`: what holds the most.

use heaptide_profile::report::Top;

use crate::{
    args, args::filter::Filters, args::selection, args::view_args, failure::Failure,
    outcome::Outcome,
};

pub(crate) fn run(arguments: &args::TopArgs, is_colored: bool) -> Result<Outcome, Failure> {
    let report = &arguments.report;
    let filters = Filters::new(&report.filter)?;
    let input = selection::read(&arguments.profiles)?;
    let selection = selection::part(input, &report.counted, &filters)?;
    let view = view_args::view(report, selection.total);
    let top = Top::with(selection.sample_type()?, &view);
    let text = top.text(&view_args::text(report, is_colored));
    Ok(Outcome::new(text, selection.remarks))
}
