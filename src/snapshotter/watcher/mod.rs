//! The loop of the snapshotter's thread: look, take what is due or asked for, sleep until the next time
//! or until the live bytes reach a level. One look is a function of its own, so tests need no thread.

use super::{
    folder::Folder, process::WatchedProcess, reason::Reason, taker::Taker, triggers::Triggers,
};
use crate::{Result, record};
use std::{
    path::PathBuf,
    sync::mpsc::{Receiver, SyncSender, TryRecvError},
    time::Duration,
};

/// What the program asks of the thread.
#[derive(Debug)]
pub(super) enum Request {
    /// Take a snapshot now, and tell who waits. `None` if there were too many for this reason lately.
    Take(Reason, SyncSender<Option<Result<PathBuf>>>),
    /// Take a last one if there is to be one, and end; who waits hears of it when the sender is dropped.
    Stop(Option<Reason>, SyncSender<()>),
}

/// How long to sleep where nothing is to be watched.
const LONG: Duration = Duration::from_secs(3600);

/// Watches a process and takes its snapshots.
#[derive(Debug)]
pub(super) struct Watcher<P, F> {
    process: P,
    triggers: Triggers,
    taker: Taker<F>,
    requests: Receiver<Request>,
}

/// What comes after a look.
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

    /// Until it is stopped, or nobody is left to stop it.
    pub(super) fn run(mut self) {
        let alarm = record::alarm();
        self.taker.begin();
        loop {
            // Before looking: a ring meanwhile is not slept through.
            let rings = alarm.rings();
            match self.look() {
                Next::Sleep(most) => alarm.wait(rings, most),
                Next::End => break,
            }
        }
    }

    /// Takes what is due and what was asked for.
    fn look(&mut self) -> Next {
        loop {
            match self.requests.try_recv() {
                Ok(Request::Take(reason, reply)) => {
                    let measured = self.process.measure();
                    let taken = self
                        .triggers
                        .admit(&reason, &measured)
                        .then(|| self.taker.take(&self.process, reason, &measured));
                    // Who asked may have stopped waiting.
                    let _nobody_waits = reply.try_send(taken);
                }
                Ok(Request::Stop(last, waits)) => {
                    if let Some(reason) = last {
                        let measured = self.process.measure();
                        // Counted and told by the taker.
                        let _told = self.taker.take(&self.process, reason, &measured);
                    }
                    // Before who waits hears of the end, and lets another one start and set a level.
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
            // Counted and told by the taker; nothing is due twice, so trouble does not spin.
            let _told = self.taker.take(&self.process, reason, &measured);
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
