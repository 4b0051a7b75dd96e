//! dhat around the system's allocator: it records every block exactly, and its result is dropped.

#[path = "../workloads.rs"]
mod workloads;

#[global_allocator]
static GLOBAL: dhat::Alloc = dhat::Alloc;

fn main() -> std::process::ExitCode {
    let _profiler = dhat::Profiler::builder().file_name("/dev/null").build();
    heaptide_rivals::program::main(workloads::run)
}
