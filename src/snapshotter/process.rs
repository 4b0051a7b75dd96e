//! The process that is watched: its clocks, its live bytes, its memory, its profiles. A trait, so that
//! everything that decides is tested with a process that lives through hours at once.

use super::{
    memory::{Memory, MemoryReader},
    triggers::Measured,
};
use crate::{ProfileOptions, Result, record, units::Bytes};
use std::time::{Duration, Instant, SystemTime};

/// What is watched.
pub(super) trait WatchedProcess: Send {
    fn measure(&self) -> Measured;
    fn wall_clock(&self) -> SystemTime;
    /// Has the watcher woken once this many bytes are live; `None` for never.
    fn wake_at(&self, live_bytes: Option<u64>);
    /// The heap profile, as the bytes of a file.
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
        // What was reached before the level was set rang nothing.
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

/// What a profile says of the moment it was taken in. By `pprof`'s convention a comment that begins with
/// `#` is for machines.
pub(super) fn remark(reason: &impl std::fmt::Display, memory: &[Memory]) -> String {
    let mut remark = format!("#heaptide snapshot: {reason}");
    for limit in memory {
        let bytes = |bytes| Bytes(i64::try_from(bytes).unwrap_or(i64::MAX));
        let (used, most) = (bytes(limit.used), bytes(limit.limit));
        remark += &format!("; {used} used of {most} ({})", limit.source);
    }
    remark
}

/// As long as anybody waits for the watcher: for a disk that hangs nobody's exit should wait for ever.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(30);
