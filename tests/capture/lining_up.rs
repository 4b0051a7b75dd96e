//! Profiles of one process line up.
//!
//! A call stack is the same in each of them, whatever else is sampled in between. So its alloc
//! columns never fall.
#![cfg(feature = "symbolize")]

use heaptide::ProfileOptions;
use heaptide_profile::leak;
use std::{alloc::System, collections::BTreeMap, hint::black_box};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(150_000);

/// Containers that allocate themselves and call closures that allocate. So the same return address
/// is at the leaf of one stack and in the middle of another.
fn work(round: usize) -> usize {
    let texts: Vec<String> = (0..100).map(|i| format!("{i} of {round}")).collect();
    let index: BTreeMap<String, Vec<usize>> = texts
        .iter()
        .map(|text| (text.clone(), text.bytes().map(usize::from).collect()))
        .collect();
    let mut lists: Vec<Vec<usize>> = index.into_values().collect();
    lists.sort_by_key(|list| black_box(list.clone()));
    lists.resize_with(150, || vec![round; 20]);
    lists.iter().flat_map(|list| black_box(list.clone())).sum()
}

#[test]
fn allocated_bytes_of_a_stack_never_fall() {
    let mut profiles = Vec::new();
    for _ in 0..100 {
        for round in 0..4 {
            black_box(work(round));
        }
        profiles.push(ProfileOptions::new().heap().unwrap());
    }
    // This fails if the alloc column of a stack falls.
    let verdict = leak::find(&profiles).unwrap();
    assert!(verdict.stacks_tried > 2, "{verdict}");
}
