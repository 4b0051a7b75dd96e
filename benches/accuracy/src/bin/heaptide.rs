//! The sites under heaptide, at its default interval of 512 KiB.

use std::alloc::System;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System);

fn main() {
    let kept = heaptide_accuracy::allocate();
    let file = std::fs::File::create(heaptide_accuracy::output()).expect("a file");
    heaptide::write_heap_profile(file).expect("a profile");
    drop(kept);
}
