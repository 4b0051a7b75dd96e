//! The parameters of the page's data, which follow `ui/data?`.
//!
//! Unknown parameters are ignored, so that an older page still works. An error names the parameter.

use regex::{Regex, RegexBuilder};

use crate::http::reply::{self, ReplyResult};
use crate::{http::limits::MAX_REGEX_BYTES, http::query::Query};

#[derive(Debug, Default)]
pub(super) struct ViewParams<'a> {
    /// The sample type by name; empty for the profile's default.
    pub(super) sample_type: &'a str,
    pub(super) focus: Option<Regex>,
    pub(super) ignore: Option<Regex>,
    /// The earlier heap to compare with, by its id.
    pub(super) since: Option<u64>,
    /// The earlier heap to show, by its id; the heap now if there is none.
    pub(super) at: Option<u64>,
}

impl<'a> ViewParams<'a> {
    pub(super) fn read(query: &'a Query<'_>) -> ReplyResult<Self> {
        Ok(Self {
            sample_type: query.get("sample_index").unwrap_or_default(),
            focus: pattern(query, "focus")?,
            ignore: pattern(query, "ignore")?,
            since: id(query, "since")?,
            at: id(query, "at")?,
        })
    }
}

fn pattern(query: &Query<'_>, name: &str) -> ReplyResult<Option<Regex>> {
    let value = query.get(name);
    let built = value.map(|value| RegexBuilder::new(value).size_limit(MAX_REGEX_BYTES).build());
    let built = built.transpose();
    built.or_else(|error| {
        reply::bad_request(&format!("{name} is not a regular expression: {error}"))
    })
}

fn id(query: &Query<'_>, name: &str) -> ReplyResult<Option<u64>> {
    let value = query.get(name);
    value.map(str::parse).transpose().or_else(|_not_a_number| {
        let value = value.unwrap_or_default();
        reply::bad_request(&format!("{name} is not the number of a moment: {value:?}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_parameters_are_ignored() {
        let query = Query::parse(
            "sample_index=alloc_space&focus=a%3A%3A%28b%7Cc%29+d&since=7&at=&new=1&ignore",
        );
        let query = query.unwrap();
        let params = ViewParams::read(&query).unwrap();
        assert_eq!(params.sample_type, "alloc_space");
        assert_eq!(params.focus.unwrap().as_str(), "a::(b|c) d");
        assert!(params.ignore.is_none());
        assert_eq!((params.since, params.at), (Some(7), None));
    }

    #[test]
    fn an_error_names_the_parameter() {
        for (query, start) in [
            ("focus=(", "focus is not a regular expression: "),
            ("ignore=(a{999}){999}", "ignore is not a regular"),
            ("since=-1", "since is not the number of a moment: \"-1\"\n"),
        ] {
            let query = Query::parse(query).unwrap();
            let refusal = ViewParams::read(&query).unwrap_err();
            assert_eq!(refusal.0.status(), 400);
            assert!(
                refusal.0.body().starts_with(start.as_bytes()),
                "{refusal:?}"
            );
        }
    }
}
