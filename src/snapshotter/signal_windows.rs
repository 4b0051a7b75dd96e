//! In the place of `signal` on Windows, which has no such signals, and where no snapshotter starts.

use super::watcher::Request;
use crate::{Error, Result};
use std::{ffi::c_int, sync::mpsc::Sender};

/// There is none.
#[derive(Debug)]
pub(super) enum SignalListener {}

impl SignalListener {
    pub(super) fn start(_signal: c_int, _requests: Sender<Request>) -> Result<Self> {
        Err(Error::unsupported())
    }

    pub(super) fn stop(self) {
        match self {}
    }
}
