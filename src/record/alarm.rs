//! Wakes the snapshotter once the estimate of live bytes reaches a level.
//!
//! So the snapshotter learns of growth from the allocations themselves, and not only when it looks.
//! A recorded sample costs one more load. The sample that reaches the level costs a system call.
//!
//! The allocation's side takes no lock, allocates nothing and never waits. So it works in a signal
//! handler, and in a forked child, where no thread waits. What happens on growth is decided
//! elsewhere.

#![expect(
    unsafe_code,
    reason = "the futex system call, which std does not offer"
)]

// Never loom's atomics, since the kernel reads the word too.
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// A level that is never reached.
const NEVER: u64 = u64::MAX;

/// Rings when a level is reached, or by hand. One thread waits for it.
#[derive(Debug)]
pub(crate) struct Alarm {
    level: AtomicU64,
    /// How often it rang, wrapping. The waiting thread sleeps on this word.
    rings: AtomicU32,
}

// Relaxed except for `rings`, since the level orders nothing. A crossing that races with
// `set_level` may be missed. The next sample notices it, or the caller, who compares the bytes
// again after setting.
impl Alarm {
    pub(super) const fn new() -> Self {
        Self {
            level: AtomicU64::new(NEVER),
            rings: AtomicU32::new(0),
        }
    }

    /// Compares the live bytes with the level after each recorded sample. Rings once for each level
    /// that was set.
    #[inline]
    pub(super) fn check(&self, live_bytes: u64) {
        let level = self.level.load(Ordering::Relaxed);
        if live_bytes >= level {
            self.reached(level);
        }
    }

    #[cold]
    fn reached(&self, level: u64) {
        let first = self
            .level
            .compare_exchange(level, NEVER, Ordering::Relaxed, Ordering::Relaxed);
        if first.is_ok() {
            self.ring();
        }
    }

    /// Sets the level of live bytes at which it rings next; `None` for never.
    pub(crate) fn set_level(&self, bytes: Option<u64>) {
        self.level.store(bytes.unwrap_or(NEVER), Ordering::Relaxed);
    }

    /// How often it has rung so far, for [`wait`](Self::wait).
    pub(crate) fn rings(&self) -> u32 {
        self.rings.load(Ordering::Acquire)
    }

    /// Wakes the waiting thread.
    pub(crate) fn ring(&self) {
        // Release pairs with the acquire of `rings`: the woken thread sees what was done before.
        self.rings.fetch_add(1, Ordering::Release);
        // SAFETY: the word lives as long as `self`. Waking touches nothing else. It cannot fail, so
        // it leaves `errno` alone. The result does not matter: the number of woken threads.
        let _ = unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.rings.as_ptr(),
                libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
                1,
            )
        };
    }

    /// Waits until it has rung more often than `seen`, for at most `most`. May return earlier.
    pub(crate) fn wait(&self, seen: u32, most: Duration) {
        let timeout = libc::timespec {
            tv_sec: i64::try_from(most.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(most.subsec_nanos()),
        };
        // SAFETY: the word and the timeout live through the call. The result does not matter:
        // whether the word differs from `seen`, the thread was woken, the time is over or a signal
        // came, the caller looks again.
        let _ = unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.rings.as_ptr(),
                libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                seen,
                &raw const timeout,
            )
        };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn it_rings_once_for_each_level_that_is_reached() {
        let alarm = Alarm::new();
        alarm.check(u64::MAX - 1);
        assert_eq!(alarm.rings(), 0, "no level is set");
        alarm.set_level(Some(1000));
        alarm.check(999);
        assert_eq!(alarm.rings(), 0);
        alarm.check(1000);
        alarm.check(2000);
        assert_eq!(alarm.rings(), 1);
        alarm.set_level(Some(3000));
        alarm.check(3001);
        assert_eq!(alarm.rings(), 2);
        alarm.set_level(Some(1));
        alarm.set_level(None);
        alarm.check(1 << 40);
        assert_eq!(alarm.rings(), 2);
    }

    #[test]
    fn a_ring_between_looking_and_waiting_is_not_missed() {
        let alarm = Alarm::new();
        let seen = alarm.rings();
        alarm.ring();
        // Hangs if the ring is missed.
        alarm.wait(seen, LONG);
    }

    #[test]
    fn a_waiting_thread_is_woken() {
        let alarm = Alarm::new();
        alarm.set_level(Some(5));
        let seen = alarm.rings();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while alarm.rings() == seen {
                    alarm.wait(seen, LONG);
                }
            });
            alarm.check(5);
        });
        assert_eq!(alarm.rings(), 1);
    }

    #[test]
    fn waiting_ends_after_its_time() {
        let alarm = Alarm::new();
        alarm.wait(alarm.rings(), Duration::from_millis(1));
        assert_eq!(alarm.rings(), 0);
    }
}
