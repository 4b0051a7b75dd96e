//! `heaptide diff`: what has grown and what has shrunk.

use std::path::Path;

use heaptide::report::Diff;

use crate::{args, failure::Failure, input, top::text};

pub(crate) fn run(arguments: &args::Diff) -> Result<String, Failure> {
    let (base_file, new_file) = (&arguments.base, &arguments.new);
    let stdin = Path::new("-");
    if base_file == stdin && new_file == stdin {
        return Err(Failure::with(
            stdin,
            "only one of the two profiles can be read from it",
        ));
    }
    let (base, new) = (input::read(base_file)?, input::read(new_file)?);
    let index = new
        .sample_index(&arguments.report.sample_index)
        .map_err(|error| Failure::with(new_file, error))?;
    let diff = Diff::new(&base, &new, index)
        .map_err(|error| Failure::between(base_file, new_file, error))?;
    Ok(diff.text(&text(&arguments.report)))
}
