//! A simulated process and folder, so that tests run through hours in no time.

use crate::{
    Result,
    snapshotter::{
        folder::Folder, memory::Memory, name::SnapshotName, process::WatchedProcess,
        triggers::Measured,
    },
};
use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, TryRecvError},
    },
    time::{Duration, SystemTime},
};

pub(super) const MIB: u64 = 1 << 20;

/// The state of a simulated process and folder, and the warnings so far.
#[derive(Debug, Default)]
pub(super) struct SimulatedState {
    pub(super) now: Duration,
    pub(super) live_bytes: u64,
    pub(super) used: u64,
    pub(super) level: Option<u64>,
    pub(super) no_profile: bool,
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) failure: Option<io::ErrorKind>,
    pub(super) cannot_remove: bool,
    pub(super) unremovable: Option<String>,
    pub(super) waiting: Option<Receiver<()>>,
    pub(super) prepared: u32,
    pub(super) warned: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Simulation(Arc<Mutex<SimulatedState>>);

impl Simulation {
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut SimulatedState) -> R) -> R {
        f(&mut self.0.lock().unwrap())
    }

    pub(super) fn reasons(&self) -> Vec<String> {
        let files = self.with(|simulation| simulation.files.clone());
        let parsed = files.keys().map(|name| SnapshotName::parse(name).unwrap());
        parsed.map(|name| name.reason.to_string()).collect()
    }
}

impl WatchedProcess for Simulation {
    fn measure(&self) -> Measured {
        self.with(|simulation| Measured {
            now: simulation.now,
            live_bytes: simulation.live_bytes,
            memory: vec![Memory {
                number: 0,
                used: simulation.used,
                limit: 1000 * MIB,
                source: "test",
            }],
        })
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.with(|simulation| simulation.now)
    }

    fn wake_at(&self, live_bytes: Option<u64>) {
        self.with(|simulation| {
            simulation.level = live_bytes;
            if let Some(waiting) = &simulation.waiting {
                let told = waiting.try_recv();
                assert_eq!(told, Err(TryRecvError::Empty), "the level of the next one");
            }
        });
    }

    fn profile(&self, remark: &str) -> Result<Vec<u8>> {
        if self.with(|simulation| simulation.no_profile) {
            return Err(crate::Error::busy("a table stayed locked"));
        }
        Ok(remark.into())
    }
}

impl Folder for Simulation {
    fn prepare(&self) -> io::Result<()> {
        self.with(|simulation| {
            simulation.prepared += 1;
            simulation.failure.map_or(Ok(()), |kind| Err(kind.into()))
        })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.with(|simulation| match simulation.failure {
            Some(kind) => Err(kind.into()),
            None if simulation.files.contains_key(name) => Err(io::ErrorKind::AlreadyExists.into()),
            None => {
                simulation.files.insert(name.to_owned(), bytes.to_vec());
                Ok(())
            }
        })
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let files = self.with(|simulation| simulation.files.clone());
        Ok(files
            .into_iter()
            .map(|(name, bytes)| (name, bytes.len() as u64))
            .collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.with(|simulation| {
            if simulation.cannot_remove || simulation.unremovable.as_deref() == Some(name) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            assert!(simulation.files.remove(name).is_some());
            Ok(())
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/dumps").join(name)
    }
}
