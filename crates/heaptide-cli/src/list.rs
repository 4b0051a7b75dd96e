//! `heaptide list`: source code with what each line holds.

use heaptide_profile::report::{Listing, View};

use crate::{
    answer::Answer,
    args,
    failure::Failure,
    filter::{Filters, expression},
    pprof::Pprof,
    source_files::SourceFiles,
    subject, table,
};

pub(crate) fn run(arguments: &args::List, is_colored: bool) -> Result<Answer, Failure> {
    let wanted = expression("list", &arguments.regex)?;
    let filters = Filters::new(&arguments.filter)?;
    let sources = SourceFiles::new(
        arguments.source_path.as_deref(),
        arguments.trim_path.as_deref(),
    )?;
    let profiles = subject::files(&arguments.profiles)?;
    let same = Pprof::new(&format!("-list={}", arguments.regex))
        .counted(&arguments.counted)
        .paths("source_path", arguments.source_path.as_deref())
        .paths("trim_path", arguments.trim_path.as_deref())
        .numbers(&arguments.numbers)
        .filter(&arguments.filter)
        .profiles(&profiles)?;
    let input = subject::read(&profiles)?;
    let subject = subject::part(input, &arguments.counted, &filters)?;
    let listing = Listing::new(subject.profile.sample_type_at(subject.index)?, &View::default().out_of(subject.total), |name| wanted.is_match(name), |file| sources.read(file));
    let listing = listing.map_err(|error| subject.fail(error))?;
    if listing.routines.is_empty() {
        return Err(subject.none_matches(&arguments.regex));
    }
    let text = listing.text(&table::numbers(&arguments.numbers, is_colored));
    Ok(Answer::new(same.below(text), subject.remarks))
}
