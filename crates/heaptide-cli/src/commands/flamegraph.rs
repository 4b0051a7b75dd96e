//! `heaptide flamegraph`: a profile as a picture.

use heaptide_profile::report::{write_diff_flamegraph, write_flamegraph};

use crate::{
    args, args::filter::Filters, failure::Failure, files::input, files::output, outcome::Outcome,
};

pub(crate) fn run(arguments: &args::FlamegraphArgs) -> Result<Outcome, Failure> {
    output::is_stdout(&arguments.output, "SVG")?;
    let filters = Filters::new(&arguments.filter)?;
    input::check_standard_input(arguments.files.iter().chain(&arguments.base))?;
    let input = input::sum(&arguments.files)?;
    let fail = |error| Failure::of(&input.name, error);
    let sample_type = input.profile.sample_type(&arguments.counted.sample_index);
    let index = sample_type.map_err(fail)?.index();
    let mut svg = Vec::new();
    let remarks = if let Some(file) = &arguments.base {
        let base = input::one(file)?;
        let ([before, now], remarks) = filters.apply_to([&base.profile, &input.profile]);
        now.sample_type_at(index)
            .and_then(|now| write_diff_flamegraph(&before, now, &mut svg))
            .map_err(|error| Failure::between(&base.name, &input.name, error))?;
        remarks
    } else {
        let ([profile], remarks) = filters.apply_to([&input.profile]);
        // If there is nothing to draw, a filter that matched nothing may be the reason.
        let drawn = profile
            .sample_type_at(index)
            .and_then(|sample_type| write_flamegraph(sample_type, &mut svg));
        drawn.map_err(|error| {
            let mut reasons = vec![error.to_string()];
            reasons.extend(remarks.iter().cloned());
            Failure::of(&input.name, reasons.join(": "))
        })?;
        remarks
    };
    output::put(&arguments.output, &svg)?;
    Ok(Outcome::new(String::new(), remarks))
}
