//! A profile without symbols has all that offline symbolization needs.
//!
//! It has true mappings, build ids, real addresses, and the expression of frames to drop. A build
//! without `symbolize` writes such profiles.

use heaptide::ProfileOptions;
use std::{alloc::System, hint::black_box};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(1);

#[inline(never)]
fn keep() -> Vec<Vec<u8>> {
    (0..100)
        .map(|byte| black_box(vec![byte | 1; 12_345]))
        .collect()
}

#[test]
fn a_raw_profile_has_addresses_mappings_and_build_ids_but_no_names() {
    let kept = keep();
    let raw = ProfileOptions::new().raw().heap().unwrap();
    raw.check().unwrap();
    let counts = [100, 1_234_500, 100, 1_234_500];
    let sample = raw.samples.iter().find(|sample| sample.values == counts);
    let stack = &sample.expect("100 blocks on one stack").locations;
    drop(kept);

    let program = std::env::current_exe().unwrap();
    assert_eq!(*raw.mappings[0].file, *program.to_string_lossy());
    assert_eq!(
        raw.mappings[0].build_id.len(),
        40,
        "an SHA-1 in hexadecimal"
    );
    for mapping in &raw.mappings {
        assert!(!mapping.has_functions && !mapping.has_filenames && !mapping.has_line_numbers);
    }
    for id in stack {
        let location = &raw.locations[id.index()];
        assert!(location.lines.is_empty());
        let mapping = &raw.mappings[location.mapping.unwrap().index()];
        assert!((mapping.start..mapping.limit).contains(&location.address));
    }
    // The frames of the program itself, by the address of the function.
    let start = keep as fn() -> Vec<Vec<u8>> as usize as u64;
    let main = |id: &&heaptide_profile::LocationId| {
        let address = raw.locations[id.index()].address;
        (start..start + 4096).contains(&address)
    };
    assert!(
        stack.iter().any(|id| main(&id)),
        "the stack goes through `keep`"
    );
    // Raw or not, each profile states its process.
    let process = raw.process().expect("one process");
    assert_eq!(process.pid, std::process::id());
    let age = std::time::SystemTime::UNIX_EPOCH + process.start;
    let age = age.elapsed().expect("it started before now");
    // Tests take minutes, and a boot time is off by as much as the clock was set since.
    assert!(age.as_secs() < 24 * 3600, "{process}");
    for options in [ProfileOptions::new(), ProfileOptions::new().raw()] {
        assert_eq!(options.heap().unwrap().process(), Some(process));
        assert_eq!(options.allocs().unwrap().process(), Some(process));
    }
    let mut written = Vec::new();
    heaptide::write_heap_profile(&mut written).unwrap();
    let read = heaptide::Profile::read(&written).unwrap();
    assert_eq!(read.process(), Some(process));
    assert!(raw.drop_frames.contains("heaptide::record::"));
    if !cfg!(feature = "symbolize") {
        let default = ProfileOptions::new().heap().unwrap();
        assert!(default.locations.iter().all(|l| l.lines.is_empty()));
    }
}
