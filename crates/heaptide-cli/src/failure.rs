//! Why a command could not be done: one line that names the file and the reason.

use std::{
    fmt::{self, Display, Formatter},
    io,
    path::Path,
};

use heaptide_profile::internal::printable;

/// What is told on standard error.
#[derive(Debug)]
pub(crate) struct Failure {
    selection: String,
    reason: String,
}

impl Failure {
    /// A failure of, or with, a file.
    pub(crate) fn with(file: &Path, reason: impl Display) -> Self {
        Self::of(&name(file), reason)
    }

    /// A failure of, or with, something that has a name.
    pub(crate) fn of(selection: &str, reason: impl Display) -> Self {
        Self {
            selection: selection.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// Two files that are both fine do not go together.
    pub(crate) fn between(base: &str, new: &str, reason: impl Display) -> Self {
        Self::of(&format!("{base} and {new}"), reason)
    }

    pub(crate) fn output(error: io::Error) -> Self {
        Self::of("standard output", error)
    }
}

/// What a file is called to its user.
pub(crate) fn name(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".into()
    } else {
        file.display().to_string()
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let line = format!("{}: {}", self.selection, self.reason);
        f.write_str(&printable(&line))
    }
}
