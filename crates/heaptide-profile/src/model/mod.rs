//! The model of `profile.proto`: samples over locations, lines, functions and mappings.
//!
//! It is plain data. A file is read into it, a program's samples are built into it, and reports,
//! sums and differences work on it. Ids are positions in the profile's own tables. So a profile
//! that passes [`Profile::check`] has no dangling reference, and encoding numbers them without a
//! map.
//!
//! These structs have public fields and are exhaustive on purpose. Their fields are those of the
//! messages of `profile.proto`, a finished format, and programs build them as literals.

pub(crate) mod check;
pub(crate) mod heap;
mod label_units;
mod sample_type;

use std::sync::Arc;

pub use sample_type::SampleType;

/// A profile: what was measured, where in the program, and when.
///
/// The fields are those of
/// [`profile.proto`](https://github.com/google/pprof/blob/main/proto/profile.proto), with its
/// string table resolved and its ids turned into positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// What each value of a sample means, in order.
    pub sample_types: Vec<ValueType>,
    /// The sample type to show by default. Empty means the last one.
    pub default_sample_type: Arc<str>,
    /// The measurements.
    pub samples: Vec<Sample>,
    /// Loaded files; the first one is the main executable.
    pub mappings: Vec<Mapping>,
    /// Places in the machine code.
    pub locations: Vec<Location>,
    /// Functions that lines refer to.
    pub functions: Vec<Function>,
    /// When the profile was taken, in nanoseconds since the Unix epoch.
    pub time_nanos: i64,
    /// The time that was measured, in nanoseconds: 0 for a cumulative profile, set for a delta.
    pub duration_nanos: i64,
    /// What [`period`](Self::period) counts; `space`/`bytes` for a heap profile.
    pub period_type: Option<ValueType>,
    /// Mean distance between samples. For a heap profile this is the sample interval in bytes.
    pub period: i64,
    /// Remarks for people, shown by viewers. Those with a leading `#` are for machines.
    pub comments: Vec<Arc<str>>,
    /// Regular expression of frames that viewers drop from the leaf.
    pub drop_frames: Arc<str>,
    /// Regular expression of frames that [`drop_frames`](Self::drop_frames) must not drop.
    pub keep_frames: Arc<str>,
    /// Address of a description of this kind of profile.
    pub doc_url: Arc<str>,
}

/// A kind of value and its unit, for example `inuse_space` in `bytes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ValueType {
    /// What is counted.
    pub kind: Arc<str>,
    /// The unit.
    pub unit: Arc<str>,
}

/// One measurement: a call stack, its values, and labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// The call stack, leaf first.
    pub locations: Vec<LocationId>,
    /// One value for each of the profile's sample types.
    pub values: Vec<i64>,
    /// Further facts about this measurement.
    pub labels: Vec<Label>,
}

/// A key with a text or a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// The key, for example `bytes`.
    pub key: Arc<str>,
    /// The value.
    pub value: LabelValue,
}

/// The value of a [`Label`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LabelValue {
    /// A text.
    Text(Arc<str>),
    /// A number and its unit; an empty unit means none was given.
    Number {
        /// The number.
        value: i64,
        /// Its unit.
        unit: Arc<str>,
    },
}

/// A part of a file loaded into memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// Address behind the last one.
    pub limit: u64,
    /// Position in the file of the byte at `start`.
    pub file_offset: u64,
    /// Path of the file.
    pub file: Arc<str>,
    /// The file's build id in hexadecimal; empty if it has none.
    pub build_id: Arc<str>,
    /// Its locations have function names.
    pub has_functions: bool,
    /// Its locations have file names.
    pub has_filenames: bool,
    /// Its locations have line numbers.
    pub has_line_numbers: bool,
    /// Its locations list inlined frames.
    pub has_inline_frames: bool,
}

/// A place in the machine code. It has several lines if calls were inlined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Location {
    /// The mapping that holds the address, if it is known.
    pub mapping: Option<MappingId>,
    /// The address of the call: the return address less 1.
    pub address: u64,
    /// The source lines, innermost inlined call first; empty until symbolized.
    pub lines: Vec<Line>,
    /// Several places with the same code share this location.
    pub is_folded: bool,
}

