//! Checks that linking the allocator does not add megabytes to a program.

#![cfg(target_os = "linux")]

use object::{Object, ObjectSection};
use std::alloc::System;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System);

#[test]
fn static_tables_take_no_space_in_the_file() {
    let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let file = object::File::parse(&*file).unwrap();
    let size = |name| file.section_by_name(name).unwrap().size();
    assert!(size(".bss") > 2 << 20, "the filter is linked");
    assert!(size(".data") < 256 << 10, "{} bytes", size(".data"));
}
