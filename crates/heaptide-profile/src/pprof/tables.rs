//! References in a file: strings by index, entries by id.
//!
//! It is separate from decoding because ids in files are arbitrary: any number but 0, sparse, in
//! any order. The memory bound of reading needs both tables to be allocated with exactly the room
//! they need.

use std::fmt;
use std::sync::Arc;

use crate::{Error, Result};

/// A vector with room for exactly `count` entries.
pub(super) fn with_room<T>(count: usize, of: &str) -> Result<Vec<T>> {
    let mut table = Vec::new();
    table.try_reserve_exact(count).map_err(|error| {
        Error::too_large(format!(
            "no memory for the {count} {of} entries of the profile"
        ))
        .caused_by(error)
    })?;
    Ok(table)
}

/// The string table of a file.
pub(super) struct Strings {
    texts: Vec<Arc<str>>,
}

impl Strings {
    pub(super) fn with_room(count: usize) -> Result<Self> {
        let texts = with_room(count, "string")?;
        Ok(Self { texts })
    }

    /// Adds the next string. U+FFFD replaces bytes that are not UTF-8, which Go allows in file
    /// names.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.texts.push(match bytes {
            // The shared empty one. An allocation for each would be many times the 2 bytes of the
            // file.
            [] => Arc::default(),
            _ => Arc::from(&*String::from_utf8_lossy(bytes)),
        });
    }

    /// The string at `index`. `field` and `place` name the reference to it in errors.
    pub(super) fn get(
        &self,
        index: i64,
        field: &str,
        place: fmt::Arguments<'_>,
    ) -> Result<Arc<str>> {
        let found = usize::try_from(index)
            .ok()
            .and_then(|at| self.texts.get(at));
        found.cloned().ok_or_else(|| {
            let length = self.texts.len();
            Error::malformed(format!(
                "the {field} of {place} is string {index}, but the string table has {length} \
                 entries"
            ))
        })
    }

    /// Checks that the table begins with the empty string, because 0 means it everywhere.
    pub(super) fn check(&self) -> Result<()> {
        match self.texts.first() {
            Some(first) if first.is_empty() => Ok(()),
            Some(_) => Err(Error::malformed(
                "not a pprof profile: the first string of its string table is not empty",
            )),
            None => Err(Error::malformed(
                "not a pprof profile: it has no string table",
            )),
        }
    }
}

/// The ids of one table's entries, and the position `I` of each.
pub(super) struct Ids<I> {
    entry: &'static str,
    position: fn(usize) -> Option<I>,
    /// Sorted by id, after [`sort`](Self::sort).
    pairs: Vec<(u64, I)>,
}

impl<I: Copy + Ord> Ids<I> {
    pub(super) fn with_room(
        count: usize,
        entry: &'static str,
        position: fn(usize) -> Option<I>,
    ) -> Result<Self> {
        Ok(Self {
            entry,
            position,
            pairs: with_room(count, entry)?,
        })
    }

    /// The id of the next entry.
    pub(super) fn push(&mut self, id: u64) -> Result<()> {
        let entry = self.entry;
        let at = self.pairs.len();
        if id == 0 {
            return Err(Error::malformed(format!("{entry} {at} has the id 0")));
        }
        let position = (self.position)(at).ok_or_else(|| {
            Error::too_large(format!("the profile has more than {at} {entry} entries"))
        })?;
        self.pairs.push((id, position));
        Ok(())
    }

    /// Makes the ids ready to be looked up.
    pub(super) fn sort(mut self) -> Result<Self> {
        self.pairs.sort_unstable();
        let twice = self.pairs.windows(2).find_map(|pair| match pair {
            [(id, _), (same, _)] if id == same => Some(id),
            _ => None,
        });
        if let Some(id) = twice {
            return Err(Error::malformed(format!(
                "the {} id {id} is given to two entries",
                self.entry
            )));
        }
        Ok(self)
    }

    /// The position of the entry with `id`. `place` names the reference to it in errors.
    pub(super) fn find(&self, id: u64, place: fmt::Arguments<'_>) -> Result<I> {
        // Most writers give ids in sequence from 1, so that position is tried first.
        let guess = id.checked_sub(1).and_then(|at| usize::try_from(at).ok());
        let guessed = guess.and_then(|at| self.pairs.get(at));
        let found = guessed.filter(|(there, _)| *there == id).or_else(|| {
            let found = self.pairs.binary_search_by_key(&id, |(id, _)| *id).ok();
            found.and_then(|at| self.pairs.get(at))
        });
        found.map(|(_, position)| *position).ok_or_else(|| {
            let entry = self.entry;
            Error::malformed(format!(
                "{place} refers to {entry} id {id}, which the file does not have"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LocationId;

    fn ids(ids: &[u64]) -> Result<Ids<LocationId>> {
        let mut table = Ids::with_room(ids.len(), "location", LocationId::new)?;
        ids.iter().try_for_each(|id| table.push(*id))?;
        table.sort()
    }

    #[test]
    fn ids_are_found_in_sequence_sparse_and_in_any_order() {
        for order in [
            &[1, 2, 3, 4][..],
            &[4, 3, 2, 1],
            &[u64::MAX, 7, 1 << 40, 1],
            &[2, 3, 4, 5],
        ] {
            let table = ids(order).unwrap();
            for (at, id) in order.iter().enumerate() {
                assert_eq!(table.find(*id, format_args!("x")).unwrap().index(), at);
            }
            let error = table.find(6, format_args!("frame 0 of sample 2"));
            assert_eq!(
                error.unwrap_err().to_string(),
                "frame 0 of sample 2 refers to location id 6, which the file does not have"
            );
        }
    }

    #[test]
    fn the_id_0_and_an_id_given_twice_are_errors() {
        let error = ids(&[1, 0]).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("location 1 has the id 0"));
        let error = ids(&[5, 9, 5]).err().map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some("the location id 5 is given to two entries")
        );
    }

    #[test]
    fn strings_are_found_by_index_and_kept_readable() {
        let mut strings = Strings::with_room(2).unwrap();
        assert!(strings.check().is_err());
        strings.push(b"");
        strings.push(b"/tmp/\xff.rs");
        strings.check().unwrap();
        let place = || format_args!("function 4");
        assert_eq!(
            &*strings.get(1, "file", place()).unwrap(),
            "/tmp/\u{fffd}.rs"
        );
        for index in [2, -1, i64::MAX] {
            let error = strings.get(index, "file", place()).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "the file of function 4 is string {index}, but the string table has 2 entries"
                )
            );
        }
    }
}
