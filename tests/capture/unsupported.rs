//! The allocator and the functions for profiles where recording is not implemented.
//!
//! All four methods of the allocator forward unchanged, and functions that make a profile return an
//! error. The test is built for this machine by `RUSTFLAGS='--cfg heaptide_unsupported'`.

#![cfg(heaptide_unsupported)]
#![expect(unsafe_code, reason = "is an allocator that counts")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<Counting> =
    heaptide::SamplingAllocator::with_inner(Counting)
        .sample_interval(1)
        .mark_small(false);

struct Counting;

static CALLS: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];

// SAFETY: each method passes its arguments to `System` unchanged and returns what it returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS[0].fetch_add(1, Relaxed);
        // SAFETY: what our caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        CALLS[1].fetch_add(1, Relaxed);
        // SAFETY: what our caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        CALLS[2].fetch_add(1, Relaxed);
        // SAFETY: what our caller promises.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        CALLS[3].fetch_add(1, Relaxed);
        // SAFETY: what our caller promises.
        unsafe { System.realloc(block, layout, new_size) }
    }
}

#[test]
fn all_calls_are_forwarded_and_a_profile_is_an_error() {
    let before = CALLS.each_ref().map(|calls| calls.load(Relaxed));
    let mut grown = black_box(vec![1u8; 100]);
    grown.reserve_exact(100_000);
    let zeroed = black_box(vec![0u8; 100_000]);
    assert!(zeroed.iter().all(|byte| *byte == 0) && grown.iter().all(|byte| *byte == 1));
    drop((grown, zeroed));
    for (calls, before) in CALLS.iter().zip(before) {
        assert!(calls.load(Relaxed) > before, "{CALLS:?}");
    }

    heaptide::set_sample_interval(1);
    assert_eq!(heaptide::sample_interval(), 0);
    let mut written = Vec::new();
    let errors = [
        heaptide::snapshot().map(drop).unwrap_err(),
        heaptide::write_heap_profile(&mut written).unwrap_err(),
        heaptide::write_allocs_profile(&mut written).unwrap_err(),
        heaptide::ProfileOptions::new()
            .raw()
            .heap()
            .map(drop)
            .unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_unsupported() && !error.is_not_installed());
        assert!(
            error.to_string().contains("does not record on this target"),
            "{error}"
        );
    }
    assert!(written.is_empty());
    let snapshotter = heaptide::Snapshotter::builder()
        .dir(std::env::temp_dir())
        .start();
    assert!(snapshotter.unwrap_err().is_unsupported());
    let server = heaptide::http::serve("127.0.0.1:0").unwrap();
    let mut stream = TcpStream::connect(server.local_addr()).unwrap();
    stream
        .write_all(b"GET /debug/pprof/heap HTTP/1.0\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.contains(" 501 "), "{reply}");
    let stats = heaptide::stats();
    assert!(!stats.installed && stats.lost.is_nothing(), "{stats:?}");
}
