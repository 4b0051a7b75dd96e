//! The failure of a command: one line that names the file and the reason.

use std::{
    fmt::{self, Display, Formatter},
    io,
    path::Path,
};

use heaptide_profile::internal::printable;

/// The line for standard error.
#[derive(Debug)]
pub(crate) struct Failure {
    /// A file, a URL, or another thing that has a name.
    name: String,
    reason: String,
}

impl Failure {
    /// A failure of, or with, a file.
    pub(crate) fn with(file: &Path, reason: impl Display) -> Self {
        Self::of(&name(file), reason)
    }

    /// A failure of, or with, something that has a name.
    pub(crate) fn of(name: &str, reason: impl Display) -> Self {
        Self {
            name: name.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The failure of two files that are both fine but do not fit together.
    pub(crate) fn between(base: &str, new: &str, reason: impl Display) -> Self {
        Self::of(&format!("{base} and {new}"), reason)
    }

    pub(crate) fn output(error: io::Error) -> Self {
        Self::of("standard output", error)
    }
}

/// The name of a file as its user knows it.
pub(crate) fn name(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".into()
    } else {
        file.display().to_string()
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let line = format!("{}: {}", self.name, self.reason);
        f.write_str(&printable(&line))
    }
}
