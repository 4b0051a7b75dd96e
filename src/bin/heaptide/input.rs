//! Profiles from files and from standard input.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use heaptide::Profile;

use crate::failure::Failure;

/// Reads the profile at `file`; `-` is standard input.
pub(crate) fn read(file: &Path) -> Result<Profile, Failure> {
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut bytes);
        read.map(|_| bytes)
    } else {
        fs::read(file)
    };
    let bytes = bytes.map_err(|error| Failure::with(file, error))?;
    Profile::read(&bytes).map_err(|error| Failure::with(file, error))
}
