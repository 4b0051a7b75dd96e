//! Files and URLs: profiles that are read, output that is written, and source files.

pub(crate) mod download;
pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod regular_file;
pub(crate) mod source_files;
