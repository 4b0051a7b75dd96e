//! Puts the lines that were found for addresses into a profile.
//!
//! It also sets the flags of mappings.
//!
//! The symbolizer of this process and the one that reads files share it, so that both write the
//! same for the same lines. It does not know how lines are found.

use crate::{Function, FunctionId, Line, Location, MappingId, Profile};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A line at an address, with its texts shared.
#[derive(Clone, Debug)]
pub struct FoundLine {
    name: Arc<str>,
    system_name: Arc<str>,
    file: Arc<str>,
    line: u32,
}

impl FoundLine {
    /// A line of the function with this symbol, as the linker knows it.
    #[must_use]
    pub fn new(
        texts: &mut HashSet<Arc<str>>,
        symbol: Option<&[u8]>,
        file: &str,
        line: u32,
    ) -> Self {
        let raw = symbol.and_then(|symbol| std::str::from_utf8(symbol).ok());
        let name = match raw.and_then(|raw| rustc_demangle::try_demangle(raw).ok()) {
            // Without the hash at the end of the old mangling.
            Some(demangled) => format!("{demangled:#}").into(),
            None => symbol.map(String::from_utf8_lossy).unwrap_or_default(),
        };
        // A symbol of C is its own name. If both fields were equal, pprof would take the name for
        // one of C++ and strip everything in brackets.
        let system_name = raw.filter(|&raw| raw != name).unwrap_or_default();
        Self {
            name: intern(texts, &name),
            system_name: intern(texts, system_name),
            file: intern(texts, file),
            line,
        }
    }
}

/// The one shared copy of a text.
fn intern(texts: &mut HashSet<Arc<str>>, text: &str) -> Arc<str> {
    if let Some(known) = texts.get(text) {
        return known.clone();
    }
    let text: Arc<str> = text.into();
    texts.insert(text.clone());
    text
}

/// Replaces the lines of each location for which `lines_of` gives some, innermost line first.
pub fn add<'a>(
    profile: &mut Profile,
    mut lines_of: impl FnMut(&Location) -> Option<&'a [FoundLine]>,
) {
    let mut ids: HashMap<Function, FunctionId> = HashMap::new();
    for (at, function) in profile.functions.iter().enumerate() {
        if let Some(id) = FunctionId::new(at) {
            ids.entry(function.clone()).or_insert(id);
        }
    }
    let functions = &mut profile.functions;
    let mut id_of = |found: &FoundLine| {
        let function = Function {
            name: found.name.clone(),
            system_name: found.system_name.clone(),
            file: found.file.clone(),
            start_line: 0,
        };
        if let Some(&id) = ids.get(&function) {
            return Some(id);
        }
        let id = FunctionId::new(functions.len())?;
        functions.push(function.clone());
        ids.insert(function, id);
        Some(id)
    };
    for location in &mut profile.locations {
        let Some(found) = lines_of(location) else {
            continue;
        };
        location.lines = found
            .iter()
            .filter_map(|found| {
                Some(Line {
                    function: id_of(found)?,
                    line: found.line.into(),
                    column: 0,
                })
            })
            .collect();
    }
}

/// Sets the flags of each mapping by what its locations have.
///
/// * All have a name: all four flags, as Go sets `has_functions`. Then no program symbolizes it
///   again.
/// * Some have a name: all flags except `has_functions`. `pprof` replaces the lines of every
///   location with its own, which lack inlined calls and types, only if `has_functions`,
///   `has_filenames` and `has_line_numbers` are all unset. So it leaves the lines alone, and does
///   not warn about a missing file. Programs that ask only for locations without lines can still
///   fill the gaps: `pprof` at `/debug/pprof/symbol`, and servers with debug files. libc is nearly
///   always such a mapping: only its exported functions have names.
/// * None has a name, or there are no locations: no flag. Another attempt loses nothing.
pub fn set_flags(profile: &mut Profile) {
    let mut named = vec![(0_usize, 0_usize); profile.mappings.len()];
    let functions = &profile.functions;
    let is_named = |line: &Line| {
        let function = functions.get(line.function.index());
        function.is_some_and(|function| !function.name.is_empty())
    };
    for Location { mapping, lines, .. } in &profile.locations {
        let count = mapping.and_then(|id: MappingId| named.get_mut(id.index()));
        if let Some((all, with_name)) = count {
            *all += 1;
            *with_name += usize::from(lines.iter().any(is_named));
        }
    }
    for (mapping, (all, with_name)) in profile.mappings.iter_mut().zip(named) {
        let has_some = with_name > 0;
        mapping.has_functions = has_some && with_name == all;
        mapping.has_filenames = has_some;
        mapping.has_line_numbers = has_some;
        mapping.has_inline_frames = has_some;
    }
}
