//! The class of a line: code of the allocator, of a standard container, or other code.
//!
//! The path of the source file decides. It is the same for both manglings and for every generic
//! instance. It is right even with `debug = "line-tables-only"`, where names lose their modules.
//! The name decides only for a line without a path (`debug = 0`), and for the shims that
//! `#[global_allocator]` generates. Their path is that of the user's file with the attribute.
//!
//! Counting frames would be wrong: `GlobalAlloc::alloc` is inlined into user code in most places.

use super::trim::Trim;
use crate::Function;

/// Modules of the allocator's frames, where only names are known.
const ALLOCATOR: [&str; 4] = [
    "alloc::alloc::",
    "alloc::raw_vec::",
    "hashbrown::raw::alloc::",
    "heaptide::record::",
];
/// Modules of the containers and of the glue between them and their caller.
const CONTAINERS: [&str; 4] = ["alloc::", "core::", "hashbrown::", "std::collections::"];

/// Whether a line of this function is cut from the leaf of a stack.
pub(super) fn is_cut(function: &Function, level: Trim) -> bool {
    let (path, name) = (&*function.file, &*function.name);
    let is_allocator = is_shim(name)
        || if path.is_empty() {
            is_named(name, &ALLOCATOR)
        } else {
            is_recording_path(path) || is_allocator_path(path)
        };
    match level {
        Trim::Nothing => false,
        Trim::Allocator => is_allocator,
        Trim::Containers if path.is_empty() => is_allocator || is_named(name, &CONTAINERS),
        Trim::Containers => is_allocator || is_container_path(path),
    }
}

/// Whether it stands between `alloc::alloc::alloc` and an allocator's code, which only the name
/// shows. These are the functions that `#[global_allocator]` generates, and the methods of any
/// `GlobalAlloc`, also of an allocator that a program wraps around this one.
fn is_shim(name: &str) -> bool {
    let generated = name.strip_prefix("__rustc::").unwrap_or(name);
    let generated = ["__rust_", "__rg_", "__rdl_"]
        .iter()
        .find_map(|prefix| generated.strip_prefix(prefix));
    matches!(
        generated,
        Some("alloc" | "alloc_zeroed" | "realloc" | "dealloc")
    ) || name.starts_with("core::alloc::global::GlobalAlloc::")
        || name.contains("<impl core::alloc::global::GlobalAlloc for ")
        || (name.starts_with('<') && name.contains(" as core::alloc::global::GlobalAlloc>::"))
}

/// The last part of the folder of a checkout that holds this package and the package `heaptide`:
/// a revision if cargo checked it out, any name otherwise. Empty for a package from a registry.
///
/// It survives the remapping of path prefixes. It is copied byte by byte, because a part of the
/// text would keep the whole text, with the path of the build machine, in the program.
const CHECKOUT: &str = {
    const MANIFEST: &[u8] = env!("CARGO_MANIFEST_DIR").as_bytes();
    const BELOW: &[u8] = b"/crates/heaptide-profile";
    const END: usize = {
        let mut same = 0;
        while same < BELOW.len() && same < MANIFEST.len() {
            let (ours, theirs) = (
                BELOW[BELOW.len() - 1 - same],
                MANIFEST[MANIFEST.len() - 1 - same],
            );
            if ours != theirs && !(ours == b'/' && theirs == b'\\') {
                break;
            }
            same += 1;
        }
        if same == BELOW.len() {
            MANIFEST.len() - same
        } else {
            0
        }
    };
    const START: usize = {
        let mut at = END;
        while at > 0 && !matches!(MANIFEST[at - 1], b'/' | b'\\') {
            at -= 1;
        }
        at
    };
    const BYTES: [u8; END - START] = {
        let mut bytes = [0; END - START];
        let mut at = 0;
        while at < bytes.len() {
            bytes[at] = MANIFEST[START + at];
            at += 1;
        }
        bytes
    };
    match std::str::from_utf8(&BYTES) {
        Ok(folder) => folder,
        // Cannot happen: the text is cut behind an ASCII character.
        Err(_) => "",
    }
};

