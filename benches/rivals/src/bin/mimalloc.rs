//! mimalloc, and with the feature `mimalloc-pprof` its profiler.
//!
//! `compare` switches the profiler on by its environment.

#[path = "../workloads.rs"]
mod workloads;

#[global_allocator]
static GLOBAL: mimalloc_pprof::MiMalloc = mimalloc_pprof::MiMalloc;

fn main() -> std::process::ExitCode {
    heaptide_rivals::program::main(workloads::run)
}
