//! Adding profiles: which samples of two profiles are the same one, and what their sum is.
//!
//! The rules are those of `pprof`, so that a sum made here and one made by `go tool pprof` are the same.
//! [`Merger`] is shared with `diff`, which adds with a minus sign. Nothing here looks at names to decide
//! what belongs together beyond the stated identities, and nothing here knows what the values mean.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::Arc,
};

use super::{
    Function, FunctionId, Label, LabelValue, Line, Location, LocationId, Mapping, MappingId,
    Profile, Sample, header,
};
use crate::{Error, Result};

/// Sizes of mappings are compared in whole pages: loaders round them differently.
const PAGE: u64 = 0x1000;

impl Profile {
    /// The text label, with the value `true`, by which `pprof` knows the samples of a diff's base.
    pub(crate) const BASE_LABEL: &str = "pprof::base";

    /// Adds profiles up: the values of equal samples are summed, and only what samples use is kept.
    ///
    /// Two samples are equal if their locations and their labels are; labels of different keys may be
    /// in any order. Two locations are equal if their mappings, their distance from the mapping's
    /// start, their lines and their folding are. Two mappings are equal if their sizes, rounded up to
    /// 4 KiB, their file offsets and their build ids (their file names, where they have none) are. So
    /// the same program under another address layout lines up, and the sum has the addresses of the
    /// first profile that knows the mapping.
    ///
    /// Samples whose values are all zero are dropped. Of the mappings that no sample uses only the
    /// main executable stays: the first mapping of the first profile that has any. Merging one profile
    /// therefore compacts it.
    ///
    /// The header is put together as `pprof` does it: the greatest period, the sum of the durations,
    /// the earliest time (profiles without a time do not count), the comments of all without repeats,
    /// the first default sample type that is not empty, and the frame filters and the documentation
    /// address of the first profile.
    ///
    /// Merging is associative: with `+` for it, `(a + b) + c` and `a + (b + c)` have the same header,
    /// apart from what the first profile decides, and the same samples. Their order is that of first
    /// appearance, so it may differ where samples cancel.
    ///
    /// # Errors
    ///
    /// A mismatch if there is no profile, or if period types or sample types differ; malformed if a
    /// profile refers to something it does not have, or if a sum does not fit into 64 bits.
    ///
    /// # Examples
    ///
    /// ```
    /// use heaptide::profile::{Profile, Sample, ValueType};
    ///
    /// let profile = |bytes| Profile {
    ///     sample_types: vec![ValueType::new("inuse_space", "bytes")],
    ///     samples: vec![Sample { values: vec![bytes], ..Sample::default() }],
    ///     ..Profile::default()
    /// };
    /// let both = Profile::merge(&[&profile(40), &profile(2)])?;
    /// assert_eq!(both.samples.len(), 1);
    /// assert_eq!(both.samples[0].values, [42]);
    /// # Ok::<(), heaptide::Error>(())
    /// ```
    pub fn merge(profiles: &[&Profile]) -> Result<Profile> {
        let mut merger = Merger::new(header::combine(profiles)?);
        for profile in profiles {
            merger.add(profile, Term::Plus)?;
        }
        merger.finish()
    }
}

/// How a profile enters a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// Its values are added.
    Plus,
    /// Its values are subtracted.
    Minus,
    /// Its values are subtracted, and its samples are kept apart from the others by [`Profile::BASE_LABEL`].
    Base,
}

/// A sum of profiles under construction.
pub(super) struct Merger {
    merged: Profile,
    samples: HashMap<(Vec<LocationId>, Vec<Label>), usize>,
    locations: HashMap<Location, LocationId>,
    functions: HashMap<Function, FunctionId>,
    mappings: HashMap<MappingIdentity, MappingId>,
}

#[derive(PartialEq, Eq, Hash)]
struct MappingIdentity {
    size: u64,
    file_offset: u64,
    build_id_or_file: Arc<str>,
}