/// A line of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// The function.
    pub function: FunctionId,
    /// Line number in the function's file; 0 if it is not known.
    pub line: i64,
    /// Column; 0 if it is not known.
    pub column: i64,
}

/// A function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Function {
    /// The name people read, demangled.
    pub name: Arc<str>,
    /// The mangled symbol, as the linker knows it. In profiles that heaptide makes it never equals
    /// `name`, because `pprof` then strips everything in `<>` and `()` from the name.
    pub system_name: Arc<str>,
    /// Path of the source file.
    pub file: Arc<str>,
    /// Line where the function starts; 0 if it is not known.
    pub start_line: i64,
}

macro_rules! position {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl $name {
            /// The id of the entry at `index`, or `None` beyond four billion entries.
            #[must_use]
            pub fn new(index: usize) -> Option<Self> {
                u32::try_from(index).ok().map(Self)
            }

            /// The position in the profile's table.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

position! {
    /// Position of a [`Location`] in [`Profile::locations`].
    LocationId
}
position! {
    /// Position of a [`Function`] in [`Profile::functions`].
    FunctionId
}
position! {
    /// Position of a [`Mapping`] in [`Profile::mappings`].
    MappingId
}

/// A logical call on a stack: one line of one location.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Frame<'a> {
    /// The location the frame belongs to.
    pub location: &'a Location,
    /// The function, or `None` if the location is not symbolized.
    pub function: Option<&'a Function>,
    /// Line number; 0 if it is not known.
    pub line: i64,
    /// Whether this call was inlined into the next frame.
    pub inlined: bool,
}

impl Function {
    /// The name to show: the name, or the symbol if there is no name, as in `pprof`; `None` if both
    /// are empty.
    #[must_use]
    pub fn shown_name(&self) -> Option<&Arc<str>> {
        [&self.name, &self.system_name]
            .into_iter()
            .find(|name| !name.is_empty())
    }
}

impl ValueType {
    /// A kind of value and its unit.
    #[must_use]
    pub fn new(kind: &str, unit: &str) -> Self {
        Self {
            kind: kind.into(),
            unit: unit.into(),
        }
    }
}

impl Profile {
    /// The logical calls of a sample, leaf first, with inlined ones expanded. A location without
    /// lines gives one frame without a function.
    pub fn frames<'a>(&'a self, sample: &'a Sample) -> impl Iterator<Item = Frame<'a>> {
        sample
            .locations
            .iter()
            .filter_map(|id| self.locations.get(id.index()))
            .flat_map(|location| self.frames_of(location))
    }

    fn frames_of<'a>(&'a self, location: &'a Location) -> impl Iterator<Item = Frame<'a>> {
        let unsymbolized = location.lines.is_empty().then_some(Frame {
            location,
            function: None,
            line: 0,
            inlined: false,
        });
        let last = location.lines.len().saturating_sub(1);
        let lines = location.lines.iter().enumerate();
        unsymbolized
            .into_iter()
            .chain(lines.map(move |(at, line)| Frame {
                location,
                function: self.functions.get(line.function.index()),
                line: line.line,
                inlined: at < last,
            }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_sample_type_is_the_last_if_the_named_one_is_missing() {
        let mut profile = Profile {
            sample_types: ["objects", "space"].map(|k| ValueType::new(k, "")).to_vec(),
            ..Profile::default()
        };
        for (default, index) in [("", 1), ("objects", 0), ("cpu", 1)] {
            profile.default_sample_type = default.into();
            assert_eq!(profile.sample_type("").unwrap().index(), index, "{default}");
        }
        let error = profile.sample_type("cpu").unwrap_err();
        assert!(error.is_mismatch());
        assert_eq!(
            error.to_string(),
            "the profile has no sample type `cpu`: it has objects, space"
        );
        let error = Profile::default().sample_type("").unwrap_err();
        assert_eq!(error.to_string(), "the profile has no sample types");
    }

    #[test]
    fn a_symbol_replaces_a_missing_name() {
        let function = |name: &str, symbol: &str| Function {
            name: name.into(),
            system_name: symbol.into(),
            ..Function::default()
        };
        let shown = |name, symbol| function(name, symbol).shown_name().cloned();
        assert_eq!(shown("f", "_f").as_deref(), Some("f"));
        assert_eq!(shown("", "_f").as_deref(), Some("_f"));
        assert_eq!(shown("", ""), None);
    }
}
