//! `--tagfocus` and `--tagignore`: conditions on a sample's labels, in `pprof`'s syntax.
//!
//! - `REGEX,REGEX` needs text labels, as `key:value`, that match each.
//! - `KEY=REGEX,REGEX` needs one of that key that matches any.
//! - A number or a range of numbers needs number labels. Units are converted.
//!
//! There is one addition to `pprof`'s syntax: a number without a unit has the label's own unit.

use std::{collections::BTreeMap, sync::Arc};

use heaptide_profile::{Label, LabelValue};
use regex::Regex;

use crate::{args::filter::expression, failure::Failure};

/// The unit of each number label's key.
pub(crate) type Units = BTreeMap<Arc<str>, Arc<str>>;

/// A condition on labels.
#[derive(Debug)]
pub(crate) struct LabelFilter {
    key: Option<String>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Texts(Vec<Regex>),
    Range {
        least: Option<Bound>,
        most: Option<Bound>,
    },
}

/// A number and its unit, which may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    number: i64,
    unit: String,
}

impl LabelFilter {
    pub(crate) fn new(option: &str, text: &str) -> Result<Self, Failure> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (Some(key.to_owned()).filter(|key| !key.is_empty()), value),
            None => (None, text),
        };
        let values = match range(option, value)? {
            Some(range) => range,
            None => Values::Texts(
                value
                    .split(',')
                    .map(|part| expression(option, part))
                    .collect::<Result<_, _>>()?,
            ),
        };
        Ok(Self { key, values })
    }

    pub(crate) fn matches(&self, labels: &[Label], units: &Units) -> bool {
        let of_key = |label: &&Label| self.key.as_deref().is_none_or(|key| *label.key == *key);
        let mut labels = labels.iter().filter(of_key);
        match &self.values {
            Values::Range { least, most } => labels.any(|label| {
                let LabelValue::Number { value, .. } = label.value else {
                    return false;
                };
                let unit = units.get(&label.key).map_or("", |unit| unit);
                let compare = |bound: &Bound| bound.compare(value, unit);
                least
                    .as_ref()
                    .is_none_or(|least| compare(least).is_some_and(|o| o.is_ge()))
                    && most
                        .as_ref()
                        .is_none_or(|most| compare(most).is_some_and(|o| o.is_le()))
            }),
            Values::Texts(wanted) => {
                let texts: Vec<String> = labels
                    .filter_map(|label| match &label.value {
                        LabelValue::Text(text) if self.key.is_some() => Some(text.to_string()),
                        LabelValue::Text(text) => Some(format!("{}:{text}", label.key)),
                        LabelValue::Number { .. } => None,
                    })
                    .collect();
                let is_there = |wanted: &Regex| texts.iter().any(|text| wanted.is_match(text));
                if self.key.is_some() {
                    wanted.iter().any(is_there)
                } else {
                    wanted.iter().all(is_there)
                }
            }
        }
    }
}

/// `5kb`, `5kb:`, `:5kb`, `5kb:6mb`; `None` if it is not one of them.
fn range(option: &str, text: &str) -> Result<Option<Values>, Failure> {
    let bound = |text: &str| match Bound::parse(text) {
        Some(Ok(bound)) => Ok(Some(bound)),
        Some(Err(reason)) => Err(Failure::of(option, format!("`{text}`: {reason}"))),
        None => Ok(None),
    };
    let range = match text.split_once(':') {
        None => bound(text)?.map(|only| (Some(only.clone()), Some(only))),
        Some(("", most)) => bound(most)?.map(|most| (None, Some(most))),
        Some((least, "")) => bound(least)?.map(|least| (Some(least), None)),
        Some((least, most)) => match (bound(least)?, bound(most)?) {
            (Some(least), Some(most)) => Some((Some(least), Some(most))),
            _ => None,
        },
    };
    Ok(range.map(|(least, most)| Values::Range { least, most }))
}

