//! In the place of `signal` on Windows, which has none of these: the settings are read as anywhere, so that one
//! configuration serves all of a team's machines, and no snapshotter starts there.

use super::watcher::Request;
use crate::{Error, Result};
use std::{ffi::c_int, sync::mpsc::Sender};

/// As Linux numbers them.
const SIGNALS: [(&str, c_int); 3] = [("HUP", 1), ("USR1", 10), ("USR2", 12)];

pub(super) fn name(signal: c_int) -> Option<&'static str> {
    let known = SIGNALS.iter().find(|(_, number)| *number == signal);
    known.map(|(name, _)| *name)
}

pub(super) fn parse(name: &str) -> Option<c_int> {
    let name = name.strip_prefix("SIG").unwrap_or(name);
    let known = SIGNALS.iter().find(|(known, _)| *known == name);
    known.map(|(_, number)| *number)
}

/// There is none.
#[derive(Debug)]
pub(super) enum Listener {}

impl Listener {
    pub(super) fn start(_signal: c_int, _requests: Sender<Request>) -> Result<Self> {
        Err(Error::unsupported())
    }

    pub(super) fn stop(self) {
        match self {}
    }
}