/// Whether the path is of the recording side of the package `heaptide`.
///
/// The folder above `src` is looked at, so that a program's own `src/record` is not taken for it.
/// It is `heaptide-0.1.0` for a package from a registry, of any version.
fn is_recording_path(path: &str) -> bool {
    path.match_indices("/src/record/").any(|(at, _)| {
        let above = path.get(..at).and_then(|above| above.rsplit('/').next());
        above.is_some_and(|folder| {
            let version = folder.strip_prefix("heaptide-").unwrap_or_default();
            folder == "heaptide"
                || version.starts_with(|c: char| c.is_ascii_digit())
                || (!folder.is_empty() && folder == CHECKOUT)
        })
    })
}

fn is_allocator_path(path: &str) -> bool {
    matches!(
        in_library(path),
        Some("alloc/src/alloc.rs" | "alloc/src/raw_vec/mod.rs" | "alloc/src/raw_vec.rs")
    ) || in_hashbrown(path) == Some("raw/alloc.rs")
}

fn is_container_path(path: &str) -> bool {
    const FOLDERS: [&str; 3] = ["alloc/src/", "core/src/", "std/src/collections/"];
    in_library(path).is_some_and(|rest| FOLDERS.iter().any(|folder| rest.starts_with(folder)))
        || in_hashbrown(path).is_some()
}

/// Whether the path is of a source file of the standard library, or of its dependencies: hashbrown,
/// and the others in `/rust/deps`.
pub(crate) fn is_standard_library(path: &str) -> bool {
    const FOLDERS: [&str; 3] = ["alloc/src/", "core/src/", "std/src/"];
    in_library(path).is_some_and(|rest| FOLDERS.iter().any(|folder| rest.starts_with(folder)))
        || in_hashbrown(path).is_some()
        || path.starts_with("/rust/deps/")
}

/// The rest of a path behind the `library/` folder of Rust's source tree.
///
/// It lies in `/rustc/<commit>` or, where the sources are installed, in `…/rustlib/src/rust`.
/// Distributions have `…/rustc-1.95.0-src` and the like. The folder above is looked at, so that a
/// user's own `library/core/src` is not taken for it.
fn in_library(path: &str) -> Option<&str> {
    path.match_indices("/library/").find_map(|(at, found)| {
        let mut above = path.get(..at)?.rsplit('/');
        let is_rust = above.next()?.starts_with("rust") || above.next() == Some("rustc");
        is_rust.then(|| path.get(at + found.len()..)).flatten()
    })
}

/// The rest of a path behind the `src/` of the crate hashbrown, which the maps of std are made of.
fn in_hashbrown(path: &str) -> Option<&str> {
    path.match_indices("/hashbrown").find_map(|(at, found)| {
        let (version, rest) = path.get(at + found.len()..)?.split_once('/')?;
        let is_crate = match version.strip_prefix('-') {
            Some(version) => version.starts_with(|c: char| c.is_ascii_digit()),
            None => version.is_empty(),
        };
        is_crate.then(|| rest.strip_prefix("src/")).flatten()
    })
}

/// Whether a demangled name is of a function in one of `modules`.
///
/// The code of a trait's method, `<S as Trait>::f`, is in the crate of the type or of the trait,
/// and the name does not say which. It counts in two cases: both are in the standard library, or
/// the trait is and the type has no crate. Such a type is a primitive, or a type parameter as the
/// old mangling leaves it. Otherwise `<user::Key as core::hash::Hash>::hash`, user code, would be
/// cut.
fn is_named(name: &str, modules: &[&str]) -> bool {
    let within = |path: &str| modules.iter().any(|module| path.starts_with(module));
    let Some((self_type, of_trait)) = impl_header(name) else {
        return within(name);
    };
    let self_type = bare(self_type);
    match of_trait {
        // Only the standard library may give methods to types without a crate.
        None => within(self_type) || (has_no_crate(self_type) && modules == CONTAINERS),
        Some(of_trait) => {
            let of_std = ["alloc::", "core::"]
                .iter()
                .any(|c| of_trait.starts_with(c));
            let of_modules = within(of_trait);
            (within(self_type) && (of_std || of_modules)) || (has_no_crate(self_type) && of_modules)
        }
    }
}

/// Type and trait of `<S as Trait>::…`, or the type of `<S>::…`.
fn impl_header(name: &str) -> Option<(&str, Option<&str>)> {
    let inner = name.strip_prefix('<')?;
    let mut depth = 0_usize;
    let mut as_at = None;
    let mut before = ' ';
    for (at, c) in inner.char_indices() {
        match c {
            '<' | '(' | '[' | '{' => depth += 1,
            // The arrow of a function type.
            '>' if before == '-' => {}
            '>' if depth == 0 => {
                let self_type = inner.get(..as_at.unwrap_or(at))?;
                let of_trait = as_at.and_then(|a| inner.get(a + " as ".len()..at));
                return Some((self_type, of_trait));
            }
            '>' | ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            ' ' if depth == 0 && as_at.is_none() && inner.get(at..)?.starts_with(" as ") => {
                as_at = Some(at);
            }
            _ => {}
        }
        before = c;
    }
    None
}

