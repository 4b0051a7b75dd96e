//! The signals that a snapshot may be taken on, by name and by number.
//!
//! Apart from `signal` because settings are read everywhere, also on Windows, which has none of them: one
//! configuration serves all of a team's machines.

use std::ffi::c_int;

#[cfg(unix)]
use signal_hook::consts::{SIGHUP, SIGUSR1, SIGUSR2};

// As Linux numbers them; nothing listens to them here.
#[cfg(not(unix))]
const SIGHUP: c_int = 1;
#[cfg(not(unix))]
const SIGUSR1: c_int = 10;
#[cfg(not(unix))]
const SIGUSR2: c_int = 12;

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
