//! Which rooms of a package may name which. Cargo holds the packages apart.

use crate::sources::{TextFile, assert_none, sources};
use std::{collections::BTreeMap, fs, path::Path};

/// The rooms of a package, lowest first, and the rooms that each may name.
struct Rooms {
    /// The folder of the package's sources.
    sources: &'static str,
    allowed: &'static [(&'static str, &'static [&'static str])],
}

const PROFILE: Rooms = Rooms {
    sources: "crates/heaptide-profile/src",
    allowed: &[
        ("error", &[]),
        ("text", &[]),
        ("sampling_law", &[]),
        ("special_functions", &[]),
        ("model", &["error"]),
        ("process", &["model"]),
        ("algebra", &["error", "model"]),
        (
            "estimates",
            &["error", "model", "sampling_law", "special_functions"],
        ),
        ("frames", &["model"]),
        ("symbolize", &["frames", "model"]),
        ("pprof", &["error", "model"]),
        ("report", &["error", "estimates", "model", "text"]),
        (
            "leak",
            &[
                "error",
                "estimates",
                "frames",
                "model",
                "process",
                "special_functions",
                "text",
            ],
        ),
        ("testing", &["model"]),
    ],
};

const HEAPTIDE: Rooms = Rooms {
    sources: "src",
    allowed: &[
        ("build_id", &[]),
        ("errors", &[]),
        ("record", &["build_id"]),
        ("unsupported", &[]),
        ("capture", &["build_id", "errors", "record"]),
        ("snapshotter", &["capture", "errors", "record"]),
        ("http", &["capture", "record"]),
        ("fuzzing", &["build_id", "http", "record"]),
    ],
};

#[test]
fn rooms_name_only_the_rooms_that_they_may() {
    let mut broken = Vec::new();
    for package in [PROFILE, HEAPTIDE] {
        let found = package.arrows();
        for (room, named, place) in &found {
            match package.allowed_of(room) {
                None => broken.push(format!("{place}: the room `{room}` is not in the table")),
                Some(allowed) if allowed.contains(&named.as_str()) => {}
                Some(_) => broken.push(format!("{place}: `{room}` may not name `{named}`")),
            }
        }
        let is_used =
            |room: &str, named: &str| found.iter().any(|(r, n, _)| (&**r, &**n) == (room, named));
        for (room, allowed) in package.allowed {
            for named in allowed.iter().filter(|named| !is_used(room, named)) {
                broken.push(format!(
                    "{}: `{room}` does not name `{named}`: take the permission away",
                    package.sources
                ));
            }
        }
    }
    assert_none(&broken);
}

impl Rooms {
    fn allowed_of(&self, room: &str) -> Option<&[&str]> {
        let of_room = self.allowed.iter().find(|(name, _)| *name == room);
        of_room.map(|(_, allowed)| *allowed)
    }

    /// Each room with another room that it names, and the file that does.
    fn arrows(&self) -> Vec<(String, String, String)> {
        let files: Vec<TextFile> = sources()
            .into_iter()
            .filter(|file| file.path.starts_with(self.sources))
            .collect();
        let homes = self.homes();
        let mut arrows = Vec::new();
        for file in &files {
            let is_test = file
                .path
                .iter()
                .any(|part| part == "tests" || part == "tests.rs");
            let Some(room) = self.room_of(&file.path).filter(|_| !is_test) else {
                continue;
            };
            let place = file.path.display().to_string();
            let code = file.code();
            assert!(
                !code.contains("super::super::"),
                "{place}: `super::super` climbs out of its room"
            );
            for named in named_from_root(&code).filter(|named| !named.is_empty()) {
                let home = homes.get(named).map_or(named, String::as_str);
                // Cargo knows which packages name which.
                if home == "heaptide_profile" {
                    continue;
                }
                assert!(
                    self.allowed_of(home).is_some(),
                    "{place}: `crate::{named}` is in no room of the table"
                );
                if home != room {
                    arrows.push((room.clone(), home.to_owned(), place.clone()));
                }
            }
        }
        arrows
    }

    /// What `lib.rs` gives out under the package's own name, and the room that it is from.
    fn homes(&self) -> BTreeMap<String, String> {
        let lib = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(self.sources)
            .join("lib.rs");
        let lib = fs::read_to_string(lib).unwrap();
        let mut homes = BTreeMap::new();
        for public in lib.split("\npub use ").skip(1) {
            let (public, _) = public.split_once(';').unwrap();
            let (room, names) = public.split_once("::").unwrap();
            for name in names.split(|c: char| !c.is_alphanumeric() && c != '_') {
                homes.insert(name.to_owned(), room.to_owned());
            }
        }
        homes
    }

    /// The first folder or file below the sources; `None` for the table of contents, which may name
    /// everything.
    fn room_of(&self, path: &Path) -> Option<String> {
        let first = path
            .strip_prefix(self.sources)
            .ok()?
            .iter()
            .next()?
            .to_str()?;
        let room = first.strip_suffix(".rs").unwrap_or(first);
        (room != "lib").then(|| room.to_owned())
    }
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

#[test]
fn grouped_imports_are_names_from_the_root_too() {
    let code = "use crate::{\n    Error,\n    record::{self, Lost},\n    units::Bytes,\n};\n\
                fn f() -> crate::Result<crate::leak::Verdict> {}";
    let named: Vec<&str> = named_from_root(code).collect();
    assert_eq!(named, ["Error", "record", "units", "Result", "leak"]);
}
