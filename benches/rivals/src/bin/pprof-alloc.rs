//! pprof-alloc's own sampler around jemalloc.
//!
//! `compare` chooses both by pprof-alloc's environment.

#[path = "../workloads.rs"]
mod workloads;

#[global_allocator]
static GLOBAL: pprof_alloc::PprofAlloc = pprof_alloc::PprofAlloc::new()
    .with_default(pprof_alloc::Allocator::Jemalloc)
    .with_pprof();

fn main() -> std::process::ExitCode {
    heaptide_rivals::program::main(workloads::run)
}
