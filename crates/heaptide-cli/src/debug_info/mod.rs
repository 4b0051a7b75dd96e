//! Names for addresses, from executables and debug files.
//!
//! `debug_files` finds the files of a mapping, `image` reads one, and `dwarf` its debug
//! information.

pub(crate) mod debug_files;
mod dwarf;
pub(crate) mod image;
