//! The tables of a sum, and the new position of each profile's locations, functions and mappings.
//!
//! It is separate from `sum`, which adds values. It decides by the rules in `merge` which two
//! places are the same one. It does not look at samples.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use crate::{Error, Result};
use crate::{Function, FunctionId, Line, Location, LocationId, Mapping, MappingId, Profile};

/// Sizes of mappings are compared in whole pages, because loaders round them differently.
const PAGE: u64 = 0x1000;

/// The entries of a sum's tables, and their positions.
#[derive(Default)]
pub(super) struct Known {
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

impl Known {
    pub(super) fn location(
        &mut self,
        merged: &mut Profile,
        source: &mut Source<'_>,
        index: usize,
    ) -> Result<LocationId> {
        if let Some(known) = source.locations.get(index).copied().flatten() {
            return Ok(known);
        }
        let profile = source.profile;
        let original = entry(&profile.locations, index, "location")?;
        let mapping = original
            .mapping
            .map(|id| self.mapping(merged, source, id.index()))
            .transpose()?;
        let lines = original
            .lines
            .iter()
            .map(|line| {
                let function = self.function(merged, source, line.function.index())?;
                Ok(Line { function, ..*line })
            })
            .collect::<Result<Vec<_>>>()?;
        // In the merged profile all locations of a mapping are relative to the same start. So equal
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
                let id = next(LocationId::new, &merged.locations, "locations")?;
                merged.locations.push(new.key().clone());
                *new.insert(id)
            }
        };
        remember(&mut source.locations, index, id);
        Ok(id)
    }

    pub(super) fn mapping(
        &mut self,
        merged: &mut Profile,
        source: &mut Source<'_>,
        index: usize,
    ) -> Result<Mapped> {
        if let Some(known) = source.mappings.get(index).copied().flatten() {
            return Ok(known);
        }
        let original = entry(&source.profile.mappings, index, "mapping")?;
        let id = match self.mappings.entry(MappingIdentity::of(original)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let id = next(MappingId::new, &merged.mappings, "mappings")?;
                merged.mappings.push(original.clone());
                *new.insert(id)
            }
        };
        let start = entry(&merged.mappings, id.index(), "mapping")?.start;
        let mapped = Mapped {
            id,
            shift: start.wrapping_sub(original.start),
        };
        remember(&mut source.mappings, index, mapped);
        Ok(mapped)
    }

    fn function(
        &mut self,
        merged: &mut Profile,
        source: &mut Source<'_>,
        index: usize,
    ) -> Result<FunctionId> {
        if let Some(known) = source.functions.get(index).copied().flatten() {
            return Ok(known);
        }
        let original = entry(&source.profile.functions, index, "function")?;
        let id = match self.functions.entry(original.clone()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let id = next(FunctionId::new, &merged.functions, "functions")?;
                merged.functions.push(original.clone());
                *new.insert(id)
            }
        };
        remember(&mut source.functions, index, id);
        Ok(id)
    }
}

/// A profile that is being added, with the new positions of its entries.
pub(super) struct Source<'a> {
    profile: &'a Profile,
    locations: Vec<Option<LocationId>>,
    functions: Vec<Option<FunctionId>>,
    mappings: Vec<Option<Mapped>>,
}

/// The new position of a mapping, and what to add to its addresses.
#[derive(Clone, Copy)]
pub(super) struct Mapped {
    id: MappingId,
    shift: u64,
}

impl<'a> Source<'a> {
    pub(super) fn new(profile: &'a Profile) -> Self {
        Self {
            profile,
            locations: vec![None; profile.locations.len()],
            functions: vec![None; profile.functions.len()],
            mappings: vec![None; profile.mappings.len()],
        }
    }
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
