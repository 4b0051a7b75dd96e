//! The loop of the snapshotter's thread: take the snapshots that are due or requested, then sleep.
//!
//! The thread sleeps until the next time or until the live bytes reach a level. One pass of the
//! loop is a function of its own, so that tests need no thread.

use super::{
    folder::Folder, process::WatchedProcess, reason::Reason, taker::Taker, triggers::Triggers,
};
use crate::{Result, record};
use std::{
    path::PathBuf,
    sync::mpsc::{Receiver, SyncSender, TryRecvError},
    time::Duration,
};

/// A request of the program to the thread.
#[derive(Debug)]
pub(super) enum Request {
    /// Take a snapshot now and send the outcome; `None` if too many had this reason lately.
    Take(Reason, SyncSender<Option<Result<PathBuf>>>),
    /// Take a last snapshot if a reason is given, and end. Dropping the sender reports the end.
    Stop(Option<Reason>, SyncSender<()>),
}

/// How long to sleep if no rule needs a look.
const LONG: Duration = Duration::from_secs(3600);

/// Watches a process and takes its snapshots.
#[derive(Debug)]
pub(super) struct Watcher<P, F> {
    process: P,
    triggers: Triggers,
    taker: Taker<F>,
    requests: Receiver<Request>,
}

/// What the thread does after a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Sleep(Duration),
    End,
}

impl<P: WatchedProcess, F: Folder> Watcher<P, F> {
    pub(super) fn new(
        process: P,
        triggers: Triggers,
        taker: Taker<F>,
        requests: Receiver<Request>,
    ) -> Self {
        Self {
            process,
            triggers,
            taker,
            requests,
        }
    }

    /// Runs until it is stopped, or until all senders of requests are gone.
    pub(super) fn run(mut self) {
        let alarm = record::alarm();
        self.taker.begin();
        loop {
            // Read before the pass, so that the thread does not sleep through a ring during the
            // pass.
            let rings = alarm.rings();
            match self.look() {
                Next::Sleep(most) => alarm.wait(rings, most),
                Next::End => break,
            }
        }
    }

    /// Takes the snapshots that are due or requested.
    fn look(&mut self) -> Next {
        loop {
            match self.requests.try_recv() {
                Ok(Request::Take(reason, reply)) => {
                    let measured = self.process.measure();
                    let taken = self
                        .triggers
                        .admit(&reason, &measured)
                        .then(|| self.taker.take(&self.process, reason, &measured));
                    // The requester may have stopped waiting. Then the outcome is not needed.
                    let _ = reply.try_send(taken);
                }
                Ok(Request::Stop(last, waits)) => {
                    if let Some(reason) = last {
                        let measured = self.process.measure();
                        // The taker has reported and counted the outcome.
                        let _ = self.taker.take(&self.process, reason, &measured);
                    }
                    // Cleared before the end is reported: then another snapshotter may start and
                    // set its own level.
                    self.process.wake_at(None);
                    drop(waits);
                    return Next::End;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.process.wake_at(None);
                    return Next::End;
                }
            }
        }
        let mut measured = self.process.measure();
        while let Some(reason) = self.triggers.due(&measured) {
            // The taker has reported and counted the outcome. No snapshot is due twice, so a
            // failure does not loop.
            let _ = self.taker.take(&self.process, reason, &measured);
            measured = self.process.measure();
        }
        self.process.wake_at(self.triggers.level(&measured));
        Next::Sleep(self.triggers.quiet(measured.now).unwrap_or(LONG))
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
