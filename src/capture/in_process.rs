//! Functions, files and lines for addresses of this process, through `backtrace`.
//!
//! `backtrace` keeps what it parsed of the debug info for ever: 33 MiB of heap for 500 addresses of
//! a program of middle size. So its answers are kept here, as shared texts by address, and its own
//! cache is dropped after each use. A profile every second then looks up only new addresses.
//! Measured for 300 addresses: 0.6 MiB stays allocated, and 26 MiB with the cache kept. The
//! allocator decides when the freed pages leave the process: jemalloc gives them back by decay,
//! glibc hardly.
//!
//! There are two limits.
//!
//! - `backtrace` takes its list of modules once, at its first use in the process. Addresses in
//!   modules loaded later stay raw.
//! - With `debug = "line-tables-only"`, functions with inlined calls have names without a path
//!   (`track` for `RequestTracker::track`). `backtrace` does not offer the symbol table's name too,
//!   and reading the table a second time is not worth it. `debug = "limited"` has full names.

use super::mappings::{Module, TextSegment};
use heaptide_profile::internal::lines::{self, FoundLine};
use heaptide_profile::{Location, Mapping, MappingId, Profile};
use std::collections::{HashMap, HashSet};
use std::ptr;
use std::sync::Arc;

/// Gives locations of profiles their lines, and remembers them.
///
/// A process has one. A second one would have another idea of the modules that `backtrace` knows,
/// which are those that were loaded at its first use.
#[derive(Debug, Default)]
pub(crate) struct Symbolizer {
    /// The modules when `backtrace` took its list. It keeps answering from these files for their
    /// addresses, also after another module took the place.
    known: Option<Vec<Module>>,
    /// The modules at the last profile.
    loaded: Vec<Module>,
    /// The lines of each address, innermost first; empty if none were found.
    lines: HashMap<u64, Box<[FoundLine]>>,
    texts: HashSet<Arc<str>>,
}

impl Symbolizer {
    /// Gives lines to each location that has none. Returns how many addresses were looked up anew.
    ///
    /// `loaded` are the modules loaded now. A location is looked up only if its mapping is one of
    /// them, because other code may be in the place of a module that was unloaded since. A location
    /// for which nothing is found keeps no lines. Locations that have lines keep them.
    pub(crate) fn symbolize(&mut self, profile: &mut Profile, loaded: &[Module]) -> usize {
        self.forget_unloaded(loaded);
        let is_resolvable = self.resolvable(&profile.mappings);
        let holds = |location: &Location| {
            let at = location.mapping.map(MappingId::index);
            location.lines.is_empty() && at.and_then(|at| is_resolvable.get(at)) == Some(&true)
        };
        let resolved = self.resolve_new(profile, holds);
        lines::add(profile, |location| {
            holds(location).then(|| {
                self.lines
                    .get(&location.address)
                    .map_or(&[][..], |found| found)
            })
        });
        lines::set_flags(profile);
        resolved
    }

    /// The same, without remembering addresses that no profile had. Clients can make up as many
    /// addresses as the program has bytes of code.
    #[cfg(any(test, feature = "http"))]
    pub(crate) fn symbolize_once(&mut self, profile: &mut Profile, loaded: &[Module]) {
        let addresses = profile.locations.iter().map(|location| location.address);
        let new: Vec<u64> = addresses
            .filter(|address| !self.lines.contains_key(address))
            .collect();
        self.symbolize(profile, loaded);
        for address in new {
            self.lines.remove(&address);
        }
        self.lines.shrink_to_fit();
        // The texts that the profile holds are dropped at the next call.
        self.drop_unused_texts();
    }

    /// Forgets the addresses in modules that are not loaded any more.
    fn forget_unloaded(&mut self, loaded: &[Module]) {
        if self.loaded == loaded {
            return;
        }
        let staying: Vec<TextSegment> = self
            .loaded
            .iter()
            .filter(|module| loaded.contains(module))
            .flat_map(|module| module.text.iter().copied())
            .collect();
        self.lines.retain(|&address, _| {
            let holds = |segment: &TextSegment| (segment.start..segment.limit).contains(&address);
            staying.iter().any(holds)
        });
        self.drop_unused_texts();
        self.loaded = loaded.to_vec();
    }

