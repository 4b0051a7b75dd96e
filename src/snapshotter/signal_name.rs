//! The signals that may trigger a snapshot, by name and by number.
//!
//! Separate from `signal`, because settings are parsed on all systems, also on Windows, which has
//! none of these signals. So one configuration serves all machines of a team.

use std::ffi::c_int;

#[cfg(unix)]
use signal_hook::consts::{SIGHUP, SIGUSR1, SIGUSR2};

// The numbers of Linux. No snapshotter listens to them on these systems.
#[cfg(not(unix))]
const SIGHUP: c_int = 1;
#[cfg(not(unix))]
const SIGUSR1: c_int = 10;
#[cfg(not(unix))]
const SIGUSR2: c_int = 12;

/// Signals that have no meaning to the system, so that their use changes nothing else.
const SIGNALS: [(&str, c_int); 3] = [("HUP", SIGHUP), ("USR1", SIGUSR1), ("USR2", SIGUSR2)];

/// The name of a signal; `None` if snapshots cannot use it.
pub(super) fn name(signal: c_int) -> Option<&'static str> {
    let known = SIGNALS.iter().find(|(_, number)| *number == signal);
    known.map(|(name, _)| *name)
}

/// The signal of this name, with or without `SIG`; `None` if snapshots cannot use it.
pub(super) fn parse(name: &str) -> Option<c_int> {
    let name = name.strip_prefix("SIG").unwrap_or(name);
    let known = SIGNALS.iter().find(|(known, _)| *known == name);
    known.map(|(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree_and_sigterm_is_not_accepted() {
        for (text, number) in SIGNALS {
            assert_eq!(parse(text), Some(number));
            assert_eq!(parse(&format!("SIG{text}")), Some(number));
            assert_eq!(name(number), Some(text));
        }
        assert_eq!(parse("TERM"), None);
        assert_eq!(name(signal_hook::consts::SIGTERM), None);
    }
}