impl Bound {
    /// Digits with or without a sign, then letters; `None` for anything else.
    fn parse(text: &str) -> Option<Result<Self, std::num::ParseIntError>> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(text.len() - unsigned.len() + digits)?;
        if digits == 0 || !unit.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return None;
        }
        Some(number.parse().map(|number| Self {
            number,
            unit: unit.to_owned(),
        }))
    }

    /// How a label's number compares with this one; `None` if their units do not fit together.
    fn compare(&self, value: i64, unit: &str) -> Option<std::cmp::Ordering> {
        let (value, bound) = (i128::from(value), i128::from(self.number));
        match (scale(unit), scale(&self.unit)) {
            (Some((kind, factor)), Some((wanted, times))) => {
                (kind == wanted).then(|| (value * factor).cmp(&(bound * times)))
            }
            (Some(_), None) if !self.unit.is_empty() => None,
            // The label's unit is not known, or the condition has none.
            _ => Some(value.cmp(&bound)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LabelKind {
    Bytes,
    Time,
}

/// The kind of a unit, and its size in bytes or nanoseconds.
fn scale(unit: &str) -> Option<(LabelKind, i128)> {
    let unit = unit.to_ascii_lowercase();
    let singular = unit.strip_suffix('s').filter(|_| unit.len() > 2);
    Some(match singular.unwrap_or(&unit) {
        "b" | "byte" => (LabelKind::Bytes, 1),
        "kb" | "kib" | "kbyte" | "kilobyte" => (LabelKind::Bytes, 1 << 10),
        "mb" | "mib" | "mbyte" | "megabyte" => (LabelKind::Bytes, 1 << 20),
        "gb" | "gib" | "gbyte" | "gigabyte" => (LabelKind::Bytes, 1 << 30),
        "tb" | "tib" | "tbyte" | "terabyte" => (LabelKind::Bytes, 1 << 40),
        "ns" | "nanosecond" => (LabelKind::Time, 1),
        "us" | "microsecond" => (LabelKind::Time, 1_000),
        "ms" | "millisecond" => (LabelKind::Time, 1_000_000),
        "s" | "sec" | "second" => (LabelKind::Time, 1_000_000_000),
        "hr" | "hour" => (LabelKind::Time, 3_600_000_000_000),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use heaptide_profile::Profile;

    fn label(key: &str, value: LabelValue) -> Label {
        let key = key.into();
        Label { key, value }
    }

    fn matches(filter: &str) -> bool {
        let number = |key, value, unit: &str| {
            let unit = unit.into();
            label(key, LabelValue::Number { value, unit })
        };
        let labels = [
            label("tenant", LabelValue::Text("blue".into())),
            label("zone", LabelValue::Text("eu-1".into())),
            number("bytes", 8192, ""),
            number("wait", 1500, "ms"),
            number("shard", 7, ""),
        ];
        let sample = heaptide_profile::Sample {
            labels: labels.to_vec(),
            ..Default::default()
        };
        let profile = Profile {
            samples: vec![sample],
            ..Profile::default()
        };
        let filter = LabelFilter::new("--tagfocus", filter).expect("a filter");
        filter.matches(&labels, &profile.label_units())
    }

    #[test]
    fn texts_match_by_key_or_anywhere() {
        for filter in [
            "blue",
            "tenant:b",
            "blue,eu",
            "tenant=^blue$",
            "tenant=red,bl",
            "=zone",
        ] {
            assert!(matches(filter), "{filter}");
        }
        for filter in [
            "red",
            "blue,red",
            "tenant=eu",
            "tenant=^lue",
            "bytes=x",
            "nobody=blue",
        ] {
            assert!(!matches(filter), "{filter}");
        }
    }

    #[test]
    fn numbers_match_in_their_units() {
        for filter in [
            "bytes=8kb",
            "bytes=8KiB:",
            "bytes=:8192b",
            "bytes=1kb:1mb",
            "bytes=8192",
            "8kb",
            "shard=7",
            "wait=1s:2s",
            "wait=1500ms",
            "shard=7b",
            "bytes=-1b:+8192b",
            "bytes=:1gb",
        ] {
            assert!(matches(filter), "{filter}");
        }
        for filter in [
            "bytes=8s",
            "bytes=9kb:",
            "bytes=:8191b",
            "bytes=8",
            "wait=1500",
            "wait=1500b",
            "shard=8:",
            "bytes=8furlongs",
            "tenant=5",
            "bytes=9kb:1mb",
        ] {
            assert_eq!(matches(filter), filter == "wait=1500", "{filter}");
        }
    }

    #[test]
    fn invalid_conditions_are_reported() {
        let failure = |text| {
            LabelFilter::new("--tagfocus", text)
                .expect_err("no filter")
                .to_string()
        };
        assert_eq!(
            failure("a=("),
            "--tagfocus: `(` is not a regular expression: unclosed group"
        );
        assert_eq!(
            failure("bytes=99999999999999999999kb:"),
            "--tagfocus: `99999999999999999999kb`: number too large to fit in target type"
        );
    }
}
