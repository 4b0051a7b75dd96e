//! jemalloc, built without its profiler.

#[path = "../workloads.rs"]
mod workloads;

#[global_allocator]
static GLOBAL: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    heaptide_rivals::program::main(workloads::run)
}
