#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| heaptide::fuzzing::http_request(bytes));
