//! A handle to one sample type of a profile.

use super::{Profile, Sample, ValueType};
use crate::{Error, Result};

/// One sample type of a profile. It says which of the values of each sample to look at.
///
/// Reports and estimates take it. It refers to its profile, so the two cannot be mixed up.
///
/// ```
/// use heaptide_profile::{Profile, ValueType, report::Top};
///
/// let profile = Profile {
///     sample_types: vec![ValueType::new("inuse_space", "bytes")],
///     ..Profile::default()
/// };
/// let inuse_space = profile.sample_type("inuse_space")?;
/// assert_eq!(&*inuse_space.value_type().unit, "bytes");
/// assert_eq!(Top::new(inuse_space).total, 0);
/// # Ok::<(), heaptide_profile::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SampleType<'a> {
    profile: &'a Profile,
    value_type: &'a ValueType,
    index: usize,
}

impl<'a> SampleType<'a> {
    /// The profile that has it.
    #[must_use]
    pub fn profile(self) -> &'a Profile {
        self.profile
    }

    /// Its position in [`Profile::sample_types`], and of its value in [`Sample::values`].
    #[must_use]
    pub fn index(self) -> usize {
        self.index
    }

    /// What is counted, and in which unit.
    #[must_use]
    pub fn value_type(self) -> &'a ValueType {
        self.value_type
    }

    /// The value of a sample of this profile; 0 if it has too few values.
    #[must_use]
    pub fn value_of(self, sample: &Sample) -> i64 {
        sample.values.get(self.index).copied().unwrap_or(0)
    }
}

impl Profile {
    /// The sample type of this name, for example `inuse_space`.
    ///
    /// An empty name asks for the profile's default. That is the last type if the profile names
    /// none, or one that it does not have.
    ///
    /// # Errors
    ///
    /// A mismatch that lists the types of the profile.
    pub fn sample_type(&self, kind: &str) -> Result<SampleType<'_>> {
        let position = |kind: &str| self.sample_types.iter().position(|t| &*t.kind == kind);
        let found = if kind.is_empty() {
            let last = self.sample_types.len().checked_sub(1);
            let default = Some(&*self.default_sample_type).filter(|kind| !kind.is_empty());
            default.and_then(position).or(last)
        } else {
            position(kind)
        };
        let found = found.ok_or_else(|| {
            if self.sample_types.is_empty() {
                return Error::mismatch("the profile has no sample types");
            }
            let kinds: Vec<&str> = self.sample_types.iter().map(|t| &*t.kind).collect();
            Error::mismatch(format!(
                "the profile has no sample type `{kind}`: it has {}",
                kinds.join(", ")
            ))
        })?;
        self.sample_type_at(found)
    }

    /// All sample types, in their order.
    pub fn each_sample_type(&self) -> impl Iterator<Item = SampleType<'_>> {
        let types = self.sample_types.iter().enumerate();
        types.map(move |(index, value_type)| SampleType {
            profile: self,
            value_type,
            index,
        })
    }

    /// The sample type at a position in [`sample_types`](Self::sample_types).
    ///
    /// # Errors
    ///
    /// A mismatch that says how many sample types the profile has.
    pub fn sample_type_at(&self, index: usize) -> Result<SampleType<'_>> {
        match self.sample_types.get(index) {
            Some(value_type) => Ok(SampleType {
                profile: self,
                value_type,
                index,
            }),
            None => Err(Error::mismatch(format!(
                "the profile has no sample type {index}: it has {}",
                self.sample_types.len()
            ))),
        }
    }
}
