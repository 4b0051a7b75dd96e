//! The profile that a report is of.
//!
//! The profiles are added up, a base is subtracted, and the filters are applied.

use std::path::PathBuf;

use heaptide_profile::{Profile, SampleType, report::total};

use crate::{
    args,
    args::filter::Filters,
    failure::Failure,
    files::input::{self, Input},
};

/// The input of a report.
pub(crate) struct Selection {
    pub(crate) name: String,
    /// The part that the filters leave.
    pub(crate) profile: Profile,
    /// Position of the sample type that is counted.
    index: usize,
    /// The total before the filters: 100 percent.
    pub(crate) total: i64,
    /// For standard error.
    pub(crate) remarks: Vec<String>,
}

/// The profiles, with the newest one of each folder.
pub(crate) fn files(profiles: &args::Profiles) -> Result<args::Profiles, Failure> {
    let file = |file: &PathBuf| {
        if input::is_folder(file) {
            input::newest(file)
        } else {
            Ok(file.clone())
        }
    };
    Ok(args::Profiles {
        files: profiles.files.iter().map(file).collect::<Result<_, _>>()?,
        base: profiles.base.as_ref().map(file).transpose()?,
        diff_base: profiles.diff_base.as_ref().map(file).transpose()?,
    })
}

/// Reads the profiles, adds them up, and subtracts the base.
pub(crate) fn read(profiles: &args::Profiles) -> Result<Input, Failure> {
    let bases = [&profiles.base, &profiles.diff_base];
    input::check_standard_input(profiles.files.iter().chain(bases.into_iter().flatten()))?;
    let mut input = input::sum(&profiles.files)?;
    if let Some(file) = &profiles.base {
        let base = input::one(file)?;
        let diff = input.profile.diff(&base.profile);
        input.profile = diff.map_err(|error| Failure::between(&base.name, &input.name, error))?;
    }
    if let Some(file) = &profiles.diff_base {
        let base = input::one(file)?;
        let diff = input.profile.diff_keeping_base(&base.profile);
        input.profile = diff.map_err(|error| Failure::between(&base.name, &input.name, error))?;
    }
    Ok(input)
}

/// The part of a profile that the filters leave, with the sample type to count.
pub(crate) fn part(
    input: Input,
    counted: &args::Counted,
    filters: &Filters,
) -> Result<Selection, Failure> {
    let sample_type = input
        .profile
        .sample_type(&counted.sample_index)
        .map_err(|error| Failure::of(&input.name, error))?;
    let (index, total) = (sample_type.index(), total(sample_type));
    let ([profile], remarks) = filters.apply_to([&input.profile]);
    Ok(Selection {
        name: input.name,
        profile,
        index,
        total,
        remarks,
    })
}

impl Selection {
    /// The sample type that is counted.
    pub(crate) fn sample_type(&self) -> Result<SampleType<'_>, Failure> {
        let found = self.profile.sample_type_at(self.index);
        found.map_err(|error| self.fail(error))
    }

    /// A failure that names this profile.
    pub(crate) fn fail(&self, error: impl std::fmt::Display) -> Failure {
        Failure::of(&self.name, error)
    }

    /// The failure of a regular expression that matches no name.
    pub(crate) fn none_matches(&self, regex: &str) -> Failure {
        let kind = self.profile.sample_types.get(self.index);
        let kind = kind.map_or("value", |kind| &kind.kind);
        self.fail(format!(
            "no function with {kind} matches `{regex}`: `heaptide top -n 0` shows them all, and \
             --sample-index counts \
             something else"
        ))
    }
}
