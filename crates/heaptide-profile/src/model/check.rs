//! The rules that every [`Profile`] has to follow.
//!
//! They are separate from the model so that they can be read as a list. Code that builds, merges or
//! filters a profile may break a rule in between. Encoding checks before the first byte, and
//! decoding before it returns a profile. Nothing is repaired here.

use super::{Line, Location, MappingId, Profile, Sample};
use crate::{Error, Result};

impl Profile {
    /// Checks that this profile can be written and read back unchanged.
    ///
    /// - A profile with samples has sample types.
    /// - Every sample has one value for each sample type.
    /// - Every location of a sample, every mapping of a location and every function of a line is in
    ///   the profile's tables.
    /// - Every label has a key.
    ///
    /// Some programs need more than the format, such as certain sample types or addresses. That is
    /// not checked, since profiles of other programs are read too.
    ///
    /// ```
    /// use heaptide_profile::{Profile, Sample, ValueType};
    ///
    /// let mut profile = Profile {
    ///     sample_types: vec![ValueType::new("inuse_space", "bytes")],
    ///     samples: vec![Sample { values: vec![4096], ..Sample::default() }],
    ///     ..Profile::default()
    /// };
    /// profile.check()?;
    ///
    /// profile.samples[0].values.push(1);
    /// let error = profile.check().unwrap_err();
    /// assert_eq!(error.to_string(), "sample 0 has 2 values, but the profile has 1 sample type");
    /// # Ok::<(), heaptide_profile::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [Malformed](Error::is_malformed). The message names the first entry that breaks a rule,
    /// counted from 0.
    pub fn check(&self) -> Result<()> {
        for (at, location) in self.locations.iter().enumerate() {
            self.check_location(at, location)?;
        }
        for (at, sample) in self.samples.iter().enumerate() {
            self.check_sample(at, sample)?;
        }
        Ok(())
    }

    fn check_location(&self, at: usize, location: &Location) -> Result<()> {
        let place = || format!("location {at}");
        let mapping = location.mapping.map(MappingId::index);
        mapping.map_or(Ok(()), |id| {
            in_range(place, "mapping", id, self.mappings.len())
        })?;
        for (nth, Line { function, .. }) in location.lines.iter().enumerate() {
            let place = || format!("line {nth} of location {at}");
            in_range(place, "function", function.index(), self.functions.len())?;
        }
        Ok(())
    }

    fn check_sample(&self, at: usize, sample: &Sample) -> Result<()> {
        check_values(at, sample.values.len(), self.sample_types.len())?;
        for (nth, id) in sample.locations.iter().enumerate() {
            let place = || format!("frame {nth} of sample {at}");
            in_range(place, "location", id.index(), self.locations.len())?;
        }
        for (nth, label) in sample.labels.iter().enumerate() {
            check_label_key(at, nth, &label.key)?;
        }
        Ok(())
    }
}

/// The rule for the values of the sample at `at`. Decoding applies it before it allocates the
/// sample, to keep its memory bound.
pub(crate) fn check_values(at: usize, values: usize, types: usize) -> Result<()> {
    if types == 0 {
        return Err(Error::malformed(
            "the profile has samples, but no sample types",
        ));
    }
    if values == types {
        return Ok(());
    }
    Err(Error::malformed(format!(
        "sample {at} has {values} value{}, but the profile has {types} sample type{}",
        plural(values),
        plural(types)
    )))
}

/// The rule for label `nth` of the sample at `at`. Decoding applies it on its own too.
pub(crate) fn check_label_key(at: usize, nth: usize, key: &str) -> Result<()> {
    if key.is_empty() {
        return Err(Error::malformed(format!(
            "label {nth} of sample {at} has no key"
        )));
    }
    Ok(())
}

/// Inlined, because each frame of each sample is checked and nearly always right.
#[inline]
fn in_range(place: impl Fn() -> String, table: &str, index: usize, length: usize) -> Result<()> {
    if index < length {
        return Ok(());
    }
    Err(out_of_range(&place(), table, index, length))
}

#[cold]
fn out_of_range(place: &str, table: &str, index: usize, length: usize) -> Error {
    Error::malformed(format!(
        "{place} refers to {table} {index}, but the profile has {length} {table}{}",
        plural(length)
    ))
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::super::{Function, FunctionId, Label, LabelValue, LocationId, Mapping, ValueType};
    use super::*;

    fn valid() -> Profile {
        let line = Line {
            function: FunctionId::new(0).unwrap(),
            line: 7,
            column: 0,
        };
        Profile {
            sample_types: vec![ValueType::new("inuse_space", "bytes")],
            samples: vec![Sample {
                locations: vec![LocationId::new(0).unwrap()],
                values: vec![1],
                labels: vec![Label {
                    key: "bytes".into(),
                    value: LabelValue::Text("".into()),
                }],
            }],
            mappings: vec![Mapping::default()],
            locations: vec![Location {
                mapping: MappingId::new(0),
                lines: vec![line],
                ..Location::default()
            }],
            functions: vec![Function::default()],
            ..Profile::default()
        }
    }

    fn message_after(damage: impl FnOnce(&mut Profile)) -> String {
        let mut profile = valid();
        profile.check().unwrap();
        damage(&mut profile);
        let error = profile.check().unwrap_err();
        assert!(error.is_malformed());
        error.to_string()
    }

    #[test]
    fn each_broken_rule_is_named_with_its_entry() {
        assert_eq!(
            message_after(|p| p.sample_types.clear()),
            "the profile has samples, but no sample types"
        );
        assert_eq!(
            message_after(|p| p.samples[0].values.clear()),
            "sample 0 has 0 values, but the profile has 1 sample type"
        );
        assert_eq!(
            message_after(|p| p.samples[0].locations[0] = LocationId::new(1).unwrap()),
            "frame 0 of sample 0 refers to location 1, but the profile has 1 location"
        );
        assert_eq!(
            message_after(|p| p.samples[0].labels[0].key = "".into()),
            "label 0 of sample 0 has no key"
        );
        assert_eq!(
            message_after(|p| p.mappings.clear()),
            "location 0 refers to mapping 0, but the profile has 0 mappings"
        );
        assert_eq!(
            message_after(|p| p.functions.clear()),
            "line 0 of location 0 refers to function 0, but the profile has 0 functions"
        );
    }

    #[test]
    fn an_empty_profile_is_valid() {
        Profile::default().check().unwrap();
    }
}