    fn drop_unused_texts(&mut self) {
        self.texts.retain(|text| Arc::strong_count(text) > 1);
    }

    /// Whether each mapping is of a module that is loaded and that `backtrace` knows.
    fn resolvable(&self, mappings: &[Mapping]) -> Vec<bool> {
        let known = self.known.as_ref().unwrap_or(&self.loaded);
        let is_resolvable = |mapping: &Mapping| {
            let is = |module: &Module| is_part(mapping, module);
            self.loaded.iter().any(is) && known.iter().any(is)
        };
        mappings.iter().map(is_resolvable).collect()
    }

    /// Looks up the wanted addresses that are not known yet.
    fn resolve_new(&mut self, profile: &Profile, is_wanted: impl Fn(&Location) -> bool) -> usize {
        let mut new: Vec<(Option<MappingId>, u64)> = profile
            .locations
            .iter()
            .filter(|l| !self.lines.contains_key(&l.address) && is_wanted(l))
            .map(|l| (l.mapping, l.address))
            .collect();
        // Module by module, because `backtrace` keeps the debug info of only four in memory.
        new.sort_unstable();
        new.dedup();
        if new.is_empty() {
            return 0;
        }
        if self.known.is_none() {
            self.known = Some(self.loaded.clone());
        }
        for &(_, address) in &new {
            let lines = self.resolve(address);
            self.lines.insert(address, lines);
        }
        backtrace::clear_symbol_cache();
        new.len()
    }

    fn resolve(&mut self, address: u64) -> Box<[FoundLine]> {
        let mut found = vec![];
        // `backtrace` takes a return address, and subtracts the 1 itself.
        let return_address = address.checked_add(1).and_then(|a| usize::try_from(a).ok());
        let Some(return_address) = return_address else {
            return found.into();
        };
        // Nothing in the closure may call `backtrace`. It holds a reference into the cache, which a
        // nested call would change (rust-lang/backtrace-rs#758).
        backtrace::resolve(ptr::without_provenance_mut(return_address), |symbol| {
            let name = symbol.name();
            let file = symbol.filename().map(|path| path.to_string_lossy());
            let line = symbol.lineno().unwrap_or(0);
            found.push(FoundLine::new(
                &mut self.texts,
                name.as_ref().map(backtrace::SymbolName::as_bytes),
                &file.unwrap_or_default(),
                line,
            ));
        });
        found.into()
    }
}

