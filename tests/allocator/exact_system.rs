//! At interval 1 counts and bytes are exact on the system's allocator.
//!
//! A process has one global allocator, so `exact_jemalloc.rs` is another process.
#![cfg(feature = "symbolize")]

mod common;

use std::alloc::System;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(1);

#[test]
fn counts_and_bytes_are_exact() {
    common::check_all(&GLOBAL);
}
