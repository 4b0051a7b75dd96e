//! The rules of docs/design.md that the compiler cannot see: layers point one way, `unsafe` stays where
//! it is listed, files stay small.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Each layer, lowest first, and the layers it may name. Siblings do not name each other.
const LAYERS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("units", &[]),
    ("record", &[]),
    ("snapshot", &["error", "record"]),
    ("profile", &["error", "snapshot"]),
    ("symbolize", &["error", "profile"]),
    (
        "pprof",
        &["error", "record", "snapshot", "profile", "symbolize"],
    ),
    ("report", &["error", "units", "profile"]),
    ("leak", &["error", "units", "profile"]),
];

/// The only files that may hold `unsafe`.
const UNSAFE_FILES: &[&str] = &[
    "src/record/allocator.rs",
    "src/record/global.rs",
    "src/record/shards.rs",
    "src/record/unwind/bounds.rs",
    "src/record/unwind/comparison.rs",
    "src/record/unwind/libgcc.rs",
    "src/record/unwind/loader.rs",
    "src/record/unwind/modules.rs",
    "src/record/unwind/registers.rs",
    "src/record/unwind/stack.rs",
    "src/record/unwind/tests.rs",
    "src/record/unwind/walker.rs",
    "src/symbolize/modules.rs",
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
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in code.lines().enumerate() {
            let place = format!("{}:{}", path.display(), number + 1);
            if line.trim_start().starts_with("//") {
                continue;
            }
            assert!(
                !line.contains("super::super"),
                "{place}: `super::super` climbs out of its room"
            );
            for named in line.split("crate::").skip(1) {
                let named = named
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
                    .unwrap();
                let fine = named == layer
                    || allowed.contains(&named)
                    || !LAYERS.iter().any(|(name, _)| *name == named);
                assert!(fine, "{place}: `{layer}` may not use `{named}`");
            }
        }
    }
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
        let code = text.split("#[cfg(test)]").next().unwrap();
        let lines = code.lines().count();
        assert!(lines <= MAX_LINES, "{}: {lines} lines", path.display());
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
