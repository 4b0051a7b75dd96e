//! The system's allocator, which is glibc's.

#[path = "../workloads.rs"]
mod workloads;

#[global_allocator]
static GLOBAL: std::alloc::System = std::alloc::System;

fn main() -> std::process::ExitCode {
    heaptide_rivals::program::main(workloads::run)
}
