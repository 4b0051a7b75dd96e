//! The loaded file of each address of a profile.

use heaptide_profile::{Mapping, MappingId, Profile};
use std::sync::Arc;

/// A file loaded into this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Module {
    /// Its path; `[vdso]` for the kernel's.
    pub(crate) file: Arc<str>,
    /// Its GNU build id in hexadecimal; empty if it has none (link with `--build-id`).
    pub(crate) build_id: Arc<str>,
    /// Its executable segments.
    pub(crate) text: Vec<TextSegment>,
}

/// The pages of an executable segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TextSegment {
    /// First address.
    pub(crate) start: u64,
    /// Address behind the last one.
    pub(crate) limit: u64,
    /// Position in the file of the byte at `start`.
    pub(crate) file_offset: u64,
}

/// The modules loaded now, the main executable first. Empty on targets other than 64-bit Linux.
pub(crate) fn loaded_modules() -> Vec<Module> {
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    return super::modules::loaded();
    #[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
    return Vec::new();
}

/// Gives the profile its mappings, and every location the mapping with its address.
///
/// The main executable is the first of `modules`. It is always the first mapping, also without a
/// location in it, because viewers take file name and build id of the whole profile from there. The
/// others follow in the order of their addresses, if they have a location. A location in none of
/// them, such as a marker for lost stacks, has no mapping. Mappings of the profile are replaced.
/// The `has_*` flags are not set, because no address is symbolized yet.
pub(crate) fn map_locations(profile: &mut Profile, modules: &[Module]) {
    let mut parts: Vec<(TextSegment, &Module)> = modules
        .iter()
        .flat_map(|module| module.text.iter().map(move |&segment| (segment, module)))
        .collect();
    parts.sort_by_key(|(segment, _)| segment.start);
    let part_of = |address: u64| {
        let behind = parts.partition_point(|(segment, _)| segment.start <= address);
        let at = behind.checked_sub(1)?;
        let (segment, _) = parts.get(at)?;
        (address < segment.limit).then_some(at)
    };

    let held: Vec<Option<usize>> = profile
        .locations
        .iter()
        .map(|l| part_of(l.address))
        .collect();
    let mut is_used = vec![false; parts.len()];
    for &at in held.iter().flatten() {
        if let Some(used) = is_used.get_mut(at) {
            *used = true;
        }
    }

    profile.mappings.clear();
    let mut ids = vec![None; parts.len()];
    let main_text = modules.first().map(|main| {
        let text = main.text.first().copied().unwrap_or_default();
        profile.mappings.push(mapping(text, main));
        text
    });
    for (id, (&(segment, module), used)) in ids.iter_mut().zip(parts.iter().zip(is_used)) {
        if Some(segment) == main_text {
            *id = MappingId::new(0);
        } else if used {
            *id = MappingId::new(profile.mappings.len());
            profile.mappings.push(mapping(segment, module));
        }
    }
    for (location, at) in profile.locations.iter_mut().zip(held) {
        location.mapping = at.and_then(|at| ids.get(at).copied().flatten());
    }
}

fn mapping(segment: TextSegment, module: &Module) -> Mapping {
    Mapping {
        start: segment.start,
        limit: segment.limit,
        file_offset: segment.file_offset,
        file: module.file.clone(),
        build_id: module.build_id.clone(),
        ..Mapping::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heaptide_profile::{Function, FunctionId, Line, Location};

    fn module(file: &str, text: &[(u64, u64, u64)]) -> Module {
        let segment = |&(start, limit, file_offset)| TextSegment {
            start,
            limit,
            file_offset,
        };
        Module {
            file: file.into(),
            build_id: format!("id of {file}").into(),
            text: text.iter().map(segment).collect(),
        }
    }

    fn at(addresses: &[u64]) -> Profile {
        let location = |&address| Location {
            address,
            ..Location::default()
        };
        Profile {
            locations: addresses.iter().map(location).collect(),
            ..Profile::default()
        }
    }

    fn files(profile: &Profile) -> Vec<&str> {
        profile.mappings.iter().map(|m| &*m.file).collect()
    }

    fn mapped(profile: &Profile) -> Vec<Option<usize>> {
        let ids = profile.locations.iter().map(|l| l.mapping);
        ids.map(|id| id.map(MappingId::index)).collect()
    }

    #[test]
    fn main_leads_and_the_used_follow_by_address() {
        let modules = [
            module("main", &[(0x5000, 0x6000, 0x100)]),
            module("high", &[(0x9000, 0xa000, 0)]),
            module("unused", &[(0x7000, 0x8000, 0)]),
            module("low", &[(0x1000, 0x2000, 0), (0x3000, 0x4000, 0x2000)]),
        ];
        let mut profile = at(&[0x9fff, 0x5000, 0x3001, 0x1000, 0xa000, 0x4000, 0, u64::MAX]);
        map_locations(&mut profile, &modules);
        assert_eq!(files(&profile), ["main", "low", "low", "high"]);
        let held = [Some(3), Some(0), Some(2), Some(1), None, None, None, None];
        assert_eq!(mapped(&profile), held);
        let upper = &profile.mappings[2];
        assert_eq!(
            (upper.start, upper.limit, upper.file_offset),
            (0x3000, 0x4000, 0x2000)
        );
        assert_eq!(&*upper.build_id, "id of low");
        assert!(profile.mappings.iter().all(|m| {
            !(m.has_functions || m.has_filenames || m.has_line_numbers || m.has_inline_frames)
        }));
    }

    #[test]
    fn an_unused_main_is_still_the_first() {
        let modules = [
            module("main", &[(0x5000, 0x6000, 0), (0x6000, 0x7000, 0x1000)]),
            module("lib", &[(0x1000, 0x2000, 0)]),
        ];
        let mut profile = at(&[0x1500]);
        map_locations(&mut profile, &modules);
        assert_eq!(files(&profile), ["main", "lib"]);
        assert_eq!(mapped(&profile), [Some(1)]);
    }

    #[test]
    fn a_marker_keeps_its_line_and_has_no_mapping() {
        let mut profile = at(&[1, 0x5001]);
        profile.functions.push(Function {
            name: "[stack table full]".into(),
            ..Function::default()
        });
        let line = Line {
            function: FunctionId::new(0).unwrap(),
            line: 0,
            column: 0,
        };
        profile.locations[0].lines = vec![line];
        map_locations(&mut profile, &[module("main", &[(0x5000, 0x6000, 0)])]);
        assert_eq!(mapped(&profile), [None, Some(0)]);
        assert_eq!(profile.locations[0].lines, [line]);
    }

    #[test]
    fn without_modules_there_are_no_mappings() {
        let mut profile = at(&[0x5001]);
        profile.locations[0].mapping = MappingId::new(7);
        map_locations(&mut profile, &[]);
        assert!(profile.mappings.is_empty());
        assert_eq!(mapped(&profile), [None]);
    }
}
