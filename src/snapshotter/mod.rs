//! Writes heap snapshot files: at intervals, as memory grows, near the memory limit, and at exit.
//!
//! One thread does all the work, and everything else sends it requests. The thread is muted, so its
//! own allocations do not appear in the files. The decisions are pure: what to take
//! ([`triggers`]), what to keep ([`retention`]) and how files are named ([`name`]). Only
//! [`process`], [`folder`] and [`memory`] touch the system. [`pprof`](crate::ProfileOptions) makes
//! the profiles.

mod builder;
mod folder;
mod hooks;
mod limit_share;
mod memory;
mod name;
mod process;
mod reason;
mod retention;
mod settings;
#[cfg_attr(windows, path = "signal_windows.rs")]
mod signal;
mod signal_name;
mod taker;
mod triggers;
mod warnings;
mod watcher;

pub use builder::SnapshotterBuilder;

use crate::{Error, Result, record};
use hooks::{Claim, HookTarget};
use process::{CurrentProcess, MAX_WAIT, WatchedProcess};
use reason::Reason;
use signal::SignalListener;
use std::{
    env,
    path::PathBuf,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Sender, channel, sync_channel},
    },
    thread::{self, JoinHandle},
};
use taker::{Counters, Taker};
use triggers::Triggers;
use warnings::Warnings;
use watcher::{Request, Watcher};

/// The environment variable that [`Snapshotter::from_env`] reads.
const VARIABLE: &str = "HEAPTIDE_SNAPSHOTS";

/// Writes heap snapshots to files, on a thread of its own, until it is dropped.
///
/// A snapshot file is complete or absent, and only its owner can read it (mode 0600). Its name is
/// `heap-20261121T083455.123Z-4711-interval.pb.gz`: the time in UTC, the process id and the reason.
/// `go tool pprof` and `heaptide` read such files, and [`leak::find`](heaptide_profile::leak::find)
/// compares many of them. An error costs only the snapshot in which it occurs. It is reported in
/// one line on stderr and [counted](Self::counts). It never ends the process.
///
/// A process has at most one snapshotter. In a forked child it does nothing, and the child may
/// start its own.
///
/// ```
/// # #[cfg(feature = "jemalloc")] {
/// use heaptide::Snapshotter;
/// use std::time::Duration;
///
/// #[global_allocator]
/// static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
/// #     let folder = tempfile::tempdir()?;
/// #     let folder = folder.path();
///     let snapshots = Snapshotter::builder()
///         .dir(folder)
///         .every(Duration::from_secs(60))
///         .limit([0.8, 0.9, 0.95])
///         .peak()
///         .start()?;
///     // What the service does, and once by hand:
///     let file = snapshots.take("before-deploy")?;
///     assert!(file.to_string_lossy().ends_with("-before-deploy.pb.gz"));
///     heaptide::Profile::read(&std::fs::read(file)?)?;
///     Ok(())
/// }
/// # }
/// ```
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Snapshotter {
    requests: Sender<Request>,
    counters: Arc<Counters>,
    at_exit: bool,
    thread: Option<JoinHandle<()>>,
    signal: Option<SignalListener>,
    // Dropped last: another snapshotter may start only after this one has taken its last snapshot
    // and released the alarm, or after the wait for it has timed out.
    claim: Claim,
}

/// What a [`Snapshotter`] has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotCounts {
    /// Snapshots whose files were written.
    pub taken: u64,
    /// Snapshots that failed.
    pub failed: u64,
    /// Files removed because there were too many.
    pub removed: u64,
}

impl Snapshotter {
    /// The builder that sets up and starts a snapshotter.
    pub fn builder() -> SnapshotterBuilder {
        SnapshotterBuilder::default()
    }

    /// Starts a snapshotter with the settings in the environment variable `HEAPTIDE_SNAPSHOTS`.
    ///
    /// Returns `None` if the variable is unset or empty. With a call at the top of `main`, the
    /// person who runs the program decides:
    ///
    /// ```no_run
    /// let _snapshots = heaptide::Snapshotter::from_env()?;
    /// # Ok::<(), heaptide::Error>(())
    /// ```
    ///
    /// ```text
    /// HEAPTIDE_SNAPSHOTS=dir=/dumps,every=60s,keep=48,growth=64MiB,limit=0.8:0.9:0.95
    /// ```
    ///
    /// The keys are listed at [`SnapshotterBuilder`'s `FromStr`][keys].
    ///
    /// [keys]: SnapshotterBuilder#impl-FromStr-for-SnapshotterBuilder
    ///
    /// # Errors
    ///
    /// The errors of [`SnapshotterBuilder::start`]. The message of a setting error names the
    /// variable, the key, the value and the accepted values.
    pub fn from_env() -> Result<Option<Self>> {
        record::muted(|| {
            let Some(text) = env::var_os(VARIABLE).filter(|text| !text.is_empty()) else {
                return Ok(None);
            };
            let text = text
                .into_string()
                .map_err(|_not_text| Error::setting(format!("{VARIABLE} is not text in UTF-8")))?;
            let builder: SnapshotterBuilder = text
                .parse()
                .map_err(|error| Error::setting(format!("{VARIABLE}: {error}")))?;
            builder.start().map(Some)
        })
    }

