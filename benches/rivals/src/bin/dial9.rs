//! dial9's memory profiling around jemalloc, with the live set, as its README sets it up.
//!
//! Its records stay in memory.

#[path = "../workloads.rs"]
mod workloads;

use dial9::memory::{Dial9Allocator, MemoryProfiler, MemoryProfilingConfig};
use std::process::ExitCode;

#[global_allocator]
static GLOBAL: Dial9Allocator<tikv_jemallocator::Jemalloc> =
    Dial9Allocator::new(tikv_jemallocator::Jemalloc);

fn main() -> ExitCode {
    let buffer = match dial9::MemoryBuffer::new(16 << 20) {
        Ok(buffer) => buffer,
        Err(error) => {
            eprintln!("dial9's buffer: {error}");
            return ExitCode::FAILURE;
        }
    };
    let recorder = dial9::recorder(buffer).build();
    let config = MemoryProfilingConfig::builder()
        .sample_rate_bytes(512 << 10)
        .track_liveset(true)
        .build();
    let installed = MemoryProfiler::from_config(config).install(recorder.handle().clone());
    let _guard = match installed {
        Ok(guard) => guard,
        Err(error) => {
            eprintln!("dial9's profiler: {error}");
            return ExitCode::FAILURE;
        }
    };
    heaptide_rivals::program::main(workloads::run)
}
