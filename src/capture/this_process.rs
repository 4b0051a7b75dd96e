//! The id of this process, and when it started.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use heaptide_profile::Process;

/// Hundredths of a second in a second. `/proc` counts time in them. `USER_HZ` is 100 on every
/// machine that is recorded on, since it is part of the system's binary interface.
const HUNDREDTHS: u64 = 100;

/// The bits of [`KNOWN`] for a process id. Linux has no larger one (`PID_MAX_LIMIT` is 2²²).
const PID_BITS: u32 = 22;
const PID_MASK: u64 = (1 << PID_BITS) - 1;

/// The start and id of this process after the first call, or those of the process that it was
/// forked from. They are in one word, so that two threads with the first call agree, and a forked
/// child has no lock to wait for.
static KNOWN: AtomicU64 = AtomicU64::new(0);

/// This process.
pub(super) fn this_process() -> Process {
    let pid = std::process::id();
    let mine = u64::from(pid) & PID_MASK;
    let mut known = KNOWN.load(Ordering::Relaxed);
    while known & PID_MASK != mine {
        let start = start_by_proc().unwrap_or_else(now);
        let new = (start << PID_BITS) | mine;
        // Relaxed: no other memory depends on the word.
        let set = KNOWN.compare_exchange(known, new, Ordering::Relaxed, Ordering::Relaxed);
        known = match set {
            Ok(_) => new,
            Err(other) => other,
        };
    }
    Process::new(pid, known >> PID_BITS)
}

/// The wall clock, in hundredths of a second.
fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since_epoch.map_or(0.0, |time| time.as_secs_f64());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and saturating"
    )]
    let hundredths = (seconds * HUNDREDTHS as f64) as u64;
    hundredths
}

/// When the system says that this process started, in hundredths of a second; `None` if it does not
/// say.
fn start_by_proc() -> Option<u64> {
    let process = fs::read_to_string("/proc/self/stat").ok()?;
    let system = fs::read_to_string("/proc/stat").ok()?;
    start(&process, &system)
}

/// From the texts of `/proc/self/stat` and `/proc/stat`, see proc(5): boot time, and ticks since
/// then.
fn start(process: &str, system: &str) -> Option<u64> {
    // The second field is a name in parentheses. It may hold spaces and parentheses itself.
    const FIELDS_FROM_STATE_TO_START: usize = 22 - 3;
    let (_, from_state) = process.rsplit_once(')')?;
    let ticks = from_state
        .split_whitespace()
        .nth(FIELDS_FROM_STATE_TO_START)?;
    let boot = system
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    let boot: u64 = boot.trim().parse().ok()?;
    let ticks: u64 = ticks.parse().ok()?;
    boot.checked_mul(HUNDREDTHS)?.checked_add(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_read_behind_any_name() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 200";
        let system = "cpu  1 2 3\nintr 5\nbtime 1700000000\nprocesses 9\n";
        assert_eq!(start(stat, system), Some(170_000_098_765));
        for (stat, system) in [
            (stat, "cpu 1\n"),
            ("42 (a) S 1", system),
            ("", ""),
            (stat, "btime x"),
        ] {
            assert_eq!(start(stat, system), None, "{stat} {system}");
        }
    }

    #[test]
    fn this_process_is_the_same_each_time_and_started_before_now() {
        let first = this_process();
        assert_eq!(first, this_process());
        assert_eq!(first.pid, std::process::id());
        let age = now().abs_diff(first.start.as_secs() * HUNDREDTHS);
        // A day. A boot time is off by as much as the clock was set since.
        assert!(
            age < 24 * 3600 * HUNDREDTHS,
            "{first} is {age} hundredths old"
        );
    }
}
