#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| heaptide::fuzzing::build_id(bytes));
