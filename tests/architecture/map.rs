//! The maps in docs/design.md and docs/files.md, which are made from the sources.
//!
//! ```text
//! BLESS=1 cargo test --test architecture maps
//! ```
//!
//! writes them anew.

use crate::sources::{PACKAGES, TextFile, assert_none, root, sources};
use std::{collections::BTreeMap, env, fs, path::Path};

const START: &str = "<!-- file map: BLESS=1 cargo test --test architecture maps -->\n";
const END: &str = "\n<!-- end of file map -->";
const LONGEST_HEADLINE: usize = 100 - "//! ".len();

#[test]
fn maps_are_those_of_the_sources() {
    let sources = sources();
    let is_folder = |file: &&TextFile| file.path.ends_with("mod.rs") || is_root(&file.path);
    let folders: Vec<&TextFile> = sources.iter().filter(is_folder).collect();
    let all: Vec<&TextFile> = sources.iter().collect();
    for (document, files) in [("docs/design.md", folders), ("docs/files.md", all)] {
        let path = root().join(document);
        let text = fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once(START).expect("the start of the map");
        let (_, after) = rest.split_once(END).expect("the end of the map");
        let wanted = format!("{before}{START}{}{END}{after}", map(&files));
        if env::var_os("BLESS").is_some() {
            fs::write(&path, wanted).unwrap();
        } else {
            assert!(
                text == wanted,
                "{document}: run it with BLESS=1, and read the difference"
            );
        }
    }
}

#[test]
fn each_file_begins_with_one_line_that_says_what_it_is_for() {
    let mut broken = Vec::new();
    for file in sources() {
        let place = file.path.display();
        let second = file.text.lines().nth(1).unwrap_or_default();
        broken.extend(match file.headline() {
            None => Some(format!("{place}: begins without `//! `")),
            Some(line) if !line.ends_with('.') => Some(format!("{place}: `{line}` has no end")),
            Some(line) if line.chars().count() > LONGEST_HEADLINE => {
                Some(format!("{place}: the first line is too long"))
            }
            Some(_) if second.starts_with("//! ") => Some(format!(
                "{place}: the first sentence goes on in the second line"
            )),
            Some(_) => None,
        });
    }
    assert_none(&broken);
}

/// A table for each package.
fn map(files: &[&TextFile]) -> String {
    let tables = PACKAGES.map(|package| {
        let mut table = format!("\n| `{package}/` | |\n|---|---|\n");
        let of_package = files.iter().filter(|file| file.path.starts_with(package));
        let rows: BTreeMap<&str, &str> = of_package.map(|file| row(file, package)).collect();
        for (path, headline) in rows {
            table.push_str(&format!("| `{path}` | {headline} |\n"));
        }
        table
    });
    tables.concat()
}

/// A file's path within its package, a folder's for its `mod.rs`, and what it is for.
fn row<'a>(file: &'a TextFile, package: &str) -> (&'a str, &'a str) {
    let path = file.path.strip_prefix(package).unwrap().to_str().unwrap();
    let headline = file.headline().unwrap_or_default();
    let path = path.strip_suffix("mod.rs").unwrap_or(path);
    (path, headline.trim_end_matches('.'))
}

/// Whether a file is the root of a package.
fn is_root(path: &Path) -> bool {
    let root = |package: &&str| {
        ["lib.rs", "main.rs"]
            .iter()
            .any(|name| Path::new(package).join(name) == path)
    };
    PACKAGES.iter().any(root)
}