    /// Takes a snapshot now, waits for its file, and returns the path of the file.
    ///
    /// The wait takes as long as the disk takes. It never ends if the disk hangs.
    ///
    /// # Errors
    ///
    /// - [Setting](Error::is_setting), if `reason` is not 1 to 40 ASCII letters, digits, `-`, `_`
    ///   and `.`, or is one of heaptide's own words.
    /// - [Io](Error::is_io), if the file could not be written.
    /// - The errors of [`snapshot`](crate::snapshot()).
    /// - [Inert](Error::is_inert), in a forked child.
    pub fn take(&self, reason: &str) -> Result<PathBuf> {
        record::muted(|| self.take_muted(reason))
    }

    fn take_muted(&self, reason: &str) -> Result<PathBuf> {
        let Some(reason) = Reason::manual(reason) else {
            return Err(Error::setting(format!(
                "could not take a snapshot: the reason {reason:?} must be 1 to 40 letters, digits, \
                 '-', '_' or '.', and not one of heaptide's own words"
            )));
        };
        if !self.claim.is_own() {
            return Err(Error::inert(
                "could not take a snapshot: this is a forked child, and the snapshotter belongs to \
                 its parent; start another one here",
            ));
        }
        let (reply, answer) = sync_channel(1);
        let asked = self.ask(Request::Take(reason, reply));
        let answer = asked.then(|| answer.recv().ok()).flatten().flatten();
        answer.unwrap_or_else(|| {
            Err(Error::inert(
                "could not take a snapshot: the snapshotter's thread has ended",
            ))
        })
    }

    /// The numbers of snapshots taken and failed, and of files removed, so far.
    #[must_use]
    pub fn counts(&self) -> SnapshotCounts {
        let Counters {
            taken,
            failed,
            removed,
        } = &*self.counters;
        SnapshotCounts {
            taken: taken.load(Ordering::Relaxed),
            failed: failed.load(Ordering::Relaxed),
            removed: removed.load(Ordering::Relaxed),
        }
    }

    fn start(builder: SnapshotterBuilder) -> Result<Self> {
        // The snapshotter's own memory must not appear in the profiles.
        record::muted(|| Self::start_muted(&builder))
    }

    fn start_muted(builder: &SnapshotterBuilder) -> Result<Self> {
        let rules = builder.check()?;
        if !record::IS_SUPPORTED {
            return Err(crate::errors::unsupported());
        }
        if !record::stats().installed {
            return Err(crate::errors::not_installed());
        }
        let claim = Claim::new()?;
        let counters = Arc::<Counters>::default();
        let process = CurrentProcess::new(builder.profile_options());
        let triggers = Triggers::new(rules, &process.measure());
        let taker = Taker::new(
            builder.folder(),
            builder.kept(),
            std::process::id(),
            Arc::clone(&counters),
            Warnings::on_stderr(),
        );
        let (requests, received) = channel();
        let watcher = Watcher::new(process, triggers, taker, received);
        let thread = thread::Builder::new()
            .name("heaptide".to_owned())
            .spawn(move || record::muted(|| watcher.run()))
            .map_err(|source| Error::io("start the snapshotter's thread", source))?;
        let id = thread.thread().id();
        // From here on, a drop ends the thread.
        let mut snapshotter = Self {
            requests: requests.clone(),
            counters,
            at_exit: false,
            thread: Some(thread),
            signal: None,
            claim,
        };
        let signal = builder.signal;
        let listener = signal.map(|signal| SignalListener::start(signal, requests.clone()));
        snapshotter.signal = listener.transpose()?;
        snapshotter.claim.set(HookTarget {
            requests,
            at_exit: builder.at_exit,
            on_panic: builder.on_panic,
            thread: id,
        })?;
        snapshotter.at_exit = builder.at_exit;
        Ok(snapshotter)
    }

    fn ask(&self, request: Request) -> bool {
        let sent = record::muted(|| self.requests.send(request)).is_ok();
        record::alarm().ring();
        sent
    }
}

impl Drop for Snapshotter {
    /// Takes the exit snapshot if one is wanted, and waits at most 30 s for the thread to end.
    fn drop(&mut self) {
        let (thread, signal) = (self.thread.take(), self.signal.take());
        if !self.claim.is_own() {
            // These threads belong to the parent. Dropping a handle here could detach a thread of
            // the child that now uses the same memory.
            Box::leak(Box::new((thread, signal)));
            return;
        }
        if let Some(signal) = signal {
            signal.stop();
        }
        let (reply, ended) = sync_channel::<()>(0);
        let last = self.at_exit.then_some(Reason::Exit);
        self.ask(Request::Stop(last, reply));
        // The thread drops its end when it is done, so the wait always ends with an error. After a
        // timeout the thread is left alone.
        let _ = ended.recv_timeout(MAX_WAIT);
        if let Some(thread) = thread.filter(JoinHandle::is_finished) {
            // The thread does not panic, and a panic could not be handled here.
            let _ = thread.join();
        }
    }
}
