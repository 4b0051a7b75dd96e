//! A call on a stack as people read it: function, file and line.
//!
//! Apart from `stack`, which keeps each name once under a number, because this is what a verdict gives out.

use std::fmt;
use std::sync::Arc;

use crate::printable::printable;

/// A logical call on a stack, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StackFrame {
    /// The function; its address in hexadecimal where it has no name.
    pub name: Arc<str>,
    /// Path of the source file; empty where it is not known.
    pub file: Arc<str>,
    /// Line in the file; 0 where it is not known.
    pub line: i64,
}

impl StackFrame {
    /// What stands for the frames of a stack that has none.
    pub(super) fn none() -> Self {
        Self {
            name: "[no stack]".into(),
            file: "".into(),
            line: 0,
        }
    }
}

impl fmt::Display for StackFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.name))?;
        let path = |file| printable(short_path(file));
        match (&*self.file, self.line) {
            ("", _) => Ok(()),
            (file, 0) => write!(f, " at {}", path(file)),
            (file, line) => write!(f, " at {}:{line}", path(file)),
        }
    }
}

/// A path as people name it: from the crate's folder on for a crate of a registry, from `library` on for
/// the standard library, whole otherwise.
fn short_path(file: &str) -> &str {
    if let Some((_, rest)) = file.split_once("/registry/src/") {
        return rest.split_once('/').map_or(rest, |(_, path)| path);
    }
    match file.strip_prefix("/rustc/") {
        Some(rest) => rest.split_once('/').map_or(rest, |(_, path)| path),
        None => file,
    }
}
