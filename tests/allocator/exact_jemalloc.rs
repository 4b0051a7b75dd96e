//! At interval 1 counts and bytes are exact, with jemalloc inside.
#![cfg(all(feature = "jemalloc", feature = "symbolize"))]

mod common;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new().sample_interval(1);

#[test]
fn counts_and_bytes_are_exact() {
    common::check_exact_counts();
    common::check_null(&GLOBAL);
    let stats = heaptide::stats();
    assert!(stats.lost.is_nothing(), "{stats:?}");
}
