//! Takes a snapshot when a signal comes, on a thread of its own.
//!
//! A signal handler must not allocate, so it only wakes that thread. Handlers that the program has
//! for the same signal keep working.

use super::{reason::Reason, watcher::Request};
use crate::{Error, Result, record};
use signal_hook::iterator::{Handle, Signals};
use std::{
    ffi::c_int,
    sync::mpsc::{Sender, sync_channel},
    thread::{self, JoinHandle},
};

/// A thread that waits for a signal.
#[derive(Debug)]
pub(super) struct SignalListener {
    handle: Handle,
    thread: JoinHandle<()>,
}

impl SignalListener {
    pub(super) fn start(signal: c_int, requests: Sender<Request>) -> Result<Self> {
        let mut signals = Signals::new([signal])
            .map_err(|source| Error::io("register the snapshot signal", source))?;
        let handle = signals.handle();
        let listen = move || {
            for _signal in signals.forever() {
                // The answer is not needed: the snapshotter's thread reports and counts the
                // outcome.
                let (reply, _) = sync_channel(1);
                if requests.send(Request::Take(Reason::Signal, reply)).is_err() {
                    break;
                }
                record::alarm().ring();
            }
        };
        let thread = thread::Builder::new()
            .name("heaptide-signal".to_owned())
            .spawn(move || record::muted(listen))
            .map_err(|source| Error::io("start the snapshot signal's thread", source))?;
        Ok(Self { handle, thread })
    }

    pub(super) fn stop(self) {
        self.handle.close();
        // The thread does not panic, and a panic could not be handled here.
        let _ = self.thread.join();
    }
}
