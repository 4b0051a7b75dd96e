//! `heaptide peek`: the callers and callees of some functions.

use heaptide_profile::report::{CallGraph, Limits};

use crate::{
    answer::Answer,
    args,
    failure::Failure,
    filter::{Filters, expression},
    pprof::Pprof,
    subject, table,
};

pub(crate) fn run(arguments: &args::Peek, is_colored: bool) -> Result<Answer, Failure> {
    let wanted = expression("peek", &arguments.regex)?;
    let filters = Filters::new(&arguments.filter)?;
    let profiles = subject::files(&arguments.profiles)?;
    let same = Pprof::new(&format!("-peek={}", arguments.regex))
        .counted(&arguments.counted)
        .nodes(&arguments.nodes)
        .numbers(&arguments.numbers)
        .filter(&arguments.filter)
        .profiles(&profiles)?;
    let input = subject::read(&profiles)?;
    let subject = subject::part(input, &arguments.counted, &filters)?;
    let view = table::nodes(&arguments.nodes, subject.total);
    let graph = CallGraph::with(subject.profile.sample_type_at(subject.index)?, &view, &Limits::default());
    let graph = graph.map_err(|error| subject.fail(error))?;
    let graph = graph.only(|name| wanted.is_match(name));
    if graph.nodes.is_empty() {
        return Err(subject.none_matches(&arguments.regex));
    }
    let text = graph.text(&table::numbers(&arguments.numbers, is_colored));
    Ok(Answer::new(same.below(text), subject.remarks))
}
