//! `heaptide tree`: functions with their callers and callees.

use heaptide_profile::report::{CallGraph, Limits};

use crate::{
    answer::Answer, args, failure::Failure, filter::Filters, pprof::Pprof, subject, table,
};

pub(crate) fn run(arguments: &args::Tree, is_colored: bool) -> Result<Answer, Failure> {
    let filters = Filters::new(&arguments.filter)?;
    let profiles = subject::files(&arguments.profiles)?;
    let same = Pprof::new("-tree")
        .counted(&arguments.counted)
        .limits(arguments)
        .nodes(&arguments.nodes)
        .numbers(&arguments.numbers)
        .filter(&arguments.filter)
        .profiles(&profiles)?;
    let input = subject::read(&profiles)?;
    let subject = subject::part(input, &arguments.counted, &filters)?;
    let view = table::nodes(&arguments.nodes, subject.total);
    let limits = Limits::default()
        .nodes(arguments.nodecount)
        .node_share(arguments.nodefraction)
        .call_share(arguments.edgefraction);
    let graph = CallGraph::with(subject.profile.sample_type_at(subject.index)?, &view, &limits);
    let graph = graph.map_err(|error| subject.fail(error))?;
    let text = graph.text(&table::numbers(&arguments.numbers, is_colored));
    Ok(Answer::new(same.below(text), subject.remarks))
}
