//! `heaptide list`: source code with the values of each line.

use heaptide_profile::report::{Listing, View};

use crate::{
    args,
    args::filter::{Filters, expression},
    args::selection,
    args::view_args,
    commands::pprof_hint::PprofHint,
    failure::Failure,
    files::source_files::SourceFiles,
    outcome::Outcome,
};

pub(crate) fn run(arguments: &args::ListArgs, is_colored: bool) -> Result<Outcome, Failure> {
    let wanted = expression("list", &arguments.regex)?;
    let filters = Filters::new(&arguments.filter)?;
    let sources = SourceFiles::new(
        arguments.source_path.as_deref(),
        arguments.trim_path.as_deref(),
    )?;
    let profiles = selection::files(&arguments.profiles)?;
    let same = PprofHint::new(&format!("-list={}", arguments.regex))
        .counted(&arguments.counted)
        .paths("source_path", arguments.source_path.as_deref())
        .paths("trim_path", arguments.trim_path.as_deref())
        .numbers(&arguments.numbers)
        .filter(&arguments.filter)
        .profiles(&profiles)?;
    let input = selection::read(&profiles)?;
    let selection = selection::part(input, &arguments.counted, &filters)?;
    let listing = Listing::new(
        selection.sample_type()?,
        &View::default().out_of(selection.total),
        |name| wanted.is_match(name),
        |file| sources.read(file),
    );
    if listing.routines.is_empty() {
        return Err(selection.none_matches(&arguments.regex));
    }
    let text = listing.text(&view_args::numbers(&arguments.numbers, is_colored));
    Ok(Outcome::new(same.below(text), selection.remarks))
}
