//! `heaptide diff`: what has grown and what has shrunk.

use heaptide_profile::{
    Profile,
    report::{Diff, total},
};

use crate::{
    args,
    args::filter::Filters,
    args::view_args,
    failure::Failure,
    files::input::{self, Input},
    outcome::Outcome,
};

pub(crate) fn run(arguments: &args::DiffArgs, is_colored: bool) -> Result<Outcome, Failure> {
    let report = &arguments.report;
    let filters = Filters::new(&report.filter)?;
    let (base, new) = inputs(arguments)?;
    let fail = |error| Failure::between(&base.name, &new.name, error);
    let index = new
        .profile
        .sample_type(&report.counted.sample_index)
        .map_err(|error| Failure::of(&new.name, error))?
        .index();
    let whole = new.profile.diff_keeping_base(&base.profile).map_err(fail)?;
    let view = view_args::view(report, total(whole.sample_type_at(index).map_err(fail)?));
    let ([base_part, new_part], mut remarks) = filters.apply_to([&base.profile, &new.profile]);
    if base.profile.is_same_process_as(&new.profile) == Some(false) {
        let remark = "the profiles are of two different processes: no blocks cancel, and the \
                      errors of both profiles add up";
        remarks.push(remark.to_owned());
    }
    remarks.extend(two_builds(&base.profile, &new.profile));
    let new_part = new_part.sample_type_at(index).map_err(fail)?;
    let diff = Diff::with(&base_part, new_part, &view).map_err(fail)?;
    Ok(Outcome::new(
        diff.text(&view_args::text(report, is_colored)),
        remarks,
    ))
}

/// The remark for profiles of two programs, or of two builds of one.
fn two_builds(base: &Profile, new: &Profile) -> Option<String> {
    let (base, new) = (base.mappings.first()?, new.mappings.first()?);
    let is_known = !base.build_id.is_empty() && !new.build_id.is_empty();
    (is_known && base.build_id != new.build_id).then(|| {
        format!(
            "the profiles are of two builds, {} with build id {} and {} with {}: what was renamed \
             is gone and new",
            base.file, base.build_id, new.file, new.build_id
        )
    })
}

fn inputs(arguments: &args::DiffArgs) -> Result<(Input, Input), Failure> {
    let base = &arguments.base;
    let Some(new) = &arguments.new else {
        if input::is_folder(base) {
            return input::ends(base);
        }
        return Err(Failure::with(
            base,
            "what is it to be compared with? Name a second profile, or a folder of them",
        ));
    };
    input::check_standard_input([base, new])?;
    Ok((input::one(base)?, input::one(new)?))
}
