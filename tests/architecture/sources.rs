//! The source files and documents that the rules are about.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folders that hold the packages' sources.
pub(crate) const PACKAGES: [&str; 3] = [
    "src",
    "crates/heaptide-profile/src",
    "crates/heaptide-cli/src",
];

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Fails with all that breaks a rule, a line each.
pub(crate) fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// A text file of the repository.
pub(crate) struct TextFile {
    /// Its path from the root of the repository.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl TextFile {
    /// The code: without comments, and without the modules of unit tests.
    pub(crate) fn code(&self) -> String {
        let lines = self.without_tests().lines();
        let code = lines.filter(|line| !line.trim_start().starts_with("//"));
        code.flat_map(|line| [line, "\n"]).collect()
    }

    /// The text before the module of its unit tests.
    pub(crate) fn without_tests(&self) -> &str {
        let tests = self.text.match_indices("\n#[cfg(").find(|(at, _)| {
            let mut lines = self.text[at + 1..].lines();
            let (attribute, item) = (lines.next().unwrap(), lines.next().unwrap_or_default());
            attribute.contains("test") && item.contains("mod ") && item.ends_with('{')
        });
        tests.map_or(&self.text, |(at, _)| &self.text[..at])
    }

    /// The first line of the module's documentation.
    pub(crate) fn headline(&self) -> Option<&str> {
        self.text.lines().next()?.strip_prefix("//! ")
    }
}

/// The source files of all packages, in the order of their paths.
pub(crate) fn sources() -> Vec<TextFile> {
    let found: Vec<TextFile> = PACKAGES
        .iter()
        .flat_map(|folder| files(folder, "rs"))
        .collect();
    assert!(found.len() > 100, "the sources were found");
    found
}

/// The files with an extension in a folder and below it, in the order of their paths. Folders of
/// builds and of other people's packages are left out.
pub(crate) fn files(folder: &str, extension: &str) -> Vec<TextFile> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap();
            if path.is_dir() {
                if name != "target" && name != "node_modules" && name != ".git" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(TextFile {
                    text: fs::read_to_string(&path).unwrap(),
                    path: path.strip_prefix(root()).unwrap().to_owned(),
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}
