//! The settings of a snapshotter, and the check that they are valid.

use super::{
    Snapshotter, folder::Disk, limit_share::LimitShare, memory::MemoryReader,
    retention::KeepLimits, signal_name, triggers::Rules,
};
use crate::{Error, ProfileOptions, Result};
use std::{
    ffi::c_int,
    path::{self, PathBuf},
    time::Duration,
};

/// Settings of a [`Snapshotter`]. It takes only the snapshots that are set here.
///
/// [`start`](Self::start) reports values that are not accepted.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing happens before `start`"]
pub struct SnapshotterBuilder {
    dir: Option<PathBuf>,
    rules: Rules,
    limits: Vec<f64>,
    keep: KeepLimits,
    pub(super) signal: Option<c_int>,
    pub(super) at_exit: bool,
    pub(super) on_panic: bool,
    symbolize: bool,
}

impl SnapshotterBuilder {
    /// The folder for the snapshot files. This is the only required setting.
    ///
    /// The snapshotter creates the folder at the start if it does not exist. Use one folder for
    /// each service: [`keep`](Self::keep) and [`keep_bytes`](Self::keep_bytes) count all snapshot
    /// files in it.
    pub fn dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.dir = Some(folder.into());
        self
    }

    /// Takes a snapshot at this interval, the first after one interval.
    pub fn every(mut self, time: Duration) -> Self {
        self.rules.every = Some(time);
        self
    }

    /// Takes a snapshot when the live bytes are this much above their minimum since the last one.
    ///
    /// Live bytes are an estimate. There is at most one such snapshot a second.
    pub fn growth(mut self, bytes: u64) -> Self {
        self.rules.growth_bytes = Some(bytes);
        self
    }

    /// Takes a snapshot when the live bytes are this many times their minimum since the last one.
    ///
    /// Live bytes are an estimate, and a minimum below 4 MiB counts as 4 MiB. There is at most one
    /// such snapshot a second.
    pub fn growth_factor(mut self, factor: f64) -> Self {
        self.rules.growth_factor = Some(factor);
        self
    }

    /// Takes a snapshot when the live bytes are a tenth above the last peak.
    ///
    /// Live bytes are an estimate, and a peak below 4 MiB counts as 4 MiB. There is at most one
    /// such snapshot a second. It replaces the snapshot of the last peak. Peaks are kept separately
    /// from the series.
    pub fn peak(mut self) -> Self {
        self.rules.peak = true;
        self
    }

    /// Takes a snapshot when the memory used reaches these shares of its limit.
    ///
    /// Each share is above 0 and at most 1. It is reported once, and again only after the use has
    /// fallen 5 % of the limit below it. These snapshots are kept separately from the series.
    ///
    /// Each of these limits is watched:
    ///
    /// - The limits of the control group and of all groups above it, of version 2 or 1. They are
    ///   compared with the group's use, less the inactive file pages, which the kernel can take
    ///   back at once.
    /// - The process's limit on address space (`RLIMIT_AS`). It is compared with the mapped bytes,
    ///   and separately with the resident bytes, since allocators map ahead.
    /// - If none of these is set: the machine's memory, compared with the resident bytes of this
    ///   process.
    ///
    /// The snapshotter reads the memory use every second. It also reads it whenever the live bytes
    /// have grown by half of the distance to the next share. Allocations notice this growth at
    /// their next sample.
    pub fn limit(mut self, shares: impl IntoIterator<Item = f64>) -> Self {
        self.limits = shares.into_iter().collect();
        self.limits.sort_by(f64::total_cmp);
        self
    }

    /// Takes a snapshot when this signal comes: `SIGHUP`, `SIGUSR1` or `SIGUSR2`, by number.
    ///
    /// The signal then has no other effect, except that a handler of the program is still called.
    pub fn signal(mut self, signal: c_int) -> Self {
        self.signal = Some(signal);
        self
    }

    /// Takes a last snapshot when the [`Snapshotter`] is dropped, or when the process exits first.
    ///
    /// A process exits when `main` returns or when [`exit`](std::process::exit) is called. A
    /// process that is killed or aborts does not exit.
    pub fn at_exit(mut self) -> Self {
        self.at_exit = true;
        self
    }

    /// Takes a snapshot when a thread panics, at most one a minute.
    ///
    /// The thread waits for the snapshot file, and then the panic continues. The panic hook that is
    /// set at the start is called first, and stays in force.
    pub fn on_panic(mut self) -> Self {
        self.on_panic = true;
        self
    }

    /// How many files are kept: this many of the series, and this many of those kept separately.
    ///
    /// Peaks and the files of the memory limit are kept separately. The default is 120. The oldest
    /// files are removed first, and the last peak is removed last.
    pub fn keep(mut self, files: usize) -> Self {
        self.keep.files = files;
        self
    }

    /// How many bytes are kept in all. The default is 1 GiB.
    ///
    /// The oldest files of the series are removed first, then those of the memory limit, then
    /// peaks. The newest file of all stays.
    pub fn keep_bytes(mut self, bytes: u64) -> Self {
        self.keep.bytes = bytes;
        self
    }

    /// Symbolizes each snapshot, with the feature `symbolize`.
    ///
    /// Without it, files hold addresses, mappings and build ids. These cost little to write when
    /// memory is short, and the reader symbolizes them.
    pub fn symbolize(mut self) -> Self {
        self.symbolize = true;
        self
    }

    /// Starts taking snapshots, on a thread of its own.
    ///
    /// A problem with the folder is not an error of the start. It is reported on stderr, now and
    /// when a snapshot fails, once until it works again. Failed snapshots are
    /// [counted](Snapshotter::counts).
    ///
    /// # Errors
    ///
    /// - [Setting](Error::is_setting), if a setting is missing or has a value that is not accepted.
    /// - [Unsupported](Error::is_unsupported), where recording is not implemented.
    /// - [Not installed](Error::is_not_installed), if no allocation was ever made through a
    ///   [`SamplingAllocator`](crate::SamplingAllocator).
    /// - [Busy](Error::is_busy), if a snapshotter already runs in this process.
    /// - [Io](Error::is_io), if its thread or the handler of its signal could not be started.
    pub fn start(self) -> Result<Snapshotter> {
        Snapshotter::start(self)
    }

    /// Checks the settings and returns the rules; an error for the first setting that is not valid.
    pub(super) fn check(&self) -> Result<Rules> {
        let refuse = |key: &str, value: &dyn std::fmt::Display, accepted: &str| {
            Err(Error::setting(format!("{key}={value}: {accepted}")))
        };
        if self.dir.is_none() {
            return Err(Error::setting(
                "dir: no folder is set; give one such as dir=/dumps",
            ));
        }
        let mut rules = self.rules.clone();
        if let Some(every) = rules.every
            && every.is_zero()
        {
            return refuse("every", &"0s", "not a time above 0");
        }
        if rules.growth_bytes == Some(0) {
            return refuse("growth", &0, "not a number of bytes above 0");
        }
        if let Some(factor) = rules.growth_factor
            && (factor <= 1.0 || !factor.is_finite())
        {
            return refuse("growth", &format!("{factor}x"), "not a factor above 1");
        }
        for share in &self.limits {
            match LimitShare::new(*share) {
                Some(fraction) => rules.limits.push(fraction),
                None => return refuse("limit", share, "not a share above 0 and at most 1"),
            }
        }
        rules.limits.dedup();
        if let Some(number) = self.signal
            && signal_name::name(number).is_none()
        {
            return refuse("signal", &number, "not one of HUP, USR1 and USR2");
        }
        if self.keep.files == 0 {
            return refuse("keep", &0, "not a number of files above 0");
        }
        Ok(rules)
    }

    /// The folder as an absolute path, since the program may change its working directory later.
    pub(super) fn folder(&self) -> Disk {
        let given = self.dir.clone().unwrap_or_default();
        let folder = path::absolute(&given).unwrap_or(given);
        Disk::new(folder, MemoryReader::new("/"))
    }

    pub(super) fn kept(&self) -> KeepLimits {
        self.keep
    }

    pub(super) fn profile_options(&self) -> ProfileOptions {
        let options = ProfileOptions::new();
        if self.symbolize {
            options
        } else {
            options.raw()
        }
    }
}
