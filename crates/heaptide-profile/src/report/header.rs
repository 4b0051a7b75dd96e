//! The lines above every report: the program, its remarks, and the time.
//!
//! They are copied from the profile when a report is computed, so that a report owns all its text.

use std::sync::Arc;

use crate::{
    Profile,
    text::printable::printable,
    text::units::{Instant, Nanos},
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    file: Arc<str>,
    build_id: Arc<str>,
    comments: Vec<Arc<str>>,
    pub(super) time_nanos: i64,
    pub(super) duration_nanos: i64,
}

impl Header {
    pub(super) fn of(profile: &Profile) -> Self {
        let main = profile.mappings.first();
        Self {
            file: main.map_or_else(Arc::default, |m| file_name(&m.file).into()),
            build_id: main.map_or_else(Arc::default, |m| Arc::clone(&m.build_id)),
            comments: profile.comments.clone(),
            time_nanos: profile.time_nanos,
            duration_nanos: profile.duration_nanos,
        }
    }

    /// The program and the comments. By `pprof`'s convention a comment with a leading `#` is for
    /// machines and is left out.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.file.is_empty() {
            lines.push(format!("File: {}", printable(&self.file)));
        }
        if !self.build_id.is_empty() {
            lines.push(format!("Build ID: {}", printable(&self.build_id)));
        }
        let comments = self.comments.iter().filter(|c| !c.starts_with('#'));
        lines.extend(comments.map(|comment| printable(comment)));
        lines
    }

    pub(super) fn time_line(&self) -> Option<String> {
        (self.time_nanos != 0).then(|| format!("Time: {}", Instant(self.time_nanos)))
    }

    pub(super) fn duration_line(&self) -> Option<String> {
        (self.duration_nanos != 0).then(|| format!("Duration: {}", Nanos(self.duration_nanos)))
    }
}

/// The last part of a path, of this system or another.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}
