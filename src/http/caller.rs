//! The client who waits for an answer, as the thread that makes it sees them.
//!
//! A profile over 30 seconds is made on a thread that mostly waits. If the client goes away, the future that
//! holds the [`Line`] is dropped, and the thread ends at once instead of after 30 seconds. Other long work asks
//! now and then whether anybody still waits for it.

use std::{
    convert::Infallible,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel},
    thread,
    time::Duration,
};

/// Held by who waits; dropped when they no longer do.
#[derive(Debug)]
pub(super) struct Line {
    _open: Sender<Infallible>,
}

/// Whoever asked.
#[derive(Debug)]
pub(super) struct Caller {
    line: Option<Receiver<Infallible>>,
}

impl Caller {
    /// One who never hangs up.
    pub(super) fn patient() -> Self {
        Self { line: None }
    }

    /// One who stays as long as the line is held.
    pub(super) fn on_line() -> (Line, Self) {
        let (open, line) = channel();
        (Line { _open: open }, Self { line: Some(line) })
    }

    /// Whether they still wait.
    pub(super) fn is_there(&self) -> bool {
        let line = self.line.as_ref();
        line.is_none_or(|line| line.try_recv() != Err(TryRecvError::Disconnected))
    }

    /// Waits, and says whether they are still there afterwards. Returns early if they are not.
    pub(super) fn stays(&self, duration: Duration) -> bool {
        match &self.line {
            None => {
                thread::sleep(duration);
                true
            }
            Some(line) => line.recv_timeout(duration) == Err(RecvTimeoutError::Timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hangs_up_is_not_waited_for() {
        let (line, caller) = Caller::on_line();
        assert!(caller.stays(Duration::from_millis(1)));
        assert!(caller.is_there());
        drop(line);
        assert!(!caller.is_there());
        assert!(!caller.stays(Duration::from_secs(3600)));
        let patient = Caller::patient();
        assert!(patient.is_there() && patient.stays(Duration::ZERO));
    }
}
