//! The folder of the snapshot files: each file is complete or absent, and private to its owner.
//!
//! It is a trait, so that tests run schedules and retention against a simulated folder. Other files
//! decide what to write and what to remove.

use super::memory::MemoryReader;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// A place for files.
pub(super) trait Folder: Send {
    /// Creates the folder if it does not exist, and removes unfinished files of dead writers.
    fn prepare(&self) -> io::Result<()>;
    /// Writes a file, which is complete afterwards, also after a crash of the machine.
    ///
    /// An existing file of this name stays, and is an error of the kind `AlreadyExists`.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Names and sizes of the files. Names that are not UTF-8 are omitted, since all of ours are.
    fn list(&self) -> io::Result<Vec<(String, u64)>>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// The path of a file of this name.
    fn path(&self, name: &str) -> PathBuf;
}

/// A folder of the file system.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    limits: MemoryReader,
}

// The process id in the name is for people. The lock shows whether a writer is still alive.
const TEMPORARY: &str = ".heaptide-";
const SUFFIX: &str = ".tmp";

impl Disk {
    pub(super) fn new(folder: PathBuf, limits: MemoryReader) -> Self {
        Self { folder, limits }
    }

    /// Makes names durable. File systems that cannot sync folders return one of two error kinds.
    fn sync(&self) -> io::Result<()> {
        match File::open(&self.folder)?.sync_all() {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
                ) =>
            {
                Ok(())
            }
            synced => synced,
        }
    }
}

impl Folder for Disk {
    fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(TEMPORARY) && name.ends_with(SUFFIX) && is_abandoned(&entry.path())
            {
                remove_if_there(&entry.path())?;
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self
            .limits
            .largest_file()
            .is_some_and(|most| bytes.len() as u64 > most)
        {
            // A write beyond the limit raises SIGXFSZ, which ends the process by default.
            return Err(io::Error::from_raw_os_error(libc::EFBIG));
        }
        // The file has mode 0600, is new, and is removed when dropped.
        let mut file = tempfile::Builder::new()
            .prefix(&format!("{TEMPORARY}{}-", std::process::id()))
            .suffix(SUFFIX)
            .tempfile_in(&self.folder)?;
        match file.as_file().try_lock() {
            // Where files cannot be locked, no process takes this file for abandoned either.
            Ok(()) | Err(fs::TryLockError::Error(_)) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(io::Error::from(io::ErrorKind::WouldBlock));
            }
        }
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        put_in_place(file, &self.path(name))?;
        self.sync()
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            match entry.metadata() {
                Ok(metadata) if metadata.is_file() => files.push((name, metadata.len())),
                Ok(_) => {}
                // Another process has removed the file in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        files.sort();
        Ok(files)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        remove_if_there(&self.path(name))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Gives a file its name unless a file of that name exists.
fn put_in_place(file: NamedTempFile, path: &Path) -> io::Result<()> {
    let Err(failed) = file.persist_noclobber(path) else {
        return Ok(());
    };
    match failed.error.kind() {
        // Some file systems can neither refuse to replace a file nor make hard links. There a check
        // before the rename is the best that is possible.
        io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
            if !fs::exists(path).unwrap_or(true) =>
        {
            let persisted = failed.file.persist(path);
            persisted.map(drop).map_err(|failed| failed.error)
        }
        _ => Err(failed.error),
    }
}

/// Whether no process writes this file.
///
/// A writer holds the file's lock, which ends with the process. This works across containers, where
/// process ids mean nothing.
fn is_abandoned(path: &Path) -> bool {
    let opened = File::options().write(true).open(path);
    opened.is_ok_and(|file| file.try_lock().is_ok())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn disk(folder: &Path) -> Disk {
        Disk::new(folder.to_owned(), MemoryReader::new("/"))
    }

    #[test]
    fn a_file_is_private_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(&folder.path().join("a/b"));
        disk.prepare().unwrap();
        disk.write("x", b"hello").unwrap();
        assert_eq!(disk.list().unwrap(), [("x".to_owned(), 5)]);
        assert_eq!(fs::read(disk.path("x")).unwrap(), b"hello");
        let mode = fs::metadata(disk.path("x")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        disk.remove("x").unwrap();
        disk.remove("x").unwrap();
        assert!(disk.list().unwrap().is_empty());
    }

    #[test]
    fn a_failed_write_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        let limits = "Max file size             4              unlimited            bytes\n";
        fs::write(root.path().join("proc/self/limits"), limits).unwrap();
        let disk = Disk::new(folder.path().to_owned(), MemoryReader::new(root.path()));
        let error = disk.write("x", b"hello").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EFBIG));
        disk.write("x", b"hell").unwrap();
        fs::create_dir(disk.path("taken")).unwrap();
        assert!(disk.write("taken", b"x").is_err());
        let error = disk.write("x", b"new").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(disk.list().unwrap(), [("x".to_owned(), 4)]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_missing_folder_is_an_error_and_is_not_created_again() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(&folder.path().join("gone"));
        let error = disk.write("x", b"").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(disk.list().unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn only_abandoned_temporary_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [".heaptide-1-abc.tmp", ".heaptide-2-def.tmp", "heap.tmp"] {
            fs::write(at(name), b"half").unwrap();
        }
        let written = File::open(at(".heaptide-2-def.tmp")).unwrap();
        written.lock().unwrap();
        disk(folder.path()).prepare().unwrap();
        let left = |name: &str| at(name).exists();
        assert!(!left(".heaptide-1-abc.tmp"), "no process holds its lock");
        assert!(left(".heaptide-2-def.tmp"), "its writer is alive");
        assert!(left("heap.tmp"), "it is not a file of heaptide");
        drop(written);
        disk(folder.path()).prepare().unwrap();
        assert!(!left(".heaptide-2-def.tmp"));
    }
}
