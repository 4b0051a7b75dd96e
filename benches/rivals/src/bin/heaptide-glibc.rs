//! heaptide around the system's allocator.

#[path = "../workloads.rs"]
mod workloads;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<std::alloc::System> =
    heaptide::SamplingAllocator::with_inner(std::alloc::System);

fn main() -> std::process::ExitCode {
    heaptide_rivals::program::main(workloads::run)
}
