//! `heaptide peek`: the callers and callees of some functions.

use heaptide_profile::report::{CallGraph, GraphLimits};

use crate::{
    args,
    args::filter::{Filters, expression},
    args::selection,
    args::view_args,
    commands::pprof_hint::PprofHint,
    failure::Failure,
    outcome::Outcome,
};

pub(crate) fn run(arguments: &args::PeekArgs, is_colored: bool) -> Result<Outcome, Failure> {
    let wanted = expression("peek", &arguments.regex)?;
    let filters = Filters::new(&arguments.filter)?;
    let profiles = selection::files(&arguments.profiles)?;
    let same = PprofHint::new(&format!("-peek={}", arguments.regex))
        .counted(&arguments.counted)
        .nodes(&arguments.nodes)
        .numbers(&arguments.numbers)
        .filter(&arguments.filter)
        .profiles(&profiles)?;
    let input = selection::read(&profiles)?;
    let selection = selection::part(input, &arguments.counted, &filters)?;
    let view = view_args::nodes(&arguments.nodes, selection.total);
    let graph = CallGraph::with(selection.sample_type()?, &view, &GraphLimits::default());
    let graph = graph.map_err(|error| selection.fail(error))?;
    let graph = graph.only(|name| wanted.is_match(name));
    if graph.nodes.is_empty() {
        return Err(selection.none_matches(&arguments.regex));
    }
    let text = graph.text(&view_args::numbers(&arguments.numbers, is_colored));
    Ok(Outcome::new(same.below(text), selection.remarks))
}
