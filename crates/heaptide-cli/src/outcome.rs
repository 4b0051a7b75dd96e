//! What a command has found: text for standard output, remarks for standard error, and whether it
//! is what `--fail-on` asked for.

/// The outcome of a command that could be done.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// All of standard output.
    pub(crate) text: String,
    /// One line each on standard error.
    pub(crate) remarks: Vec<String>,
    /// Whether the exit code has to say so.
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
