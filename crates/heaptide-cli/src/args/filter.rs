//! The filters of the command line: their regular expressions, applied to profiles.
//!
//! `heaptide_profile::Filter` defines the meaning of a filter, and `labels` the syntax of
//! conditions on labels.

use heaptide_profile::{Filter, Filtered, Profile};
use regex::Regex;

use crate::{args, args::labels::LabelFilter, failure::Failure};

/// The filters of a command line, ready to be applied.
#[derive(Debug)]
pub(crate) struct Filters {
    focus: Option<Regex>,
    ignore: Option<Regex>,
    hide: Option<Regex>,
    show: Option<Regex>,
    tagfocus: Option<LabelFilter>,
    tagignore: Option<LabelFilter>,
}

impl Filters {
    pub(crate) fn new(arguments: &args::FilterArgs) -> Result<Self, Failure> {
        let names = |option, text: &Option<String>| match text {
            // As in `pprof`, which cannot tell an empty option from a missing one.
            Some(text) if !text.is_empty() => expression(option, text).map(Some),
            _ => Ok(None),
        };
        let labels = |option, text: &Option<String>| match text {
            Some(text) if !text.is_empty() => LabelFilter::new(option, text).map(Some),
            _ => Ok(None),
        };
        Ok(Self {
            focus: names("--focus", &arguments.focus)?,
            ignore: names("--ignore", &arguments.ignore)?,
            hide: names("--hide", &arguments.hide)?,
            show: names("--show", &arguments.show)?,
            tagfocus: labels("--tagfocus", &arguments.tagfocus)?,
            tagignore: labels("--tagignore", &arguments.tagignore)?,
        })
    }

    /// The part of a profile that the filters leave.
    fn apply(&self, profile: &Profile) -> Filtered {
        let units = profile.label_units();
        let mut filter = Filter::default();
        if let Some(focus) = &self.focus {
            filter = filter.focus(|name| focus.is_match(name));
        }
        if let Some(ignore) = &self.ignore {
            filter = filter.ignore(|name| ignore.is_match(name));
        }
        if let Some(hide) = &self.hide {
            filter = filter.hide(|name| hide.is_match(name));
        }
        if let Some(show) = &self.show {
            filter = filter.show(|name| show.is_match(name));
        }
        if let Some(tagfocus) = &self.tagfocus {
            filter = filter.focus_labels(|labels| tagfocus.matches(labels, &units));
        }
        if let Some(tagignore) = &self.tagignore {
            filter = filter.ignore_labels(|labels| tagignore.matches(labels, &units));
        }
        profile.filter(&filter)
    }

    /// The parts of the profiles that the filters leave, and a remark on each option that matched
    /// in none of them.
    pub(crate) fn apply_to<const N: usize>(
        &self,
        profiles: [&Profile; N],
    ) -> ([Profile; N], Vec<String>) {
        let filtered = profiles.map(|profile| self.apply(profile));
        let nowhere = |option: &&str| filtered.iter().all(|one| one.unmatched.contains(option));
        let options = ["focus", "ignore", "hide", "show", "tagfocus", "tagignore"];
        let remarks = options
            .iter()
            .filter(|option| nowhere(option))
            .map(|option| format!("--{option} matched nothing"))
            .collect();
        (filtered.map(|one| one.profile), remarks)
    }
}

/// The regular expression of an option.
pub(crate) fn expression(option: &str, text: &str) -> Result<Regex, Failure> {
    Regex::new(text).map_err(|error| {
        let error = error.to_string();
        // The whole message draws an arrow over several lines. Its last line says why.
        let reason = error.lines().last().unwrap_or(&error);
        let reason = reason.strip_prefix("error: ").unwrap_or(reason);
        Failure::of(
            option,
            format!("`{text}` is not a regular expression: {reason}"),
        )
    })
}
