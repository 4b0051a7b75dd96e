//! `heaptide convert`: a profile in another format.

use std::path::Path;

use heaptide_profile::report::folded;

use crate::{
    args::{self, Format},
    commands::profile_json,
    commands::speedscope,
    failure::Failure,
    files::input,
    files::output,
    outcome::Outcome,
};

pub(crate) fn run(arguments: &args::ConvertArgs) -> Result<Outcome, Failure> {
    let format = match arguments.to {
        Some(format) => format,
        None => format_of(&arguments.output)?,
    };
    if format == Format::Pprof {
        output::is_stdout(&arguments.output, "profile")?;
    }
    input::check_standard_input(&arguments.files)?;
    let input = input::sum(&arguments.files)?;
    let profile = &input.profile;
    let fail = |error| Failure::of(&input.name, error);
    let mut remarks = Vec::new();
    let bytes = match format {
        Format::Pprof => {
            let mut bytes = Vec::new();
            profile.write(&mut bytes).map_err(fail)?;
            bytes
        }
        Format::Folded => {
            let sample_type = profile.sample_type(&arguments.counted.sample_index);
            let folded = sample_type.and_then(folded).map_err(fail)?;
            if folded.iter().any(|(_, value)| value < 0) {
                remarks.push(
                    "some values are negative, which most readers of folded stacks refuse".into(),
                );
            }
            folded.to_string().into_bytes()
        }
        Format::Speedscope => {
            let (text, left_out) = speedscope::write(&input.name, profile)?;
            remarks = left_out;
            text.into_bytes()
        }
        Format::Json => profile_json::write(profile).into_bytes(),
    };
    output::put(&arguments.output, &bytes)?;
    Ok(Outcome::new(String::new(), remarks))
}

/// The format that belongs to the end of a file's name.
fn format_of(file: &Path) -> Result<Format, Failure> {
    let name = file.to_string_lossy();
    let ends = [
        (".speedscope.json", Format::Speedscope),
        (".json", Format::Json),
        (".folded", Format::Folded),
        (".pb.gz", Format::Pprof),
        (".pprof", Format::Pprof),
    ];
    let format = ends.iter().find(|(end, _)| name.ends_with(end));
    format.map(|(_, format)| *format).ok_or_else(|| {
        Failure::with(
            file,
            "in which format? Say --to pprof, folded, speedscope or json",
        )
    })
}
