//! Writes files whole or not at all.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use crate::{failure::Failure, forgive_broken_pipe};

/// What to do if a file of that name exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// The user named the file.
    Replace,
    /// The name was made up.
    Keep,
}

/// Writes a file under a temporary name beside it, and then renames it. What is not a regular file,
/// such as a device, a pipe or a link, is written in place.
pub(crate) fn save(file: &Path, bytes: &[u8], existing: Existing) -> Result<(), Failure> {
    let fail = |error: io::Error| Failure::with(file, error);
    if fs::symlink_metadata(file).is_ok_and(|known| !known.is_file() && !known.is_dir()) {
        return fs::write(file, bytes).map_err(fail);
    }
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let mut builder = tempfile::Builder::new();
    // The mode that any other program would give it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temporary = builder.tempfile_in(folder).map_err(|error| {
        // The error names the temporary file, which the user does not know.
        let error = error.to_string();
        let reason = error.split(" at path ").next().unwrap_or(&error);
        Failure::with(file, reason)
    })?;
    temporary.write_all(bytes).map_err(fail)?;
    let persisted = match existing {
        Existing::Replace => temporary.persist(file),
        Existing::Keep => temporary.persist_noclobber(file),
    };
    persisted.map(drop).map_err(|error| fail(error.error))
}

/// Whether the output is standard output. It is an error if that is a terminal, which would show
/// nothing readable.
pub(crate) fn is_stdout(file: &Path, what: &str) -> Result<bool, Failure> {
    let is_stdout = file == Path::new("-");
    if is_stdout && io::stdout().is_terminal() {
        return Err(Failure::of(
            "standard output",
            format!("a terminal shows no {what}: name a file with -o, or redirect"),
        ));
    }
    Ok(is_stdout)
}

/// Writes bytes to standard output. A reader that closes it early is not a failure.
pub(crate) fn to_stdout(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .or_else(forgive_broken_pipe)
        .map_err(Failure::output)
}

/// Writes a file whole, or to standard output.
pub(crate) fn put(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if file == Path::new("-") {
        return to_stdout(bytes);
    }
    save(file, bytes, Existing::Replace)
}
