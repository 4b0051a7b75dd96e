//! heaptide around jemalloc; `compare` sets the interval by heaptide's environment.

#[path = "../workloads.rs"]
mod workloads;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();

fn main() -> std::process::ExitCode {
    heaptide_rivals::program::main(workloads::run)
}
