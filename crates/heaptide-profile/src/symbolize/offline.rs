//! Names for a profile of another process or machine; the caller finds them in files.
//!
//! `capture` of the package `heaptide` does the same in the process itself. This module does not
//! open files. The caller decides which file belongs to a mapping, and where it is.

use super::lines::{self, FoundLine};
use crate::frames::{self, Trim};
use crate::{Location, Profile};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A function and a line in it, as debug information has them for an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SymbolLine {
    /// The function's mangled symbol, as it stands in the file; empty if it is not known.
    pub symbol: Vec<u8>,
    /// Path of the source file; empty if it is not known.
    pub file: String,
    /// Line number in it; 0 if it is not known.
    pub line: u32,
}

impl Profile {
    /// Gives locations the lines that `look_up` finds for them, and returns how many got any.
    ///
    /// `look_up` is called for every location, and returns the innermost inlined call first. If it
    /// returns nothing, the location stays as it is. Names are written as heaptide writes those of
    /// its own process: demangled, with the symbol in `system_name` if it differs. The mappings'
    /// `has_*` flags follow.
    ///
    /// If a leaf got its name, [`trim`](Trim) cuts the allocator's frames and containers as in a
    /// profile that was symbolized in its process. A raw heaptide profile has
    /// [`drop_frames`](Self::drop_frames) for the same purpose, and loses them. So the result
    /// equals the profile that its process would have written.
    ///
    /// ```
    /// use heaptide_profile::{Profile, SymbolLine, Trim, Location, LocationId, Sample, ValueType};
    ///
    /// let mut profile = Profile {
    ///     sample_types: vec![ValueType::new("inuse_space", "bytes")],
    ///     locations: vec![Location { address: 0x1234, ..Location::default() }],
    ///     samples: vec![Sample {
    ///         locations: LocationId::new(0).into_iter().collect(),
    ///         values: vec![42],
    ///         labels: Vec::new(),
    ///     }],
    ///     ..Profile::default()
    /// };
    /// let found = SymbolLine {
    ///     symbol: b"_ZN5cache3put17h0123456789abcdefE".to_vec(),
    ///     file: "src/cache.rs".into(),
    ///     line: 7,
    /// };
    /// let named = profile.symbolize(Trim::Containers, |_| vec![found.clone()]);
    /// assert_eq!(named, 1);
    /// assert_eq!(&*profile.functions[0].name, "cache::put");
    /// ```
    pub fn symbolize(
        &mut self,
        trim: Trim,
        mut look_up: impl FnMut(&Location) -> Vec<SymbolLine>,
    ) -> usize {
        let mut texts: HashSet<Arc<str>> = HashSet::new();
        let mut found: HashMap<Location, Vec<FoundLine>> = HashMap::new();
        for location in &self.locations {
            let lines: Vec<FoundLine> = look_up(location)
                .iter()
                .map(|line| line.shared(&mut texts))
                .collect();
            if !lines.is_empty() {
                found.insert(location.clone(), lines);
            }
        }
        let is_found = |id: &crate::LocationId| {
            let location = self.locations.get(id.index());
            location.is_some_and(|location| found.contains_key(location))
        };
        let mut leaves = self.samples.iter().filter_map(|s| s.locations.first());
        let has_named_leaf = leaves.any(is_found);
        let named = self.locations.iter();
        let named = named
            .filter(|location| found.contains_key(location))
            .count();
        if named == 0 {
            return 0;
        }
        lines::add(self, |location| found.get(location).map(Vec::as_slice));
        lines::set_flags(self);
        if has_named_leaf && trim != Trim::Nothing {
            frames::trim(self, trim);
            if self.drop_frames.contains(OWN) {
                self.drop_frames = "".into();
            }
        }
        named
    }

    /// Whether this is a heaptide profile without names, which has to be trimmed once it has them.
    #[must_use]
    pub fn is_untrimmed(&self) -> bool {
        self.drop_frames.contains(OWN)
    }
}

/// Tells [`DROP_FRAMES`](crate::frames::DROP_FRAMES) of any version from those of other programs.
const OWN: &str = "heaptide::record::";

impl SymbolLine {
    fn shared(&self, texts: &mut HashSet<Arc<str>>) -> FoundLine {
        let symbol = Some(&*self.symbol).filter(|symbol| !symbol.is_empty());
        FoundLine::new(texts, symbol, &self.file, self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::DROP_FRAMES;
    use crate::{LocationId, Mapping, MappingId, Sample};

    /// A raw profile of one sample over these addresses, leaf first.
    fn raw(addresses: &[u64]) -> Profile {
        let location = |&address| Location {
            address,
            mapping: MappingId::new(0),
            ..Location::default()
        };
        Profile {
            mappings: vec![Mapping::default()],
            locations: addresses.iter().map(location).collect(),
            samples: vec![Sample {
                locations: (0..addresses.len()).filter_map(LocationId::new).collect(),
                values: vec![1],
                labels: vec![],
            }],
            drop_frames: DROP_FRAMES.into(),
            ..Profile::default()
        }
    }

    fn line(symbol: &str) -> SymbolLine {
        SymbolLine {
            symbol: symbol.into(),
            file: "/app/main.rs".into(),
            line: 3,
        }
    }

    fn names(profile: &Profile) -> Vec<&str> {
        let frames = profile.frames(&profile.samples[0]);
        frames
            .map(|f| f.function.map_or("?", |f| &*f.name))
            .collect()
    }

    #[test]
    fn a_named_leaf_loses_the_allocators_frames_and_the_drop_frames() {
        let mut profile = raw(&[1, 2, 3]);
        assert!(profile.is_untrimmed());
        let named = profile.symbolize(Trim::Containers, |location| match location.address {
            1 => vec![line("__rust_alloc")],
            2 => vec![line("inner"), line("outer")],
            _ => vec![],
        });
        assert_eq!(named, 2);
        assert_eq!(names(&profile), ["inner", "outer", "?"]);
        assert_eq!(&*profile.drop_frames, "");
        assert!(!profile.is_untrimmed());
        assert!(profile.mappings[0].has_filenames && !profile.mappings[0].has_functions);
    }

    #[test]
    fn an_unnamed_leaf_keeps_the_drop_frames() {
        let mut profile = raw(&[1, 2]);
        let named = profile.symbolize(Trim::Containers, |location| match location.address {
            2 => vec![line("main")],
            _ => vec![],
        });
        assert_eq!(named, 1);
        assert_eq!(names(&profile), ["?", "main"]);
        assert_eq!(&*profile.drop_frames, DROP_FRAMES);
    }

    #[test]
    fn a_profile_without_found_lines_does_not_change() {
        let mut profile = raw(&[1, 2]);
        assert_eq!(profile.symbolize(Trim::Containers, |_| vec![]), 0);
        assert_eq!(profile, raw(&[1, 2]));
    }
}
