//! Finds the source files that a profile names.
//!
//! A profile has the paths of the machine that built the program. The search is that of `pprof`: a
//! prefix is removed, and the rest is searched in the given folders and above them. A failure names
//! the searched places, because a file is often missing on another machine.

use std::{
    env,
    ffi::OsStr,
    fs::File,
    io::{self, Read, Take},
    path::{Path, PathBuf},
};

use crate::{failure::Failure, files::regular_file};

/// `pprof` always removes these prefixes. Bazel writes its working folder in this way.
const ALWAYS_TRIMMED: [&str; 2] = ["/proc/self/cwd/./", "/proc/self/cwd/"];

/// The largest file that is read as source code.
const MAX_BYTES: u64 = 64 << 20;

/// The places to look in.
pub(crate) struct SourceFiles {
    folders: Vec<PathBuf>,
    /// Prefixes, each with a slash at its end.
    prefixes: Vec<String>,
}

impl SourceFiles {
    /// Lists of folders and of prefixes, separated as in `PATH`. The default is the current folder.
    pub(crate) fn new(folders: Option<&OsStr>, prefixes: Option<&OsStr>) -> Result<Self, Failure> {
        let split = |paths: &OsStr| -> Vec<PathBuf> {
            let paths = env::split_paths(paths);
            paths.filter(|path| path != Path::new("")).collect()
        };
        let mut folders = folders.map(split).unwrap_or_default();
        let current = env::current_dir();
        let current = current.map_err(|error| Failure::of("the current folder", error))?;
        if folders.is_empty() {
            folders.push(current.clone());
        }
        let prefixes = prefixes.map(split).unwrap_or_default();
        let prefixes = prefixes.iter().map(|prefix| {
            let prefix = prefix.to_string_lossy();
            format!("{}/", prefix.trim_end_matches('/'))
        });
        Ok(Self {
            // Folders above a relative one can be found only by its whole path.
            folders: folders.iter().map(|folder| current.join(folder)).collect(),
            prefixes: prefixes.collect(),
        })
    }

    /// The text of a source file, or a sentence that says where it was looked for.
    pub(crate) fn read(&self, file: &str) -> Result<String, String> {
        let trimmed = self.trimmed(file);
        let is_rooted = Path::new(trimmed).is_absolute();
        let mut places: Vec<PathBuf> = Vec::new();
        if is_rooted {
            places.push(trimmed.into());
        } else {
            let above = self.folders.iter().flat_map(|folder| folder.ancestors());
            places.extend(above.map(|folder| folder.join(trimmed)));
            // The file may be at its full path, if the guessed prefix is wrong.
            if Path::new(file).is_absolute() {
                places.push(file.into());
            }
        }
        if let Some(found) = places.iter().find_map(|place| text(place)) {
            return found;
        }
        if is_rooted {
            return Err(format!(
                "there is no {trimmed} on this machine: name with --trim-path what to take off, \
                 and with --source-path the folder to look in"
            ));
        }
        let folders = self.folders.iter();
        let folders: Vec<String> = folders.map(|folder| folder.display().to_string()).collect();
        let [in_folders, above] = match folders.len() {
            1 => ["", "it"],
            _ => ["any of ", "them"],
        };
        Err(format!(
            "there is no {trimmed} in {in_folders}{} or above {above}: name its folder with \
             --source-path",
            folders.join(", ")
        ))
    }

    /// A path without the prefix of the build machine.
    fn trimmed<'a>(&self, file: &'a str) -> &'a str {
        if self.prefixes.is_empty() {
            for folder in &self.folders {
                let name = folder.file_name().unwrap_or_default().to_string_lossy();
                let wanted = format!("/{name}/");
                if !name.is_empty()
                    && let Some((_, rest)) = file.split_once(&wanted)
                {
                    return rest;
                }
            }
        }
        let prefixes = self.prefixes.iter().map(String::as_str);
        let mut prefixes = prefixes.chain(ALWAYS_TRIMMED);
        prefixes
            .find_map(|prefix| file.strip_prefix(prefix))
            .unwrap_or(file)
    }
}

/// The text of a file, or why it cannot be read; `None` if it does not exist.
fn text(place: &Path) -> Option<Result<String, String>> {
    let read = |mut file: Take<File>| {
        if file.limit() > MAX_BYTES {
            return Err(io::Error::other(
                "larger than 64 MiB, which no source file is",
            ));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = regular_file::open(place).transpose()?.and_then(read);
    Some(text.map_err(|error| format!("{}: {error}", place.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(folders: &str, prefixes: &str) -> SourceFiles {
        SourceFiles::new(Some(folders.as_ref()), Some(prefixes.as_ref())).expect("a current folder")
    }

    #[test]
    fn paths_are_trimmed_as_in_pprof() {
        for (folders, prefixes, file, expected) in [
            (
                "/home/me/server",
                "",
                "/build/server/src/db.rs",
                "src/db.rs",
            ),
            // Up to the first occurrence of the name.
            ("/me/server", "", "/server/x/server/a.rs", "x/server/a.rs"),
            ("/a/none:/b/server", "", "/build/server/a.rs", "a.rs"),
            ("/me/server", "", "/build/other/a.rs", "/build/other/a.rs"),
            ("/me/server", "", "server/a.rs", "server/a.rs"),
            ("/me/server", "/build", "/build/server/a.rs", "server/a.rs"),
            (
                "/me/server",
                "/x:/build/",
                "/build/server/a.rs",
                "server/a.rs",
            ),
            (
                "/me/server",
                "/bui",
                "/build/server/a.rs",
                "/build/server/a.rs",
            ),
            ("/", "", "/proc/self/cwd/./a.rs", "a.rs"),
            ("/", "", "/proc/self/cwd/a.rs", "a.rs"),
        ] {
            let trimmed = sources(folders, prefixes).trimmed(file).to_owned();
            assert_eq!(trimmed, expected, "{file} with {folders} and {prefixes}");
        }
    }

    #[test]
    fn devices_and_large_files_are_not_read() {
        let anywhere = sources("/", "");
        // Only the length, because a failure would print the text.
        let read = |path: &str| anywhere.read(path).map(|text| text.len());
        for odd in ["/dev", "/dev/zero", "/dev/zero/a.rs"] {
            let refused = read(odd).expect_err("no source file");
            assert!(
                refused.starts_with(&format!("there is no {odd} on")),
                "{refused}"
            );
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let large = folder.path().join("large.rs");
        let file = File::create(&large).expect("a new file");
        // A hole, which takes no space.
        file.set_len(MAX_BYTES + 1).expect("a sparse file");
        let path = large.display().to_string();
        let refused = read(&path).expect_err("too large");
        assert!(refused.ends_with("large.rs: larger than 64 MiB, which no source file is"));
        file.set_len(3).expect("a short file");
        assert_eq!(read(&path), Ok(3));
    }
}
