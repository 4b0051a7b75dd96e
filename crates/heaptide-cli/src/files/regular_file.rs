//! Opens files at paths from a profile or from debug information.
//!
//! Such a path may lead anywhere on this machine. Only a regular file is opened, and it is read up
//! to its size. A device, a pipe or a file of `/proc`, whose size is 0, might never end.

use std::{
    fs::{self, File},
    io::{self, Read, Take},
    path::Path,
};

/// The file at a path, limited to its size; `None` if there is no regular file.
pub(crate) fn open(path: &Path) -> io::Result<Option<Take<File>>> {
    let known = fs::metadata(path).ok().filter(fs::Metadata::is_file);
    let Some(known) = known else {
        return Ok(None);
    };
    File::open(path).map(|file| Some(file.take(known.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_files_of_proc_are_not_read() {
        for odd in ["/dev", "/dev/zero", "/dev/zero/a.rs", "/nowhere"] {
            assert!(
                open(Path::new(odd)).expect("nothing to open").is_none(),
                "{odd}"
            );
        }
        let mut text = String::new();
        // A regular file by its kind. It has a text, but its size is 0.
        let endless = open(Path::new("/proc/self/stat")).expect("it can be opened");
        let read = endless.expect("a file").read_to_string(&mut text);
        assert_eq!((read.ok(), text.as_str()), (Some(0), ""));
    }
}
