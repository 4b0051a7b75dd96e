//! Folded stacks: a line `root;...;leaf value` for each call stack.
//!
//! It is the format that flame graph tools share. It is separate from `flamegraph`, which needs a
//! library and a feature.

use std::collections::BTreeMap;
use std::fmt;

use crate::SampleType;
use crate::{Error, Result};
use crate::{Frame, Function};

/// Call stacks by name, root first, each with its value. They are sorted by their text.
///
/// `Display` writes a line for each stack. Stacks with the same names are one entry. Stacks of
/// value 0 are left out. The values add up to the profile's total.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    lines: BTreeMap<String, i64>,
}

/// Folds the samples of a profile by the values of a sample type.
///
/// Inlined calls are frames like others; a `;` in a name becomes `:`.
///
/// ```
/// use heaptide_profile::{Function, FunctionId, Line, Location, LocationId, Sample, ValueType};
/// use heaptide_profile::{Profile, report};
///
/// let function = |index| FunctionId::new(index).ok_or("too many functions");
/// let line = |index| Ok::<_, &str>(Line { function: function(index)?, line: 1, column: 0 });
/// let profile = Profile {
///     sample_types: vec![ValueType::new("inuse_space", "bytes")],
///     samples: vec![Sample {
///         locations: LocationId::new(0).into_iter().collect(),
///         values: vec![4096],
///         labels: vec![],
///     }],
///     // `grow` was inlined into `main`.
///     locations: vec![Location { lines: vec![line(1)?, line(0)?], ..Location::default() }],
///     functions: ["main", "grow"]
///         .map(|name| Function { name: name.into(), ..Function::default() })
///         .to_vec(),
///     ..Profile::default()
/// };
/// assert_eq!(report::folded(profile.sample_type_at(0)?)?.to_string(), "main;grow 4096\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// A mismatch if a sample has too few values.
pub fn folded(sample_type: SampleType<'_>) -> Result<Folded> {
    let (profile, index) = (sample_type.profile(), sample_type.index());
    let mut lines: BTreeMap<String, i64> = BTreeMap::new();
    for sample in &profile.samples {
        let value = *sample.values.get(index).ok_or_else(|| {
            Error::mismatch(format!(
                "there is no sample type {index}: a sample of the profile has {} values",
                sample.values.len()
            ))
        })?;
        let mut names: Vec<String> = profile.frames(sample).map(|f| frame_name(&f)).collect();
        names.reverse();
        let stack = if names.is_empty() {
            "[no stack]".into()
        } else {
            names.join(";")
        };
        let sum = lines.entry(stack).or_default();
        *sum = sum.saturating_add(value);
    }
    lines.retain(|_, value| *value != 0);
    Ok(Folded { lines })
}

impl Folded {
    /// The call stacks and their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.lines
            .iter()
            .map(|(stack, value)| (stack.as_str(), *value))
    }
}

impl fmt::Display for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (stack, value) in self.iter() {
            writeln!(f, "{stack} {value}")?;
        }
        Ok(())
    }
}

/// A frame's name as one field of a folded line.
///
/// Readers take a number at the end of the line for a second value. So a name may not end in a word
/// of digits.
fn frame_name(frame: &Frame<'_>) -> String {
    let name = frame.function.and_then(Function::shown_name);
    let Some(name) = name.filter(|name| !name.trim().is_empty()) else {
        return format!("{:#x}", frame.location.address);
    };
    let clean = name.replace(';', ":").replace(char::is_control, " ");
    let clean = clean.trim();
    match clean.rsplit_once(' ') {
        Some((start, end)) if end.chars().all(|c| c.is_ascii_digit() || c == '.') => {
            format!("{start}_{end}")
        }
        _ => clean.into(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::folded;
    use crate::Profile;
    use crate::{Function, FunctionId, Line, Location, LocationId, Sample, ValueType};

    /// A profile in which function `i` sits at location `i`, except that the last two functions are
    /// inlined calls at the one location behind them. A sample is its locations, leaf first.
    pub(in crate::report) fn profile(names: &[&str], samples: &[(&[usize], i64)]) -> Profile {
        let line = |index| Line {
            function: FunctionId::new(index).unwrap(),
            line: 1,
            column: 0,
        };
        let mut locations: Vec<Location> = (0..names.len())
            .map(|index| Location {
                lines: vec![line(index)],
                ..Location::default()
            })
            .collect();
        locations.push(Location {
            lines: vec![line(names.len() - 1), line(names.len() - 2)],
            ..Location::default()
        });
        locations.push(Location {
            address: 0xbeef,
            ..Location::default()
        });
        Profile {
            sample_types: vec![ValueType::new("inuse_space", "bytes")],
            samples: samples
                .iter()
                .map(|(stack, value)| Sample {
                    locations: stack.iter().filter_map(|&i| LocationId::new(i)).collect(),
                    values: vec![*value],
                    labels: vec![],
                })
                .collect(),
            locations,
            functions: names
                .iter()
                .map(|&name| Function {
                    name: name.into(),
                    ..Function::default()
                })
                .collect(),
            ..Profile::default()
        }
    }

    #[test]
    fn stacks_are_root_first_with_inlines_merged_and_sorted() {
        let names = ["main", "handle", "store<[u8; 4]>", "outer", "inner 12"];
        let samples: [(&[usize], i64); 6] = [
            (&[2, 1, 0], 5),
            (&[5, 0], 7),
            (&[2, 1, 0], 6),
            (&[6, 0], 3),
            (&[], 2),
            (&[1, 0], 0),
        ];
        let folded = folded(profile(&names, &samples).sample_type_at(0).unwrap()).unwrap();
        let expected = "[no stack] 2\nmain;0xbeef 3\nmain;handle;store<[u8: 4]> 11\n\
                        main;outer;inner_12 7\n";
        assert_eq!(folded.to_string(), expected);
        assert_eq!(folded.iter().map(|(_, value)| value).sum::<i64>(), 23);
    }

    #[test]
    fn a_missing_value_is_an_error_and_not_zero() {
        let mut profile = profile(&["main", "f"], &[(&[0], 5)]);
        profile
            .sample_types
            .push(ValueType::new("objects", "count"));
        let error = folded(profile.sample_type_at(1).unwrap()).unwrap_err();
        assert!(error.is_mismatch());
        assert!(error.to_string().contains("no sample type 1"), "{error}");
    }
}
