//! `heaptide tree`: functions with their callers and callees.

use heaptide_profile::report::{CallGraph, GraphLimits};

use crate::{
    args, args::filter::Filters, args::selection, args::view_args, commands::pprof_hint::PprofHint,
    failure::Failure, outcome::Outcome,
};

pub(crate) fn run(arguments: &args::TreeArgs, is_colored: bool) -> Result<Outcome, Failure> {
    let filters = Filters::new(&arguments.filter)?;
    let profiles = selection::files(&arguments.profiles)?;
    let same = PprofHint::new("-tree")
        .counted(&arguments.counted)
        .limits(arguments)
        .nodes(&arguments.nodes)
        .numbers(&arguments.numbers)
        .filter(&arguments.filter)
        .profiles(&profiles)?;
    let input = selection::read(&profiles)?;
    let selection = selection::part(input, &arguments.counted, &filters)?;
    let view = view_args::nodes(&arguments.nodes, selection.total);
    let limits = GraphLimits::default()
        .nodes(arguments.nodecount)
        .node_share(arguments.nodefraction)
        .call_share(arguments.edgefraction);
    let graph = CallGraph::with(selection.sample_type()?, &view, &limits);
    let graph = graph.map_err(|error| selection.fail(error))?;
    let text = graph.text(&view_args::numbers(&arguments.numbers, is_colored));
    Ok(Outcome::new(same.below(text), selection.remarks))
}
