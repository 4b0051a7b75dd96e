//! From recorded samples to a profile of this process.
//!
//! 1. `snapshot` copies the tables of the recording side. `this_process` has the id of the process.
//! 2. `build` makes a profile of raw addresses from the copy.
//! 3. `mappings` adds the file of each address, by the loaded `modules`.
//! 4. `in_process` gives the addresses functions, files and lines.
//! 5. `options` chooses the steps of a profile, runs them, and writes the result.
//!
//! Nothing here may run inside the allocator, because it allocates and takes locks. It runs with
//! the profiler muted on the calling thread, so that its own memory does not appear in profiles.

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
