//! From what is recorded to a profile of this process.
//!
//! 1. `snapshot` copies the tables of the recording side, and `this_process` says whose they are.
//! 2. `build` makes a profile of raw addresses from the copy.
//! 3. `mappings` adds which file each address lies in, by the loaded `modules`.
//! 4. `in_process` gives the addresses functions, files and lines.
//! 5. `options` says which of these steps a profile takes, and writes it.
//!
//! Nothing here may run inside the allocator, since all of it allocates and takes locks. It runs
//! with the profiler muted on the calling thread, so that its own memory does not show up in
//! profiles.

mod build;
#[cfg(feature = "symbolize")]
mod in_process;
mod mappings;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod modules;
mod options;
mod snapshot;
mod this_process;

pub use options::{ProfileOptions, write_allocs_profile, write_heap_profile};
pub use snapshot::{Snapshot, snapshot};
