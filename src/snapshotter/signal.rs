//! Snapshots on a signal, by a thread of its own: a handler may not allocate, and the program may have
//! handlers for the same signal, which go on working.

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
            .map_err(|source| Error::io("listen for the snapshot signal", source))?;
        let handle = signals.handle();
        let listen = move || {
            for _signal in signals.forever() {
                // Nobody waits for the answer: what came of it the other thread tells.
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
        // It does not panic, and there would be nothing to do about it here.
        let _ended = self.thread.join();
    }
}
