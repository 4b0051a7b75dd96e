//! The stacks of one profile as numbers of the interner, looked up as its samples need them.
//!
//! Separate from `interner`, which has the names of all profiles: this is dropped with its profile.

use super::interner::StackInterner;
use crate::{Location, LocationId, Sample};
use crate::{Profile, Result};

/// A profile whose tables are being numbered, as far as its samples need it.
#[derive(Debug)]
pub(super) struct Numbering<'a> {
    interner: &'a mut StackInterner,
    profile: &'a Profile,
    /// The interner's numbers of the profile's functions, once they are known.
    functions: Vec<Option<u32>>,
    /// The interner's numbers of the profile's locations, once they are known.
    locations: Vec<Option<u32>>,
    /// The locations of the current sample, by the interner's numbers.
    path: Vec<u32>,
    /// The locations of the previous sample, and the number of its path.
    last: Option<(&'a [LocationId], u32)>,
}

impl<'a> Numbering<'a> {
    /// Begins with a profile.
    pub(super) fn of(interner: &'a mut StackInterner, profile: &'a Profile) -> Self {
        Self {
            interner,
            functions: vec![None; profile.functions.len()],
            locations: vec![None; profile.locations.len()],
            path: Vec::new(),
            last: None,
            profile,
        }
    }

    /// The number of a sample's path.
    ///
    /// # Errors
    ///
    /// Too large if there are more frames than are held.
    pub(super) fn path(&mut self, sample: &'a Sample) -> Result<u32> {
        // Samples of several size groups share a stack, and often follow each other.
        if let Some((locations, path)) = self.last
            && locations == sample.locations
        {
            return Ok(path);
        }
        self.path.clear();
        for id in &sample.locations {
            let number = match self.locations.get(id.index()) {
                Some(Some(number)) => *number,
                _ => {
                    let Some(location) = self.profile.locations.get(id.index()) else {
                        continue;
                    };
                    let number = self.location(location)?;
                    if let Some(slot) = self.locations.get_mut(id.index()) {
                        *slot = Some(number);
                    }
                    number
                }
            };
            self.path.push(number);
        }
        let path = match self.interner.known_path(&self.path) {
            Some(path) => path,
            None => self.interner.add_path(self.path.as_slice().into())?,
        };
        self.last = Some((&sample.locations, path));
        Ok(path)
    }

    fn location(&mut self, location: &Location) -> Result<u32> {
        if location.lines.is_empty() {
            return self.interner.unnamed_location(location.address);
        }
        let mut calls = Vec::with_capacity(location.lines.len());
        for line in &location.lines {
            let index = line.function.index();
            let known = self.functions.get(index).copied().flatten();
            let function = match (known, self.profile.functions.get(index)) {
                (Some(number), _) => number,
                (None, Some(function)) => match function.shown_name() {
                    Some(name) => self.interner.function(name, &function.file, false)?,
                    None => self.interner.address(location.address)?,
                },
                (None, None) => self.interner.address(location.address)?,
            };
            let has_name = self.profile.functions.get(index);
            if has_name.is_some_and(|f| f.shown_name().is_some())
                && let Some(slot) = self.functions.get_mut(index)
            {
                *slot = Some(function);
            }
            calls.push((function, line.line));
        }
        self.interner.add_location(calls.into())
    }
}
