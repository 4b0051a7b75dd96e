//! The rules of docs/design.md that the compiler cannot see: layers point one way, `unsafe` stays where
//! it is listed, files stay small. And two places where a document says what the sources do: the map, and a
//! handler that is shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

// This crate's own allocator serves its own tests.
#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<std::alloc::System> =
    heaptide::SamplingAllocator::with_inner(std::alloc::System);

/// Each layer, lowest first, and the layers it may name. Siblings do not name each other.
const LAYERS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("json", &[]),
    ("build_id", &[]),
    ("printable", &[]),
    ("sampling_law", &[]),
    ("special_functions", &[]),
    ("process", &[]),
    ("units", &[]),
    ("record", &["build_id", "sampling_law"]),
    ("unsupported", &[]),
    ("snapshot", &["error", "process", "record"]),
    (
        "profile",
        &[
            "error",
            "process",
            "sampling_law",
            "snapshot",
            "special_functions",
        ],
    ),
    ("symbolize", &["build_id", "error", "profile"]),
    (
        "pprof",
        &[
            "error",
            "printable",
            "record",
            "snapshot",
            "profile",
            "symbolize",
        ],
    ),
    (
        "report",
        &["error", "json", "printable", "units", "profile"],
    ),
    (
        "leak",
        &[
            "error",
            "json",
            "printable",
            "units",
            "profile",
            "special_functions",
            "symbolize",
        ],
    ),
    (
        "fuzzing",
        &["profile", "http", "leak", "record", "report", "build_id"],
    ),
    ("snapshotter", &["error", "units", "record", "pprof"]),
    (
        "http",
        &[
            "error",
            "json",
            "printable",
            "units",
            "record",
            "profile",
            "pprof",
            "report",
            "leak",
        ],
    ),
];

/// What the root gives out under its own name, and where it is from.
const REEXPORTS: &[(&str, &str)] = &[
    ("Error", "error"),
    ("Result", "error"),
    ("Lost", "record"),
    ("SamplingAllocator", "record"),
    ("Stats", "record"),
    ("set_sample_interval", "record"),
    ("stats", "record"),
    ("Snapshot", "snapshot"),
    ("Profile", "profile"),
    ("SymbolLine", "symbolize"),
    ("Trim", "symbolize"),
    ("ProfileOptions", "pprof"),
];

/// The only files that may hold `unsafe`.
const UNSAFE_FILES: &[&str] = &[
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
    "src/symbolize/modules.rs",
    "src/unsupported.rs",
];

/// A file longer than this needs splitting, tests aside.
const MAX_LINES: usize = 600;

#[test]
fn layers_point_one_way() {
    let allowed: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    for (path, text) in sources() {
        let Some(layer) = layer_of(&path) else {
            continue;
        };
        let Some(allowed) = allowed.get(layer) else {
            panic!("{}: not in LAYERS", path.display())
        };
        let code = without_comments(without_tests(&text));
        let place = path.display();
        assert!(
            !code.contains("super::super::"),
            "{place}: `super::super` climbs out of its room"
        );
        for named in named_from_root(&code) {
            let reexport = REEXPORTS.iter().find(|(name, _)| *name == named);
            let home = reexport.map_or(named, |(_, layer)| layer);
            let is_layer = LAYERS.iter().any(|(name, _)| *name == home);
            assert!(
                is_layer || named.is_empty(),
                "{place}: `crate::{named}` is in no layer"
            );
            let fine = home == layer || allowed.contains(&home) || named.is_empty();
            assert!(fine, "{place}: `{layer}` may not use `{named}` of `{home}`");
        }
    }
}

#[test]
fn grouped_imports_are_names_from_the_root_too() {
    let code = "use crate::{\n    Error,\n    record::{self, Lost},\n    units::Bytes,\n};\n\
                fn f() -> crate::Result<crate::leak::Verdict> {}";
    let named: Vec<&str> = named_from_root(code).collect();
    assert_eq!(named, ["Error", "record", "units", "Result", "leak"]);
}

#[test]
fn unsafe_stays_where_it_is_listed() {
    for (path, text) in sources() {
        let holds = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .any(|line| line.contains("unsafe ") || line.contains("unsafe{"));
        let listed = UNSAFE_FILES.iter().any(|file| Path::new(file) == path);
        assert_eq!(
            holds,
            listed,
            "{}: holds unsafe: {holds}, listed: {listed}",
            path.display()
        );
    }
}

