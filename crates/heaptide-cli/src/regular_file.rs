//! Files at paths that someone else wrote: into a profile, or into debug information.
//!
//! Such a path may lead anywhere on this machine. Only an ordinary file is opened, and no more of
//! it is read than the size it states: a device, a pipe or a file of `/proc`, which states 0, might
//! never end.

use std::{
    fs::{self, File},
    io::{self, Read, Take},
    path::Path,
};

/// The file at a path, to be read up to its size; `None` where there is no ordinary file.
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
    fn what_might_never_end_is_not_read() {
        for odd in ["/dev", "/dev/zero", "/dev/zero/a.rs", "/nowhere"] {
            assert!(
                open(Path::new(odd)).expect("nothing to open").is_none(),
                "{odd}"
            );
        }
        let mut text = String::new();
        // An ordinary file by its kind, with a text, and it states no size.
        let endless = open(Path::new("/proc/self/stat")).expect("it can be opened");
        let read = endless.expect("a file").read_to_string(&mut text);
        assert_eq!((read.ok(), text.as_str()), (Some(0), ""));
    }
}
