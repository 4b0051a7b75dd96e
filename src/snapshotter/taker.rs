//! Takes one snapshot: makes the profile, names and writes the file, and removes old files.
//!
//! A failure costs this snapshot, adds to a count and writes one warning.

use super::{
    folder::Folder,
    name::{SnapshotName, Stamp},
    process::{WatchedProcess, remark},
    reason::Reason,
    retention::{KeepLimits, OwnFiles, SnapshotFile},
    triggers::Measured,
    warnings::{WarningScope, Warnings},
};
use crate::{Error, Result};
use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The counts so far, shared with the `Snapshotter`.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) taken: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) removed: AtomicU64,
}

/// How many names are tried for a snapshot: more than replicas write to one folder at once.
const NAMES: u32 = 32;

/// Writes snapshots of a process to a folder.
#[derive(Debug)]
pub(super) struct Taker<F> {
    folder: F,
    keep: KeepLimits,
    own_files: OwnFiles,
    counters: Arc<Counters>,
    warnings: Warnings,
    prepared: bool,
}

impl<F: Folder> Taker<F> {
    pub(super) fn new(
        folder: F,
        keep: KeepLimits,
        pid: u32,
        counters: Arc<Counters>,
        warnings: Warnings,
    ) -> Self {
        Self {
            folder,
            keep,
            own_files: OwnFiles {
                process: pid,
                before: None,
                last: None,
            },
            counters,
            warnings,
            prepared: false,
        }
    }

    /// Prepares the folder before the first snapshot.
    ///
    /// So a wrong folder is reported when the program starts, not when a snapshot is needed.
    pub(super) fn begin(&mut self) {
        if let Err(error) = self.prepare() {
            self.warnings.failed(WarningScope::Take, &error);
        }
    }

    /// Takes a snapshot and returns the path of its file.
    pub(super) fn take(
        &mut self,
        process: &impl WatchedProcess,
        reason: Reason,
        measured: &Measured,
    ) -> Result<PathBuf> {
        let taken = self.write(process, reason, measured);
        match &taken {
            Ok(_) => {
                self.counters.taken.fetch_add(1, Ordering::Relaxed);
                self.warnings.works(WarningScope::Take);
                self.remove_old_files();
            }
            Err(error) => {
                self.counters.failed.fetch_add(1, Ordering::Relaxed);
                self.warnings.failed(WarningScope::Take, error);
            }
        }
        taken
    }

    fn write(
        &mut self,
        process: &impl WatchedProcess,
        reason: Reason,
        measured: &Measured,
    ) -> Result<PathBuf> {
        self.prepare()?;
        let time = process.wall_clock();
        let bytes = process.profile(&remark(&reason, &measured.memory))?;
        let mut name = SnapshotName {
            stamp: Stamp::after(self.own_files.last, time),
            process: self.own_files.process,
            reason,
        };
        let mut left = NAMES;
        loop {
            let text = name.to_string();
            let path = self.folder.path(&text);
            match self.folder.write(&text, &bytes) {
                Ok(()) => {
                    self.own_files.last = Some(name.stamp);
                    return Ok(path);
                }
                // A process with the same id in another container took this name in this
                // millisecond.
                Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists && left > 1 => {
                    left -= 1;
                    name.stamp = Stamp::after(Some(name.stamp), time);
                }
                Err(source) => {
                    let doing = format!("write the snapshot {}", path.display());
                    return Err(Error::io(&doing, source));
                }
            }
        }
    }

    /// The snapshot files in the folder.
    fn snapshot_files(&self) -> io::Result<Vec<SnapshotFile>> {
        let ours = self.folder.list()?.into_iter().filter_map(|(name, bytes)| {
            let name = SnapshotName::parse(&name)?;
            Some(SnapshotFile { name, bytes })
        });
        Ok(ours.collect())
    }

    /// Prepares the folder, once.
    ///
    /// A folder that vanishes later may be a volume that was unmounted, and a new folder in its
    /// place would not be that volume.
    fn prepare(&mut self) -> Result<()> {
        if !self.prepared {
            let doing = || format!("use the snapshot folder {}", self.folder.path("").display());
            let prepared = self.folder.prepare().and_then(|()| self.snapshot_files());
            let ours = prepared.map_err(|source| Error::io(&doing(), source))?;
            // If the clock was set back, names continue after the latest one, so that the new files
            // are not the oldest.
            self.own_files.before = ours.iter().map(|entry| entry.name.stamp).max();
            self.own_files.last = self.own_files.before;
            self.prepared = true;
        }
        Ok(())
    }

    fn remove_old_files(&mut self) {
        match self.remove_surplus() {
            Ok(()) => self.warnings.works(WarningScope::Remove),
            Err(source) => {
                let folder = self.folder.path("");
                let doing = format!("remove old snapshots from {}", folder.display());
                let error = Error::io(&doing, source);
                self.warnings.failed(WarningScope::Remove, &error);
            }
        }
    }

    /// Removes the surplus files and returns the first error.
    ///
    /// A file that cannot be removed does not stop the removal of the others.
    fn remove_surplus(&self) -> io::Result<()> {
        let mut outcome = Ok(());
        for name in self.keep.surplus(self.snapshot_files()?, self.own_files) {
            let removed = self.folder.remove(&name.to_string());
            if removed.is_ok() {
                self.counters.removed.fetch_add(1, Ordering::Relaxed);
            }
            outcome = outcome.and(removed);
        }
        outcome
    }
}