#[test]
fn files_stay_small() {
    for (path, text) in sources() {
        let lines = without_tests(&text).lines().count();
        assert!(lines <= MAX_LINES, "{}: {lines} lines", path.display());
    }
}

#[test]
fn the_map_names_every_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/design.md")).unwrap();
    let (_, map) = text.split_once("```text\nsrc/\n").unwrap();
    let (map, _) = map.split_once("```").unwrap();
    // Each word with the room that it stands under.
    let mut named = BTreeSet::new();
    let mut room = "";
    for line in map.lines() {
        if !line.starts_with("   ") {
            room = line.trim_start().split([' ', '.']).next().unwrap();
        }
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        named.extend(words.map(|word| (room.trim_end_matches('/'), word)));
    }
    for (path, _) in sources() {
        let file = path.strip_prefix("src").unwrap().with_extension("");
        let name = file.file_name().unwrap().to_str().unwrap();
        let room = match file.iter().next().unwrap().to_str().unwrap() {
            "bin" => "bin/heaptide",
            first => first,
        };
        assert!(named.contains(&(room, name)), "{}", path.display());
    }
}

#[test]
fn the_handler_in_the_docs_is_the_examples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = fs::read_to_string(root.join("examples/actix/src/main.rs")).unwrap();
    let docs = fs::read_to_string(root.join("docs/http.md")).unwrap();
    let start = example.find("async fn heap(").unwrap();
    let handler = &example[start..];
    let handler = &handler[..handler.find("\n}\n").unwrap()];
    assert!(docs.contains(handler), "docs/http.md, In actix");
}

/// Words that have a plain replacement, so that they do not return. Each one stands for itself as a
/// whole word.
const REPLACED_WORDS: &[&str] = &[
    "Acquitted",
    "PendingFree",
    "Suspect",
    "UNTABLED",
    "World 1",
    "World 2",
    "count_in",
    "count_out",
    "patience",
    "prepaid",
    "world 1",
    "world 2",
];

#[test]
fn replaced_words_do_not_return() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents = fs::read_dir(root.join("docs")).unwrap();
    let documents = documents.map(|entry| entry.unwrap().path());
    let documents = documents.filter(|path| path.extension().is_some_and(|ext| ext == "md"));
    let documents = documents.map(|path| (path.clone(), fs::read_to_string(path).unwrap()));
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    for (path, text) in sources().into_iter().chain(documents) {
        for word in REPLACED_WORDS {
            let found = text.match_indices(word).any(|(at, _)| {
                let (before, after) = (&text[..at], &text[at + word.len()..]);
                !before.ends_with(is_part) && !after.starts_with(is_part)
            });
            assert!(!found, "{}: the word `{word}`", path.display());
        }
    }
}

#[test]
fn folders_are_two_levels_deep() {
    for (path, _) in sources() {
        let depth = path.iter().count();
        assert!(
            depth <= 4,
            "{}: src/room/part/file.rs at most",
            path.display()
        );
    }
}

/// The text before the module of its unit tests.
fn without_tests(text: &str) -> &str {
    let tests = text.match_indices("\n#[cfg(").find(|(at, _)| {
        let mut lines = text[at + 1..].lines();
        let (attribute, item) = (lines.next().unwrap(), lines.next().unwrap_or_default());
        attribute.contains("test") && item.contains("mod ") && item.ends_with('{')
    });
    tests.map_or(text, |(at, _)| &text[..at])
}

fn without_comments(text: &str) -> String {
    let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
    code.flat_map(|line| [line, "\n"]).collect()
}

/// What follows each `crate::`; of a braced group, each of its members.
fn named_from_root(code: &str) -> impl Iterator<Item = &str> {
    code.split("crate::").skip(1).flat_map(|rest| {
        let Some(group) = rest.strip_prefix('{') else {
            return vec![first_word(rest)];
        };
        let (mut depth, mut members, mut start) = (0_u32, Vec::new(), 0);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    members.extend(Some(first_word(&group[start..at])).filter(|w| !w.is_empty()));
                    start = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
        members
    })
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The first folder or file below `src`; `None` for the table of contents and the command, which may
/// name everything.
fn layer_of(path: &Path) -> Option<&str> {
    let first = path.strip_prefix("src").ok()?.iter().next()?.to_str()?;
    let layer = first.strip_suffix(".rs").unwrap_or(first);
    (layer != "lib" && layer != "bin").then_some(layer)
}

/// Every source file, by its path from the package's root.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root).unwrap().to_owned(), text));
            }
        }
    }
    assert!(found.len() > 10, "the sources were found");
    found
}
