//! Snapshots on a signal, by a thread of its own: a handler may not allocate, and the program may have
//! handlers for the same signal, which go on working.

use super::{reason::Reason, watcher::Request};
use crate::{Error, Result, record};
use signal_hook::{
    consts::{SIGHUP, SIGUSR1, SIGUSR2},
    iterator::{Handle, Signals},
};
use std::{
    ffi::c_int,
    sync::mpsc::{Sender, sync_channel},
    thread::{self, JoinHandle},
};

/// Those that mean nothing to the system, so that taking them over changes nothing else.
const SIGNALS: [(&str, c_int); 3] = [("HUP", SIGHUP), ("USR1", SIGUSR1), ("USR2", SIGUSR2)];

/// What a signal is called, if it may be used.
pub(super) fn name(signal: c_int) -> Option<&'static str> {
    let known = SIGNALS.iter().find(|(_, number)| *number == signal);
    known.map(|(name, _)| *name)
}

/// The signal of a name, with or without `SIG`.
pub(super) fn parse(name: &str) -> Option<c_int> {
    let name = name.strip_prefix("SIG").unwrap_or(name);
    let known = SIGNALS.iter().find(|(known, _)| *known == name);
    known.map(|(_, number)| *number)
}

/// A thread that waits for a signal.
#[derive(Debug)]
pub(super) struct Listener {
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Listener {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree_and_what_ends_a_program_is_not_taken() {
        for (text, number) in SIGNALS {
            assert_eq!(parse(text), Some(number));
            assert_eq!(parse(&format!("SIG{text}")), Some(number));
            assert_eq!(name(number), Some(text));
        }
        assert_eq!(parse("TERM"), None);
        assert_eq!(name(signal_hook::consts::SIGTERM), None);
    }
}
