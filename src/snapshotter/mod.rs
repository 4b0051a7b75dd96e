//! Heap snapshots as files: every so often, as memory grows, before it runs out, and at the end.
//!
//! One thread, muted so that it does not show up in what it writes, does all of it; the rest asks it. What
//! to take ([`triggers`]), what to keep ([`retention`]) and what files are called ([`name`]) is decided
//! without touching the simulation; [`process`] and [`folder`] are the simulation. A profile is made by
//! [`pprof`](crate::ProfileOptions), not here.

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

/// Where [`Snapshotter::from_env`] looks.
const VARIABLE: &str = "HEAPTIDE_SNAPSHOTS";

/// Takes heap snapshots to files, on a thread of its own, until it is dropped.
///
/// A file is there whole or not at all, readable by its owner only (mode 0600), and is called
/// `heap-20261121T083455.123Z-4711-interval.pb.gz`: when it was taken in UTC, by which process, and why.
/// `go tool pprof` and `heaptide` read it, and [`leak::find`](crate::leak::find) is asked about many.
/// Whatever goes wrong costs the snapshot it happens to, one line on stderr, and a
/// [count](Self::counts); never the process.
///
/// There is at most one in a process. In a forked child it does nothing; the child may start its own.
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
    // Last, so that nobody else starts before this one has taken its last snapshot and let go of the alarm,
    // or has been waited for in vain.
    claim: Claim,
}

/// What a [`Snapshotter`] has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotCounts {
    /// Snapshots whose files were written.
    pub taken: u64,
    /// Snapshots that were lost to trouble.
    pub failed: u64,
    /// Files removed because there were too many.
    pub removed: u64,
}

impl Snapshotter {
    /// Settings to start one with.
    pub fn builder() -> SnapshotterBuilder {
        SnapshotterBuilder::default()
    }

    /// Starts one as the environment variable `HEAPTIDE_SNAPSHOTS` says; `None` if it is not set, or
    /// empty. Called at the top of `main`, it lets people who run the program decide:
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
    /// [`SnapshotterBuilder`] lists the keys where it is [read from text](SnapshotterBuilder#impl-FromStr-for-SnapshotterBuilder).
    ///
    /// # Errors
    ///
    /// Those of [`SnapshotterBuilder::start`]; of settings the message names the variable, the key, the
    /// value, and what is accepted.
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

    /// Takes a snapshot now and waits for its file, whose path it gives: as long as the disk takes, without
    /// end if that hangs.
    ///
    /// # Errors
    ///
    /// - [Setting](Error::is_setting), if `reason` is not 1 to 40 ASCII letters, digits, `-`, `_` and `.`,
    ///   or is one of heaptide's own words.
    /// - [Io](Error::is_io), if the file could not be written; those of
    ///   [`snapshot`](crate::snapshot()).
    /// - [Inert](Error::is_inert), in a forked child.
    pub fn take(&self, reason: &str) -> Result<PathBuf> {
        record::muted(|| self.take_muted(reason))
    }

    fn take_muted(&self, reason: &str) -> Result<PathBuf> {
        let Some(reason) = Reason::manual(reason) else {
            return Err(Error::setting(format!(
                "could not take a snapshot for the reason {reason:?}: not 1 to 40 letters, digits, \
                 '-', '_' or '.', or a word that heaptide uses itself"
            )));
        };
        if !self.claim.is_own() {
            return Err(Error::inert(
                "could not take a snapshot: this is a forked child, and the snapshotter its parent's; \
                 start another one here",
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

    /// What it has done so far.
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
        // Its own memory is nobody's leak.
        record::muted(|| Self::start_muted(&builder))
    }

    fn start_muted(builder: &SnapshotterBuilder) -> Result<Self> {
        let rules = builder.check()?;
        if !record::IS_SUPPORTED {
            return Err(Error::unsupported());
        }
        if !record::stats().installed {
            return Err(Error::not_installed());
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
        // From here on dropping it ends the thread.
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
    /// Takes the exit snapshot if there is to be one, and waits for the thread to end, 30 s at most.
    fn drop(&mut self) {
        let (thread, signal) = (self.thread.take(), self.signal.take());
        if !self.claim.is_own() {
            // Their threads are the parent's. Letting go of a handle here could detach whichever thread of
            // the child has got its memory.
            Box::leak(Box::new((thread, signal)));
            return;
        }
        if let Some(signal) = signal {
            signal.stop();
        }
        let (reply, ended) = sync_channel::<()>(0);
        let last = self.at_exit.then_some(Reason::Exit);
        self.ask(Request::Stop(last, reply));
        // The thread drops its end when it is done.
        let _disconnected = ended.recv_timeout(MAX_WAIT);
        if let Some(thread) = thread.filter(JoinHandle::is_finished) {
            // It does not panic, and there would be nothing to do about it here.
            let _ended = thread.join();
        }
    }
}