/// A type without references and pointers in front.
fn bare(mut name: &str) -> &str {
    let prefixes = ["&", "mut ", "*const ", "*mut ", "dyn "];
    while let Some(rest) = prefixes.iter().find_map(|p| name.strip_prefix(p)) {
        name = rest;
    }
    name
}

/// Whether a type has no crate: a primitive, a tuple, a slice, a function, or a type parameter.
fn has_no_crate(name: &str) -> bool {
    name.starts_with(['(', '[']) || name.starts_with("fn(") || !name.contains("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUSTC: &str = "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860";

    fn levels(file: &str, name: &str) -> (bool, bool) {
        let function = Function {
            name: name.into(),
            file: file.into(),
            ..Function::default()
        };
        assert!(!is_cut(&function, Trim::Nothing));
        (
            is_cut(&function, Trim::Allocator),
            is_cut(&function, Trim::Containers),
        )
    }

    #[test]
    fn paths_decide() {
        let table = [
            (true, true, format!("{RUSTC}/library/alloc/src/alloc.rs")),
            (
                true,
                true,
                format!("{RUSTC}/library/alloc/src/raw_vec/mod.rs"),
            ),
            (
                true,
                true,
                "/r/lib/rustlib/src/rust/library/alloc/src/raw_vec.rs".into(),
            ),
            (
                true,
                true,
                "/usr/src/rustc-1.85.0/library/alloc/src/alloc.rs".into(),
            ),
            (
                true,
                true,
                "/rust/deps/hashbrown-0.16.1/src/raw/alloc.rs".into(),
            ),
            (false, true, "/rust/deps/hashbrown-0.16.1/src/map.rs".into()),
            (false, true, "/srv/vendor/hashbrown/src/raw/mod.rs".into()),
            (false, true, format!("{RUSTC}/library/alloc/src/vec/mod.rs")),
            (
                false,
                true,
                format!("{RUSTC}/library/core/src/iter/traits/iterator.rs"),
            ),
            (
                false,
                true,
                format!("{RUSTC}/library/std/src/collections/hash/map.rs"),
            ),
            (false, false, format!("{RUSTC}/library/std/src/fs.rs")),
            (false, false, format!("{RUSTC}/library/std/src/io/mod.rs")),
            (false, false, "/home/u/library/core/src/lib.rs".into()),
            (false, false, "/home/u/hashbrown-tricks/src/main.rs".into()),
            (false, false, "/home/u/src/alloc.rs".into()),
            (false, false, "/home/u/app/src/record/store.rs".into()),
            (
                false,
                false,
                format!("/home/u/my{CHECKOUT}/src/record/store.rs"),
            ),
            (
                true,
                true,
                format!("/home/u/.cargo/registry/src/{CHECKOUT}/src/record/live.rs"),
            ),
            (false, false, format!("/home/u/{CHECKOUT}/src/http/mod.rs")),
        ];
        for (allocator, containers, file) in table {
            // The path decides against the name.
            let name = if allocator {
                "app::run"
            } else {
                "alloc::alloc::alloc"
            };
            assert_eq!(levels(&file, name), (allocator, containers), "{file}");
        }
    }

    #[test]
    fn shims_are_recognized_by_name_in_the_users_file() {
        for name in [
            "__rustc::__rust_alloc",
            "__rust_realloc",
            "__rustc::__rust_alloc_zeroed",
            "__rg_dealloc",
            "__rdl_alloc",
            "<app::Counting as core::alloc::global::GlobalAlloc>::alloc",
            "core::alloc::global::GlobalAlloc::alloc_zeroed",
            "app::<impl core::alloc::global::GlobalAlloc for app::inner::Counting>::realloc",
        ] {
            assert_eq!(
                levels("/home/u/app/src/main.rs", name),
                (true, true),
                "{name}"
            );
            assert_eq!(levels("", name), (true, true), "{name}");
        }
        for name in [
            "__rustc::rust_begin_unwind",
            "__rust_alloc_more",
            "app::__rust_alloc",
        ] {
            assert_eq!(
                levels("/home/u/app/src/main.rs", name),
                (false, false),
                "{name}"
            );
        }
    }

    #[test]
    fn names_decide_about_functions_without_a_path() {
        let table = [
            // The old mangling, then v0.
            (true, true, "alloc::alloc::Global::alloc_impl"),
            (
                true,
                true,
                "<alloc::alloc::Global as core::alloc::Allocator>::allocate",
            ),
            (true, true, "alloc::raw_vec::RawVec<T,A>::grow_one"),
            (true, true, "<alloc::raw_vec::RawVecInner>::finish_grow"),
            (
                true,
                true,
                "<alloc::raw_vec::RawVecInner<_>>::reserve::do_reserve::<alloc::alloc::Global>",
            ),
            (true, true, "hashbrown::raw::alloc::inner::do_alloc"),
            (true, true, "heaptide::record::recorder::Recorder::sample"),
            (true, true, "<heaptide::record::recorder::Recorder>::sample"),
            (false, true, "alloc::vec::Vec<T,A>::push"),
            (false, true, "<alloc::vec::Vec<app::Item>>::push"),
            (
                false,
                true,
                "<alloc::vec::Vec<T> as alloc::vec::spec_from_iter::SpecFromIter<T,I>>::from_iter",
            ),
            (
                false,
                true,
                "<alloc::vec::Vec<u8> as core::iter::traits::collect::Extend<&u8>>::extend",
            ),
            (false, true, "alloc::slice::<impl [T]>::to_vec"),
            (false, true, "<[u8]>::to_vec"),
            (false, true, "<str as alloc::string::ToString>::to_string"),
            (false, true, "<T as alloc::slice::hack::ConvertVec>::to_vec"),
            (
                false,
                true,
                "<fn(u8) -> app::Item as core::ops::function::FnOnce<(u8,)>>::call_once",
            ),
            (false, true, "<hashbrown::map::HashMap<K,V,S,A>>::insert"),
            (
                false,
                true,
                "std::collections::hash::map::HashMap<K,V,S,A>::insert",
            ),
            (false, true, "core::iter::traits::iterator::Iterator::fold"),
            (false, false, "app::RequestTracker::track"),
            (false, false, "<app::Key as core::clone::Clone>::clone"),
            (false, false, "<&app::Key as core::hash::Hash>::hash"),
            (
                false,
                false,
                "<app::run::{closure#0} as core::ops::function::FnOnce<()>>::call_once",
            ),
            (false, false, "<alloc::vec::Vec<u8> as app::Encode>::encode"),
            (
                false,
                false,
                "<alloc::vec::Vec<u8> as std::io::Write>::write_all",
            ),
            (false, false, "<T as app::Encode>::encode"),
            (false, false, "<fn(u8) -> u8 as app::Encode>::encode"),
            (
                false,
                false,
                "std::io::default_read_to_end::<std::fs::File>",
            ),
            (false, false, "std::fs::read"),
            (false, false, "app::alloc::alloc::alloc"),
            (false, false, "main"),
            (false, false, ""),
            (false, false, "<broken"),
        ];
        for (allocator, containers, name) in table {
            assert_eq!(levels("", name), (allocator, containers), "{name}");
        }
    }

    #[test]
    fn the_recording_side_is_recognized_by_the_folder_above_its_sources() {
        assert!(env!("CARGO_MANIFEST_DIR").contains(&format!("/{CHECKOUT}/crates/")));
        let checkout = format!("/home/me/{CHECKOUT}/src/record/global.rs");
        for (path, is_recording) in [
            (&*checkout, true),
            (
                "/registry/src/index-1/heaptide-0.1.0/src/record/hook/realloc.rs",
                true,
            ),
            ("heaptide-12.0.1/src/record/global.rs", true),
            ("/home/me/heaptide/src/record/global.rs", true),
            (
                "/registry/src/index-1/heaptide-0.1.0/src/http/mod.rs",
                false,
            ),
            (
                "/registry/src/index-1/heaptide-fork/src/record/global.rs",
                false,
            ),
            ("/home/me/app/src/record/global.rs", false),
            ("/src/record/global.rs", false),
            ("src/record/global.rs", false),
        ] {
            assert_eq!(is_recording_path(path), is_recording, "{path}");
        }
    }
}
