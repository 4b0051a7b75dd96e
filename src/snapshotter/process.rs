//! The watched process: its clocks, live bytes, memory and profiles.
//!
//! It is a trait, so that tests run the decisions against a simulated process, hours in no time.

use super::{
    memory::{Memory, MemoryReader},
    triggers::Measured,
};
use crate::{ProfileOptions, Result, record};
use heaptide_profile::internal::units::Bytes;
use std::time::{Duration, Instant, SystemTime};

/// A process whose heap is watched.
pub(super) trait WatchedProcess: Send {
    fn measure(&self) -> Measured;
    fn wall_clock(&self) -> SystemTime;
    /// Sets the live bytes at which the watcher is woken; `None` for never.
    fn wake_at(&self, live_bytes: Option<u64>);
    /// The heap profile as the bytes of a file, with `remark` as a comment.
    fn profile(&self, remark: &str) -> Result<Vec<u8>>;
}

/// This process.
#[derive(Debug)]
pub(super) struct CurrentProcess {
    start: Instant,
    memory: MemoryReader,
    options: ProfileOptions,
}

impl CurrentProcess {
    pub(super) fn new(options: ProfileOptions) -> Self {
        Self {
            start: Instant::now(),
            memory: MemoryReader::new("/"),
            options,
        }
    }
}

impl WatchedProcess for CurrentProcess {
    fn measure(&self) -> Measured {
        Measured {
            now: self.start.elapsed(),
            live_bytes: record::live_bytes(),
            memory: self.memory.read(),
        }
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    fn wake_at(&self, level: Option<u64>) {
        let alarm = record::alarm();
        alarm.set_level(level);
        // A level that was reached before it was set has not rung the alarm.
        if level.is_some_and(|level| record::live_bytes() >= level) {
            alarm.ring();
        }
    }

    fn profile(&self, remark: &str) -> Result<Vec<u8>> {
        let mut profile = self.options.heap()?;
        profile.comments.push(remark.into());
        let mut bytes = Vec::new();
        profile.write(&mut bytes)?;
        Ok(bytes)
    }
}

/// The comment in the profile: the reason, and the use of each memory limit.
///
/// By `pprof`'s convention a comment that begins with `#` is for machines.
pub(super) fn remark(reason: &impl std::fmt::Display, memory: &[Memory]) -> String {
    let mut remark = format!("#heaptide snapshot: {reason}");
    for limit in memory {
        let bytes = |bytes| Bytes(i64::try_from(bytes).unwrap_or(i64::MAX));
        let (used, most) = (bytes(limit.used), bytes(limit.limit));
        remark += &format!("; {used} used of {most} ({})", limit.source);
    }
    remark
}

/// How long exits, panics and drops wait for the watcher: a hung disk must not block an exit
/// forever.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(30);