impl MappingIdentity {
    fn of(mapping: &Mapping) -> Self {
        let size = mapping.limit.wrapping_sub(mapping.start);
        let name = if mapping.build_id.is_empty() {
            &mapping.file
        } else {
            &mapping.build_id
        };
        Self {
            size: size.div_ceil(PAGE),
            file_offset: mapping.file_offset,
            build_id_or_file: Arc::clone(name),
        }
    }
}

impl Merger {
    /// A sum of nothing yet; `header` has no samples and no tables.
    pub(super) fn new(header: Profile) -> Self {
        Self {
            merged: header,
            samples: HashMap::new(),
            locations: HashMap::new(),
            functions: HashMap::new(),
            mappings: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, profile: &Profile, term: Term) -> Result<()> {
        let mut source = Source::new(profile);
        // The first mapping is the main executable by convention, so it must stay the first one,
        // whichever sample comes first.
        if self.merged.mappings.is_empty() && !profile.mappings.is_empty() {
            self.mapping(&mut source, 0)?;
        }
        for (at, sample) in profile.samples.iter().enumerate() {
            if sample.values.len() != self.merged.sample_types.len() {
                return Err(Error::malformed(format!(
                    "sample {at} has {} values for {} sample types",
                    sample.values.len(),
                    self.merged.sample_types.len()
                )));
            }
            if !is_zero(sample) {
                self.sample(&mut source, sample, term)?;
            }
        }
        Ok(())
    }

    /// The sum, without samples that have become zero and without what only they used.
    pub(super) fn finish(self) -> Result<Profile> {
        if !self.merged.samples.iter().any(is_zero) {
            return Ok(self.merged);
        }
        let mut header = self.merged;
        let summed = Profile {
            samples: std::mem::take(&mut header.samples),
            mappings: std::mem::take(&mut header.mappings),
            locations: std::mem::take(&mut header.locations),
            functions: std::mem::take(&mut header.functions),
            sample_types: header.sample_types.clone(),
            ..Profile::default()
        };
        let mut compacted = Self::new(header);
        compacted.add(&summed, Term::Plus)?;
        Ok(compacted.merged)
    }

    fn sample(&mut self, source: &mut Source<'_>, sample: &Sample, term: Term) -> Result<()> {
        let locations = sample
            .locations
            .iter()
            .map(|id| self.location(source, id.index()))
            .collect::<Result<Vec<_>>>()?;
        let labels = labels(sample, term);
        let mut identity = labels.clone();
        // A stable sort, since values of one key are an ordered list.
        identity.sort_by(|a, b| order(a).cmp(&order(b)));

        match self.samples.entry((locations.clone(), identity)) {
            Entry::Vacant(new) => {
                new.insert(self.merged.samples.len());
                let mut values = vec![0; sample.values.len()];
                accumulate(&mut values, &sample.values, term)?;
                self.merged.samples.push(Sample {
                    locations,
                    values,
                    labels,
                });
            }
            Entry::Occupied(known) => {
                if let Some(sum) = self.merged.samples.get_mut(*known.get()) {
                    accumulate(&mut sum.values, &sample.values, term)?;
                }
            }
        }
        Ok(())
    }

    fn location(&mut self, source: &mut Source<'_>, index: usize) -> Result<LocationId> {
        if let Some(known) = source.locations.get(index).copied().flatten() {
            return Ok(known);
        }
        let profile = source.profile;
        let original = entry(&profile.locations, index, "location")?;
        let mapping = original
            .mapping
            .map(|id| self.mapping(source, id.index()))
            .transpose()?;
        let lines = original
            .lines
            .iter()
            .map(|line| {
                let function = self.function(source, line.function.index())?;
                Ok(Line { function, ..*line })
            })
            .collect::<Result<Vec<_>>>()?;
        // In the merged profile all locations of a mapping are relative to the same start, so equal
        // addresses there are equal distances.
        let shift = mapping.map_or(0, |mapped| mapped.shift);
        let location = Location {
            mapping: mapping.map(|mapped| mapped.id),
            address: original.address.wrapping_add(shift),
            lines,
            is_folded: original.is_folded,
        };
        let id = match self.locations.entry(location) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let id = next(LocationId::new, &self.merged.locations, "locations")?;
                self.merged.locations.push(new.key().clone());
                *new.insert(id)
            }
        };
        remember(&mut source.locations, index, id);
        Ok(id)
    }

    fn mapping(&mut self, source: &mut Source<'_>, index: usize) -> Result<Mapped> {
        if let Some(known) = source.mappings.get(index).copied().flatten() {
            return Ok(known);
        }
        let original = entry(&source.profile.mappings, index, "mapping")?;
        let id = match self.mappings.entry(MappingIdentity::of(original)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let id = next(MappingId::new, &self.merged.mappings, "mappings")?;
                self.merged.mappings.push(original.clone());
                *new.insert(id)
            }
        };
        let start = entry(&self.merged.mappings, id.index(), "mapping")?.start;
        let mapped = Mapped {
            id,
            shift: start.wrapping_sub(original.start),
        };
        remember(&mut source.mappings, index, mapped);
        Ok(mapped)
    }

    fn function(&mut self, source: &mut Source<'_>, index: usize) -> Result<FunctionId> {
        if let Some(known) = source.functions.get(index).copied().flatten() {
            return Ok(known);
        }
        let original = entry(&source.profile.functions, index, "function")?;
        let id = match self.functions.entry(original.clone()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let id = next(FunctionId::new, &self.merged.functions, "functions")?;
                self.merged.functions.push(original.clone());
                *new.insert(id)
            }
        };
        remember(&mut source.functions, index, id);
        Ok(id)
    }
}