/// Whether the mapping is of this module as it is loaded now.
fn is_part(mapping: &Mapping, module: &Module) -> bool {
    mapping.build_id == module.build_id
        && mapping.file == module.file
        && module.text.iter().any(|segment| {
            (segment.start, segment.limit, segment.file_offset)
                == (mapping.start, mapping.limit, mapping.file_offset)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::mappings::{loaded_modules, map_locations};
    use heaptide_profile::internal::trim;
    use heaptide_profile::{Function, FunctionId, Line, LocationId, Sample, Trim};
    use std::fmt;
    use std::hash::{Hash, Hasher};
    use std::path::Path;

    /// The return addresses of the calling stack, leaf first.
    #[inline(never)]
    fn capture() -> Vec<usize> {
        let mut addresses = vec![];
        backtrace::trace(|frame| {
            addresses.push(frame.ip() as usize);
            true
        });
        addresses.retain(|&address| address > 1);
        addresses
    }

    #[test]
    fn what_is_asked_once_is_not_remembered() {
        let mut symbolizer = Symbolizer::default();
        let loaded = loaded_modules();
        let stack = capture();
        let (first, rest) = stack.split_first().unwrap();
        symbolizer.symbolize(&mut profile(&[*first]), &loaded);
        assert_eq!(symbolizer.lines.len(), 1);
        let mut once = profile(&stack);
        symbolizer.symbolize_once(&mut once, &loaded);
        let named = once
            .locations
            .iter()
            .filter(|location| !location.lines.is_empty());
        assert!(named.count() > 3);
        assert!(rest.len() > 3 && symbolizer.lines.len() == 1);
        drop(once);
        symbolizer.drop_unused_texts();
        assert!(
            symbolizer.texts.len() <= 3 * symbolizer.lines.values().map(|l| l.len()).sum::<usize>()
        );
    }

    #[inline(never)]
    fn outer<T: Default>(_: T) -> (u32, Vec<usize>) {
        let stack = inlined();
        (line!() - 1, stack)
    }

    #[inline(always)]
    fn inlined() -> Vec<usize> {
        Inner::method()
    }

    struct Inner;

    impl Inner {
        #[inline(always)]
        fn method() -> Vec<usize> {
            capture()
        }
    }

    /// A profile of one sample, mapped.
    fn profile(stack: &[usize]) -> Profile {
        let mut profile = Profile::default();
        for &address in stack {
            profile.locations.push(Location {
                address: address as u64 - 1,
                ..Location::default()
            });
        }
        profile.samples.push(Sample {
            locations: (0..stack.len()).filter_map(LocationId::new).collect(),
            values: vec![1],
            labels: vec![],
        });
        map_locations(&mut profile, &loaded_modules());
        profile
    }

    fn names(profile: &Profile) -> Vec<&str> {
        let frames = profile.frames(&profile.samples[0]);
        frames
            .map(|f| f.function.map_or("?", |f| &*f.name))
            .collect()
    }

    /// The names without the path of this module.
    fn short(profile: &Profile) -> Vec<&str> {
        let prefix = concat!(module_path!(), "::");
        let names = names(profile).into_iter();
        names
            .map(|name| name.strip_prefix(prefix).unwrap_or(name))
            .collect()
    }

    #[test]
    #[cfg_attr(
        not(debug_assertions),
        ignore = "what is inlined where is the optimizer's choice"
    )]
    fn real_addresses_get_names_files_lines_and_inlined_calls() {
        let (line, stack) = outer(7_u8);
        let mut profile = profile(&stack);
        Symbolizer::default().symbolize(&mut profile, &loaded_modules());

        let names = short(&profile);
        let at = names.iter().position(|&name| name == "inlined").unwrap();
        assert_eq!(names[at - 1], "Inner::method", "{names:#?}");
        assert!(names[at + 1].starts_with("outer"), "{names:#?}");
        let test = "real_addresses_get_names_files_lines_and_inlined_calls";
        assert_eq!(names[at + 2], test);

        let frames: Vec<_> = profile.frames(&profile.samples[0]).collect();
        let inlined: Vec<bool> = frames[at - 1..at + 3].iter().map(|f| f.inlined).collect();
        assert_eq!(inlined, [true, true, false, false]);
        assert_eq!(frames[at - 1].location, frames[at + 1].location);
        let outer = frames[at + 1].function.unwrap();
        assert_eq!(frames[at + 1].line, i64::from(line));
        assert!(
            outer.file.ends_with("src/capture/in_process.rs"),
            "{}",
            outer.file
        );
        assert!(Path::new(&*outer.file).is_absolute(), "{}", outer.file);
        assert!(
            outer.system_name.starts_with("_ZN") || outer.system_name.starts_with("_R"),
            "{outer:?}"
        );
        assert!(
            !outer.name.contains("17h"),
            "the hash is left: {}",
            outer.name
        );

        let main = &profile.mappings[0];
        let flags = (
            main.has_functions,
            main.has_filenames,
            main.has_line_numbers,
        );
        assert_eq!((flags, main.has_inline_frames), ((true, true, true), true));
    }

    #[test]
    fn every_function_is_there_once_and_no_name_is_its_system_name() {
        let mut profile = profile(&outer(7_u8).1);
        Symbolizer::default().symbolize(&mut profile, &loaded_modules());
        let distinct: HashSet<&Function> = profile.functions.iter().collect();
        assert_eq!(distinct.len(), profile.functions.len());
        for function in &profile.functions {
            assert_ne!(function.name, function.system_name);
            assert!(!function.name.is_empty());
        }
        // `core` comes prebuilt with the new mangling. This crate has the compiler's default.
        let prebuilt = |f: &&Function| f.file.contains("/library/std/src/panicking.rs");
        let catch = profile.functions.iter().find(prebuilt).unwrap();
        assert!(
            !catch.system_name.is_empty() && catch.name.contains("::"),
            "{catch:?}"
        );
    }

    #[test]
    fn the_address_itself_is_looked_up_not_the_byte_before() {
        // The first byte of a function. The byte before is another function's, or padding.
        let start = outer::<u32> as *const () as usize;
        let mut profile = profile(&[start + 1]);
        assert_eq!(profile.locations[0].address, start as u64);
        Symbolizer::default().symbolize(&mut profile, &loaded_modules());
        assert!(
            short(&profile)[0].starts_with("outer"),
            "{:?}",
            names(&profile)
        );
    }

    #[test]
    fn a_c_function_has_no_system_name() {
        let mut profile = profile(&[libc::qsort as *const () as usize + 2]);
        Symbolizer::default().symbolize(&mut profile, &loaded_modules());
        let mapping = profile.locations[0].mapping.unwrap();
        assert!(profile.mappings[mapping.index()].file.contains("libc"));
        let function = &profile.functions[0];
        // libc's debug info, where it is installed, has the inner name: `__GI_qsort`.
        assert!(function.name.ends_with("qsort"), "{}", function.name);
        assert_eq!(&*function.system_name, "");
    }

    #[test]
    fn a_second_profile_resolves_only_new_addresses() {
        let mut symbolizer = Symbolizer::default();
        let modules = loaded_modules();
        let (_, stack) = outer(7_u8);
        let mut first = profile(&stack);
        let raw = first.clone();
        assert_eq!(symbolizer.symbolize(&mut first, &modules), stack.len());
        let mut second = raw.clone();
        assert_eq!(symbolizer.symbolize(&mut second, &modules), 0);
        assert_eq!(first, second);

        let (_, mut more) = outer(7_u16);
        more.retain(|address| !stack.contains(address));
        let mut third = profile(&[&stack[..], &more[..]].concat());
        assert_eq!(symbolizer.symbolize(&mut third, &modules), more.len());
        assert!(!more.is_empty());
        let first_again = &third.locations[..stack.len()];
        assert!(
            first_again
                .iter()
                .all(|location| !location.lines.is_empty())
        );
        // Texts are shared between profiles.
        assert!(Arc::ptr_eq(
            &first.functions[0].name,
            &third.functions[0].name
        ));
    }

    #[test]
    fn addresses_of_a_module_that_went_away_are_forgotten() {
        let mut symbolizer = Symbolizer::default();
        let modules = loaded_modules();
        let raw = profile(&[
            libc::qsort as *const () as usize + 2,
            outer::<u8> as *const () as usize + 2,
        ]);
        assert_eq!(symbolizer.symbolize(&mut raw.clone(), &modules), 2);
        let texts = symbolizer.texts.len();

        let without: Vec<Module> = modules
            .iter()
            .filter(|m| !m.file.contains("libc"))
            .cloned()
            .collect();
        assert_eq!(without.len() + 1, modules.len());
        let mut later = raw.clone();
        assert_eq!(symbolizer.symbolize(&mut later, &without), 0);
        assert!(
            later.locations[0].lines.is_empty(),
            "the module is not loaded"
        );
        assert!(!later.locations[1].lines.is_empty(), "this one stayed");
        assert_eq!(symbolizer.lines.len(), 1);
        assert!(symbolizer.texts.len() < texts);
        assert!(!later.mappings[1].has_filenames);

        // It is back in its place, so it is looked up again.
        assert_eq!(symbolizer.symbolize(&mut raw.clone(), &modules), 1);
    }

    #[test]
    fn a_module_that_came_later_stays_raw() {
        let mut symbolizer = Symbolizer::default();
        let modules = loaded_modules();
        let here = outer::<u8> as *const () as usize + 2;
        symbolizer.symbolize(&mut profile(&[here]), &modules[..1]);
        let mut raw = profile(&[libc::qsort as *const () as usize + 2]);
        assert_eq!(symbolizer.symbolize(&mut raw, &modules), 0);
        assert!(raw.locations[0].lines.is_empty());

        // An address is not taken for one of another module in its place either.
        let mut moved = modules;
        moved[0].build_id = "another".into();
        let mut profile = profile(&[here + 1]);
        map_locations(&mut profile, &moved);
        assert_eq!(symbolizer.symbolize(&mut profile, &moved), 0);
        assert!(profile.locations[0].lines.is_empty());
    }

    #[test]
    fn what_cannot_be_found_keeps_no_lines_and_flags_say_so() {
        let modules = loaded_modules();
        let here = outer::<u8> as *const () as usize + 2;
        // The last byte of the last page, behind the code of the section.
        let nowhere = usize::try_from(modules[0].text[0].limit).unwrap();
        let mut profile = profile(&[here, nowhere, 2]);
        let marker = Function {
            name: "[stack table full]".into(),
            ..Function::default()
        };
        profile.functions.push(marker.clone());
        let line = Line {
            function: FunctionId::new(0).unwrap(),
            line: 0,
            column: 0,
        };
        profile.locations[2].lines = vec![line];
        assert_eq!(Symbolizer::default().symbolize(&mut profile, &modules), 2);
        assert!(profile.locations[1].lines.is_empty());
        assert_eq!(profile.locations[2].lines, [line]);
        assert_eq!(profile.functions[0], marker);
        let main = &profile.mappings[0];
        assert!(!main.has_functions, "not all of its locations have a name");
        assert!(main.has_filenames && main.has_line_numbers && main.has_inline_frames);
    }

    /// Captures the stack where the standard library calls back into this crate. A test without an
    /// allocator of its own cannot get closer to an allocation inside a container.
    struct Probe(Vec<usize>);

    thread_local! {
        static CAPTURED: std::cell::RefCell<Vec<usize>> = const { std::cell::RefCell::new(vec![]) };
    }

    impl Probe {
        #[inline(never)]
        fn probe() {
            CAPTURED.set(capture());
        }
    }

    impl Clone for Probe {
        fn clone(&self) -> Self {
            Self::probe();
            Self(vec![])
        }
    }

    impl fmt::Display for Probe {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Self::probe();
            Ok(())
        }
    }

    impl Hash for Probe {
        fn hash<H: Hasher>(&self, _: &mut H) {
            Self::probe();
        }
    }

    impl PartialEq for Probe {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    impl Eq for Probe {}

    #[inline(never)]
    fn resizes() {
        let mut list = vec![];
        list.resize(3, Probe(vec![]));
    }

    #[inline(never)]
    fn formats() {
        assert!(Probe(vec![]).to_string().is_empty());
    }

    #[inline(never)]
    fn inserts() {
        let mut map: HashMap<Probe, u8> = HashMap::new();
        map.insert(Probe(vec![]), 1);
    }

    #[inline(never)]
    fn collects() {
        let list: Vec<Probe> = [Probe(vec![])].iter().map(Clone::clone).collect();
        assert_eq!(list.len(), 1);
    }

    /// The stack that `run` left, from its first function of the standard library on.
    fn library_stack(symbolizer: &mut Symbolizer, run: fn()) -> Profile {
        run();
        let mut profile = profile(&CAPTURED.take());
        symbolizer.symbolize(&mut profile, &loaded_modules());
        let functions = &profile.functions;
        let is = |line: &Line, part: &str| functions[line.function.index()].file.contains(part);
        let is_here = |line: &Line| is(line, "src/capture/in_process.rs");
        // From the leaf: the capturing function, then `probe` and its caller in this file, then the
        // library.
        let first_here = |l: &Location| l.lines.iter().any(is_here);
        let here = profile.locations.iter().position(first_here).unwrap();
        let behind = profile.locations.iter().skip(here);
        let in_library = |line: &Line| is(line, "/library/") || is(line, "/hashbrown-");
        let up_to = behind
            .take_while(|l| !l.lines.iter().any(in_library))
            .count();
        let first = &profile.locations[here + up_to].lines;
        let inner = first.iter().take_while(|line| !in_library(line)).count();
        profile.locations[here + up_to].lines.drain(..inner);
        profile.samples[0].locations.drain(..here + up_to);
        profile
    }

    #[test]
    #[cfg_attr(
        not(debug_assertions),
        ignore = "a tail call may take the user's frame off the stack"
    )]
    fn containers_are_trimmed_from_real_stacks_down_to_their_user() {
        let mut symbolizer = Symbolizer::default();
        for (user, run) in [
            ("resizes", resizes as fn()),
            ("formats", formats),
            ("inserts", inserts),
            ("collects", collects),
        ] {
            let mut profile = library_stack(&mut symbolizer, run);
            let before = names(&profile).len();
            trim(&mut profile, Trim::Allocator);
            assert_eq!(names(&profile).len(), before, "none is of the allocator");
            assert_ne!(short(&profile)[0], user, "there is nothing to trim");
            trim(&mut profile, Trim::Containers);
            assert_eq!(short(&profile)[0], user);
        }
    }
}
