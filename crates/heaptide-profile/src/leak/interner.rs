//! Call stacks by name, each kept once under a number that stands for it in all profiles.
//!
//! It decides where a rolled-up stack begins: never in the standard library. It looks at names and
//! paths only, never at amounts.

use std::collections::HashMap;
use std::sync::Arc;

use super::frame::StackFrame;
use crate::frames::is_standard_library;
use crate::{Error, Result};

/// A function by its number in [`StackInterner`], and a line in it.
pub(super) type InternedCall = (u32, i64);

/// Most frames that are held of all different stacks together: a quarter of a gigabyte at worst.
///
/// A large service has some millions of stacks. A bound is needed since a few bytes of a file can
/// name a location with many lines over and over.
const MOST_FRAMES: usize = 16 << 20;

/// The functions, locations and stacks met so far, numbered in the order in which they were met.
///
/// Stacks of different profiles compare by numbers, and each name is kept once.
#[derive(Debug, Default)]
pub(super) struct StackInterner {
    functions: Vec<NamedFunction>,
    function_numbers: HashMap<(Arc<str>, Arc<str>), u32>,
    /// The calls of each location, inlined ones first.
    locations: Vec<Arc<[InternedCall]>>,
    location_numbers: HashMap<Arc<[InternedCall]>, u32>,
    addresses: HashMap<u64, u32>,
    paths: Vec<InternedPath>,
    path_numbers: HashMap<Arc<[u32]>, u32>,
    /// The functions of each rolled-up stack: from the innermost one outside the standard library
    /// to the root.
    stacks: Vec<Arc<[u32]>>,
    stack_numbers: HashMap<Arc<[u32]>, u32>,
    /// How many frames are held, inlined ones expanded.
    frames: usize,
}

#[derive(Debug)]
struct NamedFunction {
    name: Arc<str>,
    file: Arc<str>,
    is_standard: bool,
    is_address: bool,
}

/// The locations of a call stack, leaf first, and the number of its rolled-up stack.
#[derive(Debug)]
struct InternedPath {
    locations: Arc<[u32]>,
    stack: u32,
}

impl StackInterner {
    /// The number of a path, if the path is known.
    pub(super) fn known_path(&self, locations: &[u32]) -> Option<u32> {
        self.path_numbers.get(locations).copied()
    }

    /// The rolled-up stack of a path.
    pub(super) fn stack_of(&self, path: u32) -> u32 {
        self.paths.get(path as usize).map_or(0, |path| path.stack)
    }

    /// How many rolled-up stacks there are.
    pub(super) fn stacks(&self) -> usize {
        self.stacks.len()
    }

    /// The functions of a rolled-up stack, from the one that allocates to the root.
    pub(super) fn functions(&self, stack: u32) -> &[u32] {
        self.stacks.get(stack as usize).map_or(&[], |stack| stack)
    }

    /// Whether a function belongs to the standard library.
    pub(super) fn is_standard(&self, function: u32) -> bool {
        self.functions
            .get(function as usize)
            .is_some_and(|f| f.is_standard)
    }

    /// Whether the function that allocates has no name but its address.
    pub(super) fn is_unnamed(&self, stack: u32) -> bool {
        let function = self.functions(stack).first();
        function.is_some_and(|&f| self.functions.get(f as usize).is_some_and(|f| f.is_address))
    }

    /// The frames of a path, leaf first.
    pub(super) fn frames(&self, path: u32) -> Vec<StackFrame> {
        self.calls(path).map(|call| self.frame(call)).collect()
    }

    /// Position in a path of the frame that its rolled-up stack begins with. The frames before it
    /// belong to the standard library.
    pub(super) fn skipped(&self, path: u32) -> usize {
        let of_program = |call: InternedCall| !self.is_standard(call.0);
        self.calls(path).position(of_program).unwrap_or(0)
    }

    /// The call that a path's rolled-up stack begins with; `None` for a stack without frames.
    pub(super) fn site(&self, path: u32) -> Option<InternedCall> {
        self.calls(path).nth(self.skipped(path))
    }

    /// The function that allocates, without a line.
    pub(super) fn function_of(&self, stack: u32) -> StackFrame {
        match self.functions(stack).first() {
            Some(&function) => self.frame((function, 0)),
            None => StackFrame::none(),
        }
    }

