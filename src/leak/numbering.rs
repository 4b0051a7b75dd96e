//! The stacks of one profile by numbers: its tables looked up as far as its samples need them.
//!
//! Apart from `stack`, which has the names of all profiles: this is thrown away with its profile.

use super::stack::Names;
use crate::profile::{Location, LocationId, Sample};
use crate::{Profile, Result};

/// A profile whose tables are being numbered, as far as its samples need them.
#[derive(Debug)]
pub(super) struct Numbering<'a> {
    names: &'a mut Names,
    profile: &'a Profile,
    functions: Vec<Option<u32>>,
    places: Vec<Option<u32>>,
    /// The places of the sample in hand.
    path: Vec<u32>,
    /// The locations of the sample before, and the number of its path.
    last: Option<(&'a [LocationId], u32)>,
}

impl<'a> Numbering<'a> {
    /// Of a profile, none of whose samples is numbered yet.
    pub(super) fn of(names: &'a mut Names, profile: &'a Profile) -> Self {
        Self {
            names,
            functions: vec![None; profile.functions.len()],
            places: vec![None; profile.locations.len()],
            path: Vec::new(),
            last: None,
            profile,
        }
    }

    /// The number of a sample's path.
    ///
    /// # Errors
    ///
    /// Too large, if there are more frames than are remembered.
    pub(super) fn path(&mut self, sample: &'a Sample) -> Result<u32> {
        // Samples of several size groups share a stack, and often follow each other.
        if let Some((locations, path)) = self.last
            && locations == sample.locations
        {
            return Ok(path);
        }
        self.path.clear();
        for id in &sample.locations {
            let place = match self.places.get(id.index()) {
                Some(Some(place)) => *place,
                _ => {
                    let Some(location) = self.profile.locations.get(id.index()) else {
                        continue;
                    };
                    let place = self.place(location)?;
                    if let Some(slot) = self.places.get_mut(id.index()) {
                        *slot = Some(place);
                    }
                    place
                }
            };
            self.path.push(place);
        }
        let path = match self.names.known_path(&self.path) {
            Some(path) => path,
            None => self.names.add_path(self.path.as_slice().into())?,
        };
        self.last = Some((&sample.locations, path));
        Ok(path)
    }

    fn place(&mut self, location: &Location) -> Result<u32> {
        if location.lines.is_empty() {
            return self.names.unnamed(location.address);
        }
        let mut calls = Vec::with_capacity(location.lines.len());
        for line in &location.lines {
            let index = line.function.index();
            let known = self.functions.get(index).copied().flatten();
            let function = match (known, self.profile.functions.get(index)) {
                (Some(number), _) => number,
                (None, Some(function)) => match function.shown_name() {
                    Some(name) => self.names.function(name, &function.file, false)?,
                    None => self.names.address(location.address)?,
                },
                (None, None) => self.names.address(location.address)?,
            };
            let has_name = self.profile.functions.get(index);
            if has_name.is_some_and(|f| f.shown_name().is_some())
                && let Some(slot) = self.functions.get_mut(index)
            {
                *slot = Some(function);
            }
            calls.push((function, line.line));
        }
        self.names.add_place(calls.into())
    }
}
