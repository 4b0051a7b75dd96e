//! Why a command could not be done: one line that names the file and the reason.

use std::{
    fmt::{self, Display, Formatter},
    io,
    path::Path,
};

/// What is told on standard error.
#[derive(Debug)]
pub(crate) struct Failure {
    subject: String,
    reason: String,
}

impl Failure {
    /// A failure of, or with, a file.
    pub(crate) fn with(file: &Path, reason: impl Display) -> Self {
        Self {
            subject: name(file),
            reason: reason.to_string(),
        }
    }

    /// Two files that are both fine do not go together.
    pub(crate) fn between(base: &Path, new: &Path, reason: impl Display) -> Self {
        Self {
            subject: format!("{} and {}", name(base), name(new)),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn output(error: io::Error) -> Self {
        Self {
            subject: "standard output".into(),
            reason: error.to_string(),
        }
    }
}

fn name(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".into()
    } else {
        file.display().to_string()
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let line = format!("{}: {}", self.subject, self.reason);
        // Names of files and of a profile's types may hold line breaks and escape sequences.
        for c in line.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}
