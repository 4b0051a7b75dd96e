//! Call stacks by name: what makes two samples the same stack, and which frame gets the blame.
//!
//! Separate from `history` because it decides whom to blame: never the standard library. It judges names and paths only, never amounts.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::Profile;
use crate::printable::printable;
use crate::profile::{Frame, Location, Sample};
use crate::symbolize::is_standard_library;

/// A logical call on a stack, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StackFrame {
    /// The function; its address in hexadecimal where it has no name.
    pub name: Arc<str>,
    /// Path of the source file; empty where it is not known.
    pub file: Arc<str>,
    /// Line in the file; 0 where it is not known.
    pub line: i64,
}

impl fmt::Display for StackFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.name))?;
        let path = |file| printable(short_path(file));
        match (&*self.file, self.line) {
            ("", _) => Ok(()),
            (file, 0) => write!(f, " at {}", path(file)),
            (file, line) => write!(f, " at {}:{line}", path(file)),
        }
    }
}

/// A path as people name it: from the crate's folder on for a crate of a registry, from `library` on for
/// the standard library, whole otherwise.
fn short_path(file: &str) -> &str {
    if let Some((_, rest)) = file.split_once("/registry/src/") {
        return rest.split_once('/').map_or(rest, |(_, path)| path);
    }
    match file.strip_prefix("/rustc/") {
        Some(rest) => rest.split_once('/').map_or(rest, |(_, path)| path),
        None => file,
    }
}

/// A function by its number in [`Names`], and a line in it.
pub(super) type Call = (usize, i64);

/// The functions met so far, numbered, so that stacks of different profiles compare by numbers.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: HashMap<(Arc<str>, Arc<str>), usize>,
    functions: Vec<NamedFunction>,
}

#[derive(Debug)]
struct NamedFunction {
    name: Arc<str>,
    file: Arc<str>,
    is_standard: bool,
}

impl Names {
    /// The calls of a sample, leaf first, inlined ones included.
    pub(super) fn calls(&mut self, profile: &Profile, sample: &Sample) -> Vec<Call> {
        profile
            .frames(sample)
            .map(|frame| (self.number(&frame), frame.line))
            .collect()
    }

    /// How many calls at the leaf are standard library code, called by the frame that is to blame.
    /// If there is nothing else on the stack, none is skipped.
    pub(super) fn skipped(&self, calls: &[Call]) -> usize {
        calls
            .iter()
            .position(|call| self.functions.get(call.0).is_some_and(|f| !f.is_standard))
            .unwrap_or(0)
    }

    /// A call with its names; `None` for a stack without frames.
    pub(super) fn frame(&self, call: Option<&Call>) -> StackFrame {
        let function = call.and_then(|call| self.functions.get(call.0));
        StackFrame {
            name: function.map_or_else(|| "[no stack]".into(), |f| Arc::clone(&f.name)),
            file: function.map_or_else(|| "".into(), |f| Arc::clone(&f.file)),
            line: call.map_or(0, |call| call.1),
        }
    }

    fn number(&mut self, frame: &Frame<'_>) -> usize {
        let named = frame
            .function
            .and_then(|f| Some((f.shown_name()?, &f.file)));
        let (name, file) = match named {
            Some((name, file)) => (Arc::clone(name), Arc::clone(file)),
            None => (address_name(frame.location), "".into()),
        };
        let next = self.functions.len();
        let number = *self
            .numbers
            .entry((Arc::clone(&name), Arc::clone(&file)))
            .or_insert(next);
        if number == next {
            self.functions.push(NamedFunction {
                is_standard: is_standard(&name, &file),
                name,
                file,
            });
        }
        number
    }
}

fn address_name(location: &Location) -> Arc<str> {
    format!("{:#x}", location.address).into()
}

/// Whether a function is code of the standard library, which allocates on behalf of its caller.
///
/// The path decides where it is known: the library's own sources and its vendored dependencies
/// (hashbrown lies behind every `HashMap`). A name alone can mislead (`<T as core::clone::Clone>` of
/// a program's type is the program's code), so only names that *start* in the library count.
fn is_standard(name: &str, file: &str) -> bool {
    const NAMES: [&str; 7] = [
        "alloc::",
        "core::",
        "std::",
        "hashbrown::",
        "__rustc::",
        "__rust_",
        "__rdl_",
    ];
    if !file.is_empty() {
        return is_standard_library(file);
    }
    let start = name.trim_start_matches(['<', '&']);
    NAMES.iter().any(|prefix| start.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::is_standard;

    #[test]
    fn the_path_decides_before_the_name() {
        let library = "/rustc/1234/library/alloc/src/raw_vec/mod.rs";
        assert!(is_standard("alloc::raw_vec::finish_grow", library));
        assert!(is_standard("<T as my::Trait>::f", library));
        assert!(is_standard(
            "hashbrown::raw::RawTable<T,A>::reserve_rehash",
            "/rust/deps/hashbrown-0.16.1/src/raw.rs"
        ));
        assert!(!is_standard("std::my_module::f", "src/std/my_module.rs"));
        assert!(is_standard(
            "hashbrown::raw::RawTable<T,A>::reserve_rehash",
            "/usr/src/rustc-1.85.0/vendor/hashbrown-0.15.2/src/raw/mod.rs"
        ));
        assert!(!is_standard(
            "books::shelve",
            "/home/me/library/core/src/lib.rs"
        ));
        let registry = "/home/me/.cargo/registry/src/index/bytes-1.0/src/lib.rs";
        assert!(!is_standard("bytes::Bytes::copy", registry));
    }

    #[test]
    fn without_a_path_only_names_that_start_in_the_library_count() {
        assert!(is_standard(
            "<alloc::vec::Vec<T> as core::clone::Clone>::clone",
            ""
        ));
        assert!(is_standard("__rustc::__rust_alloc", ""));
        assert!(!is_standard(
            "<app::Cache as core::clone::Clone>::clone",
            ""
        ));
        assert!(!is_standard("allocator_bench::run", ""));
    }
}
