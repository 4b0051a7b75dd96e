//! At interval 1 counts and bytes are exact on jemalloc.
//!
//! A process has one global allocator, so `exact_system.rs` is another process.
#![cfg(all(feature = "jemalloc", feature = "symbolize"))]

mod common;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new().sample_interval(1);

#[test]
fn counts_and_bytes_are_exact() {
    common::check_all(&GLOBAL);
}
