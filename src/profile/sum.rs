//! A sum of profiles under construction: which samples of two profiles are the same one.
//!
//! Shared by `merge`, which documents the identities, and by `diff`, which adds with a minus sign.
//! Nothing here looks at names to decide what belongs together beyond the stated identities, and nothing
//! here knows what the values mean.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::Arc,
};

use super::{
    Function, FunctionId, Label, LabelValue, Line, Location, LocationId, Mapping, MappingId,
    Profile, Sample,
};
use crate::{Error, Result};

/// Sizes of mappings are compared in whole pages: loaders round them differently.
const PAGE: u64 = 0x1000;

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
pub(super) struct Sum {
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

impl Sum {
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

    /// What the sum says about itself so far.
    pub(super) fn header(&self) -> &Profile {
        &self.merged
    }

    /// Replaces what the sum says about itself; the tables of `header` are left aside.
    pub(super) fn set_header(&mut self, header: Profile) {
        let merged = &mut self.merged;
        let tables = Profile {
            samples: std::mem::take(&mut merged.samples),
            mappings: std::mem::take(&mut merged.mappings),
            locations: std::mem::take(&mut merged.locations),
            functions: std::mem::take(&mut merged.functions),
            ..header
        };
        self.merged = tables;
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
