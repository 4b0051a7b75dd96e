//! The outcome of a command: its text, its remarks, and whether `--fail-on` found something.

/// The outcome of a command that succeeded.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// All of standard output.
    pub(crate) text: String,
    /// One line each on standard error.
    pub(crate) remarks: Vec<String>,
    /// Whether the exit code has to tell that something was found.
    pub(crate) is_found: bool,
}

impl Outcome {
    pub(crate) fn new(text: String, remarks: Vec<String>) -> Self {
        Self {
            text,
            remarks,
            is_found: false,
        }
    }
}