/// A profile being added, with where its tables' entries have gone.
struct Source<'a> {
    profile: &'a Profile,
    locations: Vec<Option<LocationId>>,
    functions: Vec<Option<FunctionId>>,
    mappings: Vec<Option<Mapped>>,
}

/// Where a mapping has gone, and what to add to its addresses.
#[derive(Clone, Copy)]
struct Mapped {
    id: MappingId,
    shift: u64,
}

impl<'a> Source<'a> {
    fn new(profile: &'a Profile) -> Self {
        Self {
            profile,
            locations: vec![None; profile.locations.len()],
            functions: vec![None; profile.functions.len()],
            mappings: vec![None; profile.mappings.len()],
        }
    }
}

fn is_zero(sample: &Sample) -> bool {
    sample.values.iter().all(|&value| value == 0)
}

fn labels(sample: &Sample, term: Term) -> Vec<Label> {
    let mut labels = sample.labels.clone();
    if term == Term::Base {
        let base = LabelValue::Text("true".into());
        labels.retain(|label| &*label.key != Profile::BASE_LABEL);
        labels.push(Label {
            key: Profile::BASE_LABEL.into(),
            value: base,
        });
    }
    labels
}

/// Texts and numbers of one key are separate lists.
fn order(label: &Label) -> (&str, bool) {
    let is_number = matches!(label.value, LabelValue::Number { .. });
    (&label.key, is_number)
}

fn accumulate(sums: &mut [i64], values: &[i64], term: Term) -> Result<()> {
    for (sum, &value) in sums.iter_mut().zip(values) {
        let added = match term {
            Term::Plus => sum.checked_add(value),
            Term::Minus | Term::Base => sum.checked_sub(value),
        };
        *sum = added.ok_or_else(|| {
            Error::malformed(format!(
                "the values {sum} and {value} of equal samples add up to more than 64 bits hold"
            ))
        })?;
    }
    Ok(())
}

fn entry<'a, T>(table: &'a [T], index: usize, what: &str) -> Result<&'a T> {
    table.get(index).ok_or_else(|| {
        Error::malformed(format!(
            "the profile refers to {what} {index} and has {}",
            table.len()
        ))
    })
}

fn next<T, Id>(id: fn(usize) -> Option<Id>, table: &[T], what: &str) -> Result<Id> {
    id(table.len()).ok_or_else(|| {
        Error::too_large(format!(
            "the sum has more {what} than 32-bit ids can number"
        ))
    })
}

fn remember<T>(known: &mut [Option<T>], index: usize, value: T) {
    if let Some(slot) = known.get_mut(index) {
        *slot = Some(value);
    }
}