    fn calls(&self, path: u32) -> impl Iterator<Item = InternedCall> {
        let locations = self.paths.get(path as usize).map(|path| &*path.locations);
        let locations = locations.unwrap_or_default().iter();
        locations
            .filter_map(|&location| self.locations.get(location as usize))
            .flat_map(|calls| calls.iter().copied())
    }

    fn frame(&self, (function, line): InternedCall) -> StackFrame {
        let Some(function) = self.functions.get(function as usize) else {
            return StackFrame::none();
        };
        StackFrame {
            name: Arc::clone(&function.name),
            file: Arc::clone(&function.file),
            line,
        }
    }

    pub(super) fn function(
        &mut self,
        name: &Arc<str>,
        file: &Arc<str>,
        is_address: bool,
    ) -> Result<u32> {
        let key = (Arc::clone(name), Arc::clone(file));
        if let Some(&number) = self.function_numbers.get(&key) {
            return Ok(number);
        }
        let number = self.spend(self.functions.len(), 1)?;
        self.functions.push(NamedFunction {
            is_standard: is_standard(name, file),
            name: Arc::clone(name),
            file: Arc::clone(file),
            is_address,
        });
        self.function_numbers.insert(key, number);
        Ok(number)
    }

    pub(super) fn address(&mut self, address: u64) -> Result<u32> {
        self.function(&format!("{address:#x}").into(), &"".into(), true)
    }

    pub(super) fn unnamed_location(&mut self, address: u64) -> Result<u32> {
        if let Some(&location) = self.addresses.get(&address) {
            return Ok(location);
        }
        let function = self.address(address)?;
        let location = self.add_location([(function, 0)].into())?;
        self.addresses.insert(address, location);
        Ok(location)
    }

    pub(super) fn add_location(&mut self, calls: Arc<[InternedCall]>) -> Result<u32> {
        if let Some(&location) = self.location_numbers.get(&calls) {
            return Ok(location);
        }
        let location = self.spend(self.locations.len(), calls.len())?;
        self.locations.push(Arc::clone(&calls));
        self.location_numbers.insert(calls, location);
        Ok(location)
    }

    pub(super) fn add_path(&mut self, locations: Arc<[u32]>) -> Result<u32> {
        let path = self.spend(self.paths.len(), locations.len())?;
        let of = |location: &u32| self.locations.get(*location as usize);
        let frames: usize = locations
            .iter()
            .filter_map(of)
            .map(|calls| calls.len())
            .sum();
        // The bound is checked before the frames are expanded.
        self.spend(self.stacks.len(), frames)?;
        let calls = locations
            .iter()
            .filter_map(|&p| self.locations.get(p as usize));
        let functions: Vec<u32> = calls.flat_map(|calls| calls.iter().map(|c| c.0)).collect();
        let of_program = functions.iter().position(|&f| !self.is_standard(f));
        let rolled = functions.get(of_program.unwrap_or(0)..).unwrap_or_default();
        let stack = match self.stack_numbers.get(rolled) {
            Some(&stack) => stack,
            None => {
                let stack = number(self.stacks.len())?;
                let rolled: Arc<[u32]> = rolled.into();
                self.stacks.push(Arc::clone(&rolled));
                self.stack_numbers.insert(rolled, stack);
                stack
            }
        };
        let key = Arc::clone(&locations);
        self.paths.push(InternedPath { locations, stack });
        self.path_numbers.insert(key, path);
        Ok(path)
    }

    /// Counts frames against the bound, and gives the number of the entry that holds them.
    fn spend(&mut self, next: usize, frames: usize) -> Result<u32> {
        self.frames = self.frames.saturating_add(frames);
        if self.frames > MOST_FRAMES {
            return Err(too_many());
        }
        number(next)
    }
}

fn number(next: usize) -> Result<u32> {
    u32::try_from(next).map_err(|_too_big| too_many())
}

fn too_many() -> Error {
    Error::too_large(format!(
        "the profiles' call stacks have more than {MOST_FRAMES} frames, inlined ones expanded: \
         leave out stacks that are of no interest, or give fewer profiles"
    ))
}

/// Whether a function is code of the standard library, which allocates on behalf of its caller.
///
/// The path decides where it is known: the library's own sources and its vendored dependencies
/// (hashbrown lies behind every `HashMap`). A name alone can mislead (`<T as core::clone::Clone>`
/// of a program's type is the program's code), so only names that *start* in the library count.
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
