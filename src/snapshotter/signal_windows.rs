//! Replaces `signal` on Windows, which has none of these signals and where no snapshotter starts.

use super::watcher::Request;
use crate::{Error, Result};
use std::{ffi::c_int, sync::mpsc::Sender};

/// Has no values, since no listener starts on Windows.
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
