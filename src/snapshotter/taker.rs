//! Takes one snapshot: profile, name, file, and what has to go for it. Whatever fails costs this snapshot,
//! a count and one warning.

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

/// What was done so far; shared with the handle.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) taken: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) removed: AtomicU64,
}

/// How many names are tried for a snapshot: more than there are replicas that write at once to one folder.
const NAMES: u32 = 32;

/// Writes snapshots of a process to a folder.
#[derive(Debug)]
pub(super) struct Taker<F> {
    folder: F,
    keep: KeepLimits,
    run: OwnFiles,
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
            run: OwnFiles {
                process: pid,
                before: None,
                last: None,
            },
            counters,
            warnings,
            prepared: false,
        }
    }

    /// Looks at the folder before the first snapshot, so that a wrong one is known when the program
    /// starts and not when it matters.
    pub(super) fn begin(&mut self) {
        if let Err(error) = self.prepare() {
            self.warnings.failed(WarningScope::Take, &error);
        }
    }

    /// Takes a snapshot; the path of its file.
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
                self.tidy_up();
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
            stamp: Stamp::after(self.run.last, time),
            process: self.run.process,
            reason,
        };
        let mut left = NAMES;
        loop {
            let text = name.to_string();
            let path = self.folder.path(&text);
            match self.folder.write(&text, &bytes) {
                Ok(()) => {
                    self.run.last = Some(name.stamp);
                    return Ok(path);
                }
                // Another container's process of the same number, in the same millisecond.
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

    /// The snapshots in the folder.
    fn ours(&self) -> io::Result<Vec<SnapshotFile>> {
        let ours = self.folder.list()?.into_iter().filter_map(|(name, bytes)| {
            let name = SnapshotName::parse(&name)?;
            Some(SnapshotFile { name, bytes })
        });
        Ok(ours.collect())
    }

    /// Once: a folder that vanishes later may be a volume that was taken away, and what would be made in
    /// its place is not it.
    fn prepare(&mut self) -> Result<()> {
        if !self.prepared {
            let doing = || format!("use the snapshot folder {}", self.folder.path("").display());
            let prepared = self.folder.prepare().and_then(|()| self.ours());
            let ours = prepared.map_err(|source| Error::io(&doing(), source))?;
            // Names go on from there if the clock was set back, so that the new files are not the oldest.
            self.run.before = ours.iter().map(|entry| entry.name.stamp).max();
            self.run.last = self.run.before;
            self.prepared = true;
        }
        Ok(())
    }

    fn tidy_up(&mut self) {
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

    /// One that cannot be removed keeps none of the others; the first error is told.
    fn remove_surplus(&self) -> io::Result<()> {
        let mut outcome = Ok(());
        for name in self.keep.surplus(self.ours()?, self.run) {
            let removed = self.folder.remove(&name.to_string());
            if removed.is_ok() {
                self.counters.removed.fetch_add(1, Ordering::Relaxed);
            }
            outcome = outcome.and(removed);
        }
        outcome
    }
}
