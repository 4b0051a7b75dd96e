//! At interval 1 counts and bytes are exact, with the system's allocator inside.
#![cfg(feature = "symbolize")]

mod common;

use std::alloc::System;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(1);

#[test]
fn counts_and_bytes_are_exact() {
    common::check_exact_counts();
    common::check_null(&GLOBAL);
    let stats = heaptide::stats();
    assert!(stats.lost.is_nothing(), "{stats:?}");
}
