//! This process's heap as a profile: the pipeline from a snapshot to bytes.
//!
//! It takes snapshots, looks at the loaded modules, and keeps symbols for the next profile. All of
//! it runs with the profiler muted on the calling thread. So its own memory does not appear in the
//! profiles and does not shift the samples.

use super::build;
#[cfg(feature = "symbolize")]
use super::in_process::Symbolizer;
use super::mappings::{Module, loaded_modules, map_locations};
use super::snapshot::{Snapshot, snapshot};
use crate::record::muted;
#[cfg(feature = "http")]
use heaptide_profile::Location;
use heaptide_profile::internal::{DROP_FRAMES, trim};
use heaptide_profile::{Error, Profile, Result, Trim};
use std::io;

/// How this process's heap profiles are made.
///
/// ```
/// use heaptide::{ProfileOptions, Trim};
///
/// // For a program that symbolizes elsewhere, by build id: addresses and mappings only.
/// let raw = ProfileOptions::new().raw();
/// // With every frame, the allocator's own included.
/// let whole = ProfileOptions::new().trim(Trim::Nothing);
/// # let _ = (raw, whole);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ProfileOptions {
    raw: bool,
    trim: Trim,
}

impl ProfileOptions {
    /// Symbolized, if the feature `symbolize` is on, and trimmed as [`Trim`]'s default says.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves addresses unsymbolized. That saves parsing debug info: it takes microseconds instead
    /// of tens of milliseconds, and no memory. The profile has mappings and build ids, so it can be
    /// symbolized elsewhere.
    #[must_use]
    pub fn raw(mut self) -> Self {
        self.raw = true;
        self
    }

    /// Which frames to leave out at the leaf of each stack.
    #[must_use]
    pub fn trim(mut self, level: Trim) -> Self {
        self.trim = level;
        self
    }

    /// Takes a snapshot and makes its heap profile, which viewers open on what is live.
    ///
    /// # Errors
    ///
    /// Those of [`snapshot`](crate::snapshot()).
    pub fn heap(&self) -> Result<Profile> {
        muted(|| Ok(self.finish(build::heap(&snapshot()?))))
    }

    /// Takes a snapshot and makes its allocs profile, which viewers open on what was ever
    /// allocated.
    ///
    /// # Errors
    ///
    /// Those of [`snapshot`](crate::snapshot()).
    pub fn allocs(&self) -> Result<Profile> {
        muted(|| Ok(self.finish(build::allocs(&snapshot()?))))
    }

    /// Makes the heap profile of an earlier snapshot of this process.
    #[must_use]
    pub fn heap_of(&self, snapshot: &Snapshot) -> Profile {
        muted(|| self.finish(build::heap(snapshot)))
    }

    fn finish(&self, mut profile: Profile) -> Profile {
        let modules = loaded_modules();
        map_locations(&mut profile, &modules);
        self.name(profile, &modules)
    }

    fn name(&self, mut profile: Profile, modules: &[Module]) -> Profile {
        if self.raw || !add_names(&mut profile, modules) {
            if self.trim != Trim::Nothing {
                profile.drop_frames = DROP_FRAMES.into();
            }
        } else {
            profile.drop_frames = "".into();
            trim(&mut profile, self.trim);
        }
        profile
    }
}

/// For the HTTP endpoints only.
#[cfg(feature = "http")]
impl ProfileOptions {
    /// The sampled blocks themselves, without their weights; see [`build::sampled`].
    pub(crate) fn sampled(&self) -> Result<Profile> {
        muted(|| Ok(self.finish(build::sampled(&snapshot()?))))
    }

    /// Names and trims a [raw](Self::raw) profile of this process, for example a difference of two.
    /// So only addresses that differ are looked up.
    pub(crate) fn finish_raw(&self, profile: Profile) -> Profile {
        muted(|| self.name(profile, &loaded_modules()))
    }

    /// A profile without samples: the location of each address, with the lines that are known.
    pub(crate) fn locate(addresses: &[u64]) -> Profile {
        let location = |address: &u64| Location {
            address: *address,
            ..Location::default()
        };
        let mut profile = Profile {
            locations: addresses.iter().map(location).collect(),
            ..Profile::default()
        };
        muted(|| {
            let modules = loaded_modules();
            map_locations(&mut profile, &modules);
            #[cfg(feature = "symbolize")]
            with_symbolizer(|symbolizer| symbolizer.symbolize_once(&mut profile, &modules));
            profile
        })
    }
}

/// Symbolizes with the lines that are known already. Returns false if it cannot.
#[cfg(feature = "symbolize")]
fn add_names(profile: &mut Profile, modules: &[Module]) -> bool {
    with_symbolizer(|symbolizer| {
        symbolizer.symbolize(profile, modules);
    })
}

/// Calls `work` with the one symbolizer. Returns false if it cannot: in a child that was forked
/// while another thread of its parent symbolized, that thread's locks stay locked for ever.
#[cfg(feature = "symbolize")]
fn with_symbolizer(work: impl FnOnce(&mut Symbolizer)) -> bool {
    use std::sync::{
        Mutex, PoisonError, TryLockError,
        atomic::{AtomicU32, Ordering},
    };

    static SYMBOLIZER: Mutex<Option<Symbolizer>> = Mutex::new(None);
    /// The process whose threads will unlock the lock; 0 before its first use.
    static PROCESS: AtomicU32 = AtomicU32::new(0);

    let process = std::process::id();
    // Relaxed: the lock guards the data, not this word.
    let settled = PROCESS.compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed);
    let locked = if settled.is_ok() || settled == Err(process) {
        SYMBOLIZER.lock()
    } else {
        match SYMBOLIZER.try_lock() {
            Ok(guard) => {
                PROCESS.store(process, Ordering::Relaxed);
                Ok(guard)
            }
            Err(TryLockError::Poisoned(poisoned)) => Err(poisoned),
            Err(TryLockError::WouldBlock) => return false,
        }
    };
    // A panic inside can only have left some addresses without lines.
    let mut symbolizer = locked.unwrap_or_else(PoisonError::into_inner);
    work(symbolizer.get_or_insert_default());
    true
}

#[cfg(not(feature = "symbolize"))]
fn add_names(_profile: &mut Profile, _modules: &[Module]) -> bool {
    false
}

/// Writes this process's heap profile: `profile.proto` with gzip, as Go's `pprof.WriteHeapProfile`
/// does. Viewers open it on what is live.
///
/// ```no_run
/// let mut file = std::fs::File::create("heap.pb.gz")?;
/// heaptide::write_heap_profile(&mut file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Those of [`snapshot`](crate::snapshot()), before anything is written. Io, if `writer` fails.
pub fn write_heap_profile(writer: impl io::Write) -> Result<()> {
    write(&ProfileOptions::new().heap()?, writer)
}

/// Writes this process's allocs profile: the same samples as the heap profile. Viewers open it on
/// what was ever allocated.
///
/// # Errors
///
/// Those of [`snapshot`](crate::snapshot()), before anything is written. Io, if `writer` fails.
pub fn write_allocs_profile(writer: impl io::Write) -> Result<()> {
    write(&ProfileOptions::new().allocs()?, writer)
}

/// Encodes muted, then writes. What the caller's writer allocates is the program's own.
fn write(profile: &Profile, mut writer: impl io::Write) -> Result<()> {
    let bytes = muted(|| {
        let mut bytes = Vec::new();
        profile.write(&mut bytes).map(|()| bytes)
    })?;
    let written = writer.write_all(&bytes).and_then(|()| writer.flush());
    written.map_err(|source| Error::io("write the heap profile", source))
}
