//! [`SnapshotterBuilder`]: what a snapshotter is told before it starts, and whether that is sensible.

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

/// Settings of a [`Snapshotter`]; what is not asked for is not done.
///
/// Bad values are told by [`start`](Self::start).
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
    /// The folder to write to; the only setting that has to be given. It is made if it is not there when
    /// the snapshotter starts. A folder is one service's: what is kept counts for all snapshots in it.
    pub fn dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.dir = Some(folder.into());
        self
    }

    /// A snapshot every so often, the first after one such time.
    pub fn every(mut self, time: Duration) -> Self {
        self.rules.every = Some(time);
        self
    }

    /// A snapshot whenever so many bytes more are live than at the least since the last one, by estimate;
    /// at most one a second.
    pub fn growth(mut self, bytes: u64) -> Self {
        self.rules.growth_bytes = Some(bytes);
        self
    }

    /// A snapshot whenever so many times the bytes are live than at the least since the last one, by
    /// estimate and from 4 MiB on; at most one a second.
    pub fn growth_factor(mut self, factor: f64) -> Self {
        self.rules.growth_factor = Some(factor);
        self
    }

    /// A snapshot whenever a tenth more is live than at the last peak, by estimate and from 4 MiB on; at
    /// most one a second. It replaces the one of the last peak, and is kept apart from all others.
    pub fn peak(mut self) -> Self {
        self.rules.peak = true;
        self
    }

    /// A snapshot when the memory used reaches these shares of its limit, each above 0 and at most 1; once
    /// for each, until use has fallen 5 % of the limit below it. They are kept apart from all others.
    ///
    /// A limit is that of the control group or of one above it, of version 2 or 1, compared with the use
    /// that counts against it, less what the kernel can take back at once (inactive file pages); and the
    /// process's limit on address space (`RLIMIT_AS`), compared with what is mapped and, on its own, with
    /// what is resident, since allocators map ahead. Where there is none of these it is the machine's
    /// memory, compared with what is resident of this process. If several hold, each is watched.
    ///
    /// Memory is looked at each second, and besides that whenever the live bytes have grown by half of the
    /// way that is left, which allocations notice themselves, at their next sample.
    pub fn limit(mut self, shares: impl IntoIterator<Item = f64>) -> Self {
        self.limits = shares.into_iter().collect();
        self.limits.sort_by(f64::total_cmp);
        self
    }

    /// A snapshot whenever this signal comes: `SIGHUP`, `SIGUSR1` or `SIGUSR2`, by number. The signal does
    /// nothing else then, unless the program has a handler of its own, which is called as before.
    pub fn signal(mut self, signal: c_int) -> Self {
        self.signal = Some(signal);
        self
    }

    /// A last snapshot when the [`Snapshotter`] is dropped, or when the process exits before that:
    /// `main` returns, or somebody calls [`exit`](std::process::exit). A process that is killed or aborts
    /// does not exit.
    pub fn at_exit(mut self) -> Self {
        self.at_exit = true;
        self
    }

    /// A snapshot when a thread panics, at most one a minute; the thread waits for it, and goes on as it
    /// would have. The panic hook that is set at the start is called first, and stays in force.
    pub fn on_panic(mut self) -> Self {
        self.on_panic = true;
        self
    }

    /// How many files are kept: so many of the series, and so many of those kept apart, peaks and shares of
    /// the limit. 120 if not set. The oldest go first, and the last peak goes last.
    pub fn keep(mut self, files: usize) -> Self {
        self.keep.files = files;
        self
    }

    /// How many bytes are kept in all; 1 GiB if not set. The oldest of the series go first; then, if that
    /// is not enough, those taken at shares of the limit, and peaks. The newest file of all stays.
    pub fn keep_bytes(mut self, bytes: u64) -> Self {
        self.keep.bytes = bytes;
        self
    }

    /// Symbolizes each snapshot, with the feature `symbolize`. Otherwise files have addresses, mappings and
    /// build ids, which cost little to write when memory is short, and are symbolized where they are read.
    pub fn symbolize(mut self) -> Self {
        self.symbolize = true;
        self
    }

    /// Starts taking snapshots, on a thread of its own.
    ///
    /// Trouble with the folder is no error: it is said on stderr, now and when a snapshot fails, once until
    /// it works again, and [counted](Snapshotter::counts).
    ///
    /// # Errors
    ///
    /// - [Setting](Error::is_setting), if one is missing or has a value that is not accepted.
    /// - [Unsupported](Error::is_unsupported), where recording is not implemented.
    /// - [Not installed](Error::is_not_installed), if no allocation ever came through a
    ///   [`SamplingAllocator`](crate::SamplingAllocator).
    /// - [Busy](Error::is_busy), if a snapshotter runs in this process already.
    /// - [Io](Error::is_io), if its thread could not be started, or the signal not be listened to.
    pub fn start(self) -> Result<Snapshotter> {
        Snapshotter::start(self)
    }

    /// What is wrong with it, if anything; otherwise the rules.
    pub(super) fn check(&self) -> Result<Rules> {
        let refuse = |key: &str, value: &dyn std::fmt::Display, accepted: &str| {
            Err(Error::setting(format!("{key}={value}: {accepted}")))
        };
        if self.dir.is_none() {
            return Err(Error::setting(
                "dir: there is no folder to write to, such as dir=/dumps",
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

    /// The folder, from wherever the program goes later.
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
