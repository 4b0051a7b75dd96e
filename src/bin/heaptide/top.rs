//! `heaptide top`: the functions that hold the most.

use heaptide::report::{Text, Top};

use crate::{args, failure::Failure, input};

pub(crate) fn run(arguments: &args::Top) -> Result<String, Failure> {
    let file = &arguments.file;
    let profile = input::read(file)?;
    let top = profile
        .sample_index(&arguments.report.sample_index)
        .and_then(|index| Top::new(&profile, index))
        .map_err(|error| Failure::with(file, error))?;
    Ok(top.text(&text(&arguments.report)))
}

/// How a report was asked to be written.
pub(crate) fn text(report: &args::Report) -> Text {
    let mut text = Text::default().rows(report.rows);
    if report.exact {
        text = text.exact_numbers();
    }
    if report.no_error {
        text = text.without_errors();
    }
    if report.short_names {
        text = text.short_names();
    }
    text
}
