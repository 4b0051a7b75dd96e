//! Hooks for the normal exit of the process and for panics.
//!
//! Both send a request to the snapshotter's thread and wait for the file, with a time limit.

#![expect(unsafe_code, reason = "atexit")]

use super::{process::MAX_WAIT, reason::Reason, watcher::Request};
use crate::{Error, Result, record};
use std::{
    panic,
    sync::{
        Mutex, MutexGuard, TryLockError,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc::{Sender, sync_channel},
    },
    thread::{self, ThreadId},
};

/// The snapshotter that the hooks send requests to.
#[derive(Debug)]
pub(super) struct HookTarget {
    pub(super) requests: Sender<Request>,
    pub(super) at_exit: bool,
    pub(super) on_panic: bool,
    /// The snapshotter's thread, which cannot wait for itself.
    pub(super) thread: ThreadId,
}

static HOOK_TARGET: Mutex<Option<HookTarget>> = Mutex::new(None);
/// The id of the process that a snapshotter runs in; 0 for none.
///
/// A forked child inherits this number, and so knows that the snapshotter belongs to its parent.
/// The child then does not touch the lock either, which may stay held forever there.
static PROCESS: AtomicU32 = AtomicU32::new(0);
static EXIT_HOOK: AtomicBool = AtomicBool::new(false);
static PANIC_HOOK: AtomicBool = AtomicBool::new(false);

/// The right to be the one snapshotter of this process, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    process: u32,
}

impl Claim {
    /// # Errors
    ///
    /// Busy, if a snapshotter runs already, or if this is a child whose parent held the lock at the
    /// fork.
    pub(super) fn new() -> Result<Self> {
        let process = std::process::id();
        // Held until the slot is empty: a hook that finds the new number must not find the parent's
        // channel.
        let mut slot = hook_target_slot().ok_or_else(locked_by_fork)?;
        if PROCESS.swap(process, Ordering::AcqRel) == process {
            return Err(Error::busy(
                "a snapshotter already runs in this process: drop it before you start another one",
            ));
        }
        if let Some(parents) = slot.take() {
            // Dropping it could take a lock of the channel that was held at the fork.
            Box::leak(Box::new(parents));
        }
        Ok(Self { process })
    }

    /// Whether this is the process that made the claim, and not a forked child of it.
    pub(super) fn is_own(&self) -> bool {
        std::process::id() == self.process
    }

    /// Directs the hooks to this snapshotter, and installs the hooks that it wants.
    ///
    /// # Errors
    ///
    /// Busy, if this is a child whose parent held the lock at the fork.
    pub(super) fn set(&self, running: HookTarget) -> Result<()> {
        if running.at_exit && !EXIT_HOOK.swap(true, Ordering::Relaxed) {
            // A failure, possible only without memory, costs no more than the exit snapshot.
            // SAFETY: the handler is a function of this program.
            let _ = unsafe { libc::atexit(at_exit) };
        }
        // A panicking thread cannot set hooks. Only a destructor could start a snapshotter there.
        if running.on_panic && !thread::panicking() && !PANIC_HOOK.swap(true, Ordering::Relaxed) {
            let previous = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                previous(info);
                ask(&Reason::Panic);
            }));
        }
        let mut slot = hook_target_slot().ok_or_else(locked_by_fork)?;
        *slot = Some(running);
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.is_own() {
            if let Some(mut slot) = hook_target_slot() {
                *slot = None;
            }
            PROCESS.store(0, Ordering::Release);
        }
    }
}

/// The locked slot; `None` if the lock stays held, as in a forked child without its holder.
///
/// Every other holder releases the lock at once.
fn hook_target_slot() -> Option<MutexGuard<'static, Option<HookTarget>>> {
    for _ in 0..100_000 {
        match HOOK_TARGET.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => thread::yield_now(),
        }
    }
    None
}

fn locked_by_fork() -> Error {
    Error::busy("could not start the snapshotter: its hooks stayed locked by a fork")
}

extern "C" fn at_exit() {
    ask(&Reason::Exit);
}

/// Requests a snapshot, if this process's snapshotter wants that kind, and waits for it.
fn ask(reason: &Reason) {
    if PROCESS.load(Ordering::Acquire) != std::process::id() {
        return;
    }
    record::muted(|| {
        let requests = hook_target_slot().and_then(|slot| {
            let running = slot.as_ref()?;
            let wanted = match reason {
                Reason::Exit => running.at_exit,
                _ => running.on_panic,
            };
            let can_wait = thread::current().id() != running.thread;
            (wanted && can_wait).then(|| running.requests.clone())
        });
        let Some(requests) = requests else {
            return;
        };
        let (reply, answer) = sync_channel(1);
        if requests.send(Request::Take(reason.clone(), reply)).is_ok() {
            record::alarm().ring();
            // The thread reports and counts the outcome. After a timeout the exit or the panic
            // continues without the file.
            let _ = answer.recv_timeout(MAX_WAIT);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{TryRecvError, channel};

    #[test]
    fn a_forked_child_with_its_own_snapshotter_sends_nothing_to_its_parent() {
        // A child inherits the number of another process and a channel to a thread that it lacks.
        let (requests, received) = channel();
        let id = thread::spawn(|| thread::current().id()).join().unwrap();
        PROCESS.store(std::os::unix::process::parent_id(), Ordering::Release);
        *HOOK_TARGET.lock().unwrap() = Some(HookTarget {
            requests,
            at_exit: true,
            on_panic: true,
            thread: id,
        });
        let claim = Claim::new().unwrap();
        ask(&Reason::Exit);
        // The channel is not closed either, since closing takes a lock of the parent.
        assert_eq!(received.try_recv().unwrap_err(), TryRecvError::Empty);
        assert!(Claim::new().unwrap_err().is_busy());
        drop(claim);
        drop(Claim::new().unwrap());
    }
}
