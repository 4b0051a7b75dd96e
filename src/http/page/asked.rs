//! What the page asks its data for: the parameters behind `ui/data?`.
//!
//! Unknown parameters are ignored, so that an older page still works; what cannot be read is an error that
//! names it.

use regex::{Regex, RegexBuilder};

use crate::http::{
    query::Query,
    reply::{self, Result},
};

/// What a regular expression may take up when compiled. They are matched in linear time.
const REGEX_SIZE: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Asked<'a> {
    /// The sample type by name; empty for the profile's default.
    pub(super) sample_type: &'a str,
    pub(super) focus: Option<Regex>,
    pub(super) ignore: Option<Regex>,
    /// The moment to compare with.
    pub(super) since: Option<u64>,
    /// The moment to look at again; now where there is none.
    pub(super) at: Option<u64>,
}

impl<'a> Asked<'a> {
    pub(super) fn read(query: &'a Query<'_>) -> Result<Self> {
        Ok(Self {
            sample_type: query.get("sample_index").unwrap_or_default(),
            focus: pattern(query, "focus")?,
            ignore: pattern(query, "ignore")?,
            since: moment(query, "since")?,
            at: moment(query, "at")?,
        })
    }
}

fn pattern(query: &Query<'_>, name: &str) -> Result<Option<Regex>> {
    let Some(value) = query.get(name) else {
        return Ok(None);
    };
    let built = RegexBuilder::new(value).size_limit(REGEX_SIZE).build();
    built
        .map(Some)
        .or_else(|error| reply::bad_request(&format!("{name} is no regular expression: {error}")))
}

fn moment(query: &Query<'_>, name: &str) -> Result<Option<u64>> {
    let Some(value) = query.get(name) else {
        return Ok(None);
    };
    value.parse().map(Some).or_else(|_not_a_number| {
        reply::bad_request(&format!("{name} is no moment's number: {value:?}"))
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
        let asked = Asked::read(&query).unwrap();
        assert_eq!(asked.sample_type, "alloc_space");
        assert_eq!(asked.focus.unwrap().as_str(), "a::(b|c) d");
        assert!(asked.ignore.is_none());
        assert_eq!((asked.since, asked.at), (Some(7), None));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (query, start) in [
            ("focus=(", "focus is no regular expression: "),
            ("ignore=(a{999}){999}", "ignore is no regular"),
            ("since=-1", "since is no moment's number: \"-1\"\n"),
        ] {
            let query = Query::parse(query).unwrap();
            let refusal = Asked::read(&query).unwrap_err();
            assert_eq!(refusal.status(), 400);
            assert!(refusal.body().starts_with(start.as_bytes()), "{refusal:?}");
        }
    }
}
