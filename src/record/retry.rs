//! Waiting, within bounds, for what another thread is about to finish.
//!
//! Nobody here waits in a queue: whoever would wake the sleepers may be stopped, dead since a fork, or
//! waiting for us. So a thread looks again and again and at some time gives up, and what it came for is
//! counted as lost. A sample is soon given up on, since the program's allocation waits for it; what would
//! be wrong for good, or is nobody's hurry, is [insisted](retry_longer) on, longer than a host takes a virtual
//! machine's processor away for.

use super::sync::yield_now;
use std::time::Duration;

/// Attempts with a spin behind them, before it starts to yield.
const SPINS: u32 = if cfg!(loom) { 0 } else { 64 };
/// Attempts with a yield, before it starts to sleep.
const YIELDS: u32 = if cfg!(loom) { 4 } else { 64 };
/// Attempts with a sleep of `PAUSE`: 0.2 s in all, hundreds of times what anybody needs who is not
/// stopped.
const PAUSES: u32 = if cfg!(loom) { 0 } else { 2000 };
const BEFORE_SLEEP: u32 = SPINS + YIELDS;
const PAUSE: Duration = Duration::from_micros(100);
/// Waits in vain before an insistent one gives up: 2 s.
const WAITS: u32 = if cfg!(loom) { 1 } else { 10 };

/// What `attempt` returns as soon as it returns something; `None` if that takes too long.
pub(super) fn retry<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    for number in 0..BEFORE_SLEEP + PAUSES {
        let found = attempt();
        if found.is_some() {
            return found;
        }
        if number < SPINS {
            core::hint::spin_loop();
        } else if number < BEFORE_SLEEP {
            yield_now();
        } else {
            std::thread::sleep(PAUSE);
        }
    }
    None
}

/// What `wait`, which waits within bounds itself, returns as soon as it returns something; `None` if it
/// waited in vain time after time.
pub(super) fn retry_longer<T>(mut wait: impl FnMut() -> Option<T>) -> Option<T> {
    (0..WAITS).find_map(|_| wait())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_asks_until_there_is_an_answer_but_not_for_ever() {
        let mut asked = 0;
        let mut ask = |from: u32| {
            retry(|| {
                asked += 1;
                (asked >= from).then_some(asked)
            })
        };
        assert_eq!(ask(1), Some(1));
        assert_eq!(ask(200), Some(200), "past the spins and the yields");
        assert_eq!(ask(u32::MAX), None);
    }

    #[test]
    fn who_insists_waits_more_than_once_but_not_for_ever() {
        let mut waits = 0;
        let mut wait = |from: u32| {
            retry_longer(|| {
                waits += 1;
                (waits >= from).then_some(waits)
            })
        };
        assert_eq!(wait(1), Some(1));
        assert_eq!(wait(1 + WAITS), Some(1 + WAITS));
        assert_eq!(wait(u32::MAX), None);
    }
}
