//! The rules of docs/design.md that neither the compiler nor Cargo can see.

mod map;
mod rooms;
mod sources;
mod words;

use sources::{PACKAGES, assert_none, files, root, sources};
use std::{collections::BTreeMap, ffi::OsStr, fs, path::Path};

// This package's own allocator serves its own tests.
#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<std::alloc::System> =
    heaptide::SamplingAllocator::with_inner(std::alloc::System);

/// The only files that may hold `unsafe`.
const UNSAFE_FILES: &[&str] = &[
    "src/capture/modules.rs",
    "src/record/alarm.rs",
    "src/record/errno.rs",
    "src/record/global.rs",
    "src/record/hook/allocator.rs",
    "src/record/hook/blocks.rs",
    "src/record/hook/realloc.rs",
    "src/record/hook/slow_path.rs",
    "src/record/tables/reserved_memory.rs",
    "src/record/tables/shards.rs",
    "src/record/unwind/bounds.rs",
    "src/record/unwind/libgcc.rs",
    "src/record/unwind/libraries.rs",
    "src/record/unwind/loader.rs",
    "src/record/unwind/modules.rs",
    "src/record/unwind/odd_frames.rs",
    "src/record/unwind/real_stacks.rs",
    "src/record/unwind/registers.rs",
    "src/record/unwind/stack.rs",
    "src/record/unwind/tests.rs",
    "src/record/unwind/walker.rs",
    "src/snapshotter/hooks.rs",
    "src/unsupported.rs",
];

/// What stands in for other files on some targets, and repeats their types.
const OTHER_TARGETS: &[&str] = &["src/snapshotter/signal_windows.rs", "src/unsupported.rs"];

/// A file that is longer is two, its tests left out.
const MOST_LINES: usize = 400;

/// Folders below a package's sources.
const MOST_LEVELS: usize = 2;

#[test]
fn unsafe_stays_where_it_is_listed() {
    for file in sources() {
        let holds = file
            .text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .any(|line| line.contains("unsafe ") || line.contains("unsafe{"));
        let listed = UNSAFE_FILES.iter().any(|path| Path::new(path) == file.path);
        let place = file.path.display();
        assert_eq!(
            holds, listed,
            "{place}: holds unsafe: {holds}, listed: {listed}"
        );
    }
}

#[test]
fn files_stay_small() {
    for file in sources() {
        let lines = file.without_tests().lines().count();
        assert!(
            lines <= MOST_LINES,
            "{}: {lines} lines",
            file.path.display()
        );
    }
}

#[test]
fn folders_are_two_levels_deep() {
    for file in sources() {
        let package = PACKAGES
            .iter()
            .find(|package| file.path.starts_with(package));
        let path = file.path.strip_prefix(package.unwrap()).unwrap();
        let levels = path.iter().count() - 1;
        assert!(levels <= MOST_LEVELS, "{}", file.path.display());
    }
}

#[test]
fn a_type_name_stands_for_one_type() {
    let mut homes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in sources() {
        for line in file.code().lines() {
            let Some(name) = type_name(line) else {
                continue;
            };
            let place = file.path.display().to_string();
            homes.entry(name.to_owned()).or_default().push(place);
        }
    }
    let mut broken = Vec::new();
    for (name, places) in homes {
        let first = &places[0];
        // What stands for a type on other targets has its name.
        let others = places
            .iter()
            .filter(|place| *place != first && !OTHER_TARGETS.contains(&place.as_str()));
        if others.count() > 0 {
            broken.push(format!("`{name}` is in {places:?}"));
        }
    }
    assert_none(&broken);
}

/// The type that a line defines.
fn type_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) => rest.trim_start_matches(|c: char| c != ' ').trim_start(),
        None => line,
    };
    let name = ["struct ", "enum ", "trait ", "union "]
        .iter()
        .find_map(|keyword| line.strip_prefix(keyword))?;
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
    Some(&name[..end.unwrap_or(name.len())])
}

#[test]
fn no_path_attribute_leaves_its_package() {
    let folders = ["src", "crates", "tests", "benches", "examples"];
    for file in folders.iter().flat_map(|folder| files(folder, "rs")) {
        for line in file.text.lines().map(str::trim_start) {
            let Some(path) = line.strip_prefix("#[path = \"") else {
                continue;
            };
            let path = path.split('"').next().unwrap();
            let named = root().join(&file.path).parent().unwrap().join(path);
            let named = fs::canonicalize(named).unwrap();
            let named = named
                .strip_prefix(fs::canonicalize(root()).unwrap())
                .unwrap();
            let place = file.path.display();
            assert_eq!(package_of(named), package_of(&file.path), "{place}: {path}");
        }
    }
}

/// The folder in `crates`; `None` for the package at the root.
fn package_of(path: &Path) -> Option<&OsStr> {
    path.strip_prefix("crates").ok()?.iter().next()
}

#[test]
fn the_handler_in_the_docs_is_the_examples() {
    let example = fs::read_to_string(root().join("examples/actix/src/main.rs")).unwrap();
    let docs = fs::read_to_string(root().join("docs/http.md")).unwrap();
    let start = example.find("async fn heap(").unwrap();
    let handler = &example[start..];
    let handler = &handler[..handler.find("\n}\n").unwrap()];
    assert!(docs.contains(handler), "docs/http.md, In actix");
}
