//! A call on a stack for people: function, file and line.
//!
//! Separate from `interner`, which keeps each name once under a number: this is public.

use std::fmt;
use std::sync::Arc;

use crate::text::printable::printable;

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
    /// The frame that stands for a stack without frames.
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

/// The part of a path that people need.
///
/// It begins at the crate's folder for a crate of a registry, and at `library` for the standard
/// library. Other paths stay whole.
fn short_path(file: &str) -> &str {
    if let Some((_, rest)) = file.split_once("/registry/src/") {
        return rest.split_once('/').map_or(rest, |(_, path)| path);
    }
    match file.strip_prefix("/rustc/") {
        Some(rest) => rest.split_once('/').map_or(rest, |(_, path)| path),
        None => file,
    }
}
