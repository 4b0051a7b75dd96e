//! Writing a profile: the result if the writer fails, and the memory that it takes.
//!
//! An inner allocator counts.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "only a counting allocator can measure a peak")]

#[path = "../support/paths.rs"]
mod paths;
#[path = "../support/scenario.rs"]
mod scenario;

use heaptide::{
    Error, ProfileOptions, SamplingAllocator, write_allocs_profile, write_heap_profile,
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    error::Error as _,
    fs::{File, OpenOptions},
    hint::black_box,
    io::{self, Write},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

#[global_allocator]
static GLOBAL: SamplingAllocator<Counting> =
    SamplingAllocator::with_inner(Counting).sample_interval(1);

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// `realloc` and `alloc_zeroed` are the trait's own, through these two. So a growing vector counts
// with both its old and its new room.
//
// SAFETY: each method passes its arguments to `System` unchanged and returns what it returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: what our caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: what our caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

// ---- writers that fail

/// A writer that takes this number of bytes and then fails.
struct Failing(usize);

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::other("the disk caught fire"));
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The error is heaptide's. It names the action, and has the writer's error as its source.
fn assert_names(error: &Error, kind: Option<io::ErrorKind>, said: &str) {
    assert!(error.is_io(), "{error}");
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert!(kind.is_none_or(|kind| source.kind() == kind), "{source:?}");
    assert!(
        error.to_string().starts_with("could not write the "),
        "{error}"
    );
    assert!(error.to_string().contains(said), "{error}");
    // The next profile works.
    let mut written = Vec::new();
    write_heap_profile(&mut written).unwrap();
    heaptide::Profile::read(&written).unwrap().check().unwrap();
}

#[test]
fn a_failing_writer_gives_an_error_and_the_next_profile_works() {
    let kept = black_box(vec![vec![1u8; 500]; 20]);
    let mut whole = Vec::new();
    write_heap_profile(&mut whole).unwrap();
    for accepted in [0, 1, 10, whole.len() / 2] {
        let error = write_heap_profile(Failing(accepted)).unwrap_err();
        assert_names(&error, None, "the disk caught fire");
        let error = write_allocs_profile(Failing(accepted)).unwrap_err();
        assert_names(&error, None, "the disk caught fire");
    }

    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let error = write_heap_profile(full).unwrap_err();
    assert_names(&error, Some(io::ErrorKind::StorageFull), "No space left");

    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let error = write_heap_profile(writer).unwrap_err();
    assert_names(&error, Some(io::ErrorKind::BrokenPipe), "Broken pipe");

    let read_only = File::open("/dev/null").unwrap();
    let error = write_heap_profile(read_only).unwrap_err();
    assert_names(&error, None, "Bad file descriptor");
    let stats = heaptide::stats();
    assert!(stats.lost.is_nothing(), "{stats:?}");
    drop(kept);
}

// ---- memory

/// The figures of docs/limits.md and docs/allocator-rules.md for 100,000 live samples on 20,000
/// stacks, in MiB.
const RAW_MIB: usize = 32;

/// The peak of live bytes during `work`, minus the live bytes before it; and the result.
fn peak_of<R>(work: impl FnOnce() -> R) -> (usize, R) {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = work();
    (PEAK.load(Relaxed) - before, result)
}

#[test]
fn a_profile_of_many_samples_takes_bounded_memory() {
    if !scenario::is_child() {
        // In its own process, because the memory of other tests would count too.
        scenario::in_own_process("a_profile_of_many_samples_takes_bounded_memory", &[]);
        return;
    }
    let mut kept = Vec::with_capacity(100_000);
    for path in 0..20_000 {
        for _ in 0..5 {
            paths::walk(path, 15, &mut || kept.push(paths::Small::new()));
        }
    }
    let stats = heaptide::stats();
    assert!(
        stats.live_samples >= 100_000 && stats.stacks >= 20_000,
        "{stats:?}"
    );
    let (peak, snapshot) = peak_of(|| heaptide::snapshot().unwrap());
    println!("a snapshot: {} KiB", peak >> 10);
    drop(snapshot);
    let options = ProfileOptions::new().raw();
    let (peak, profile) = peak_of(|| options.heap().unwrap());
    println!(
        "a raw profile: {} KiB, {} samples",
        peak >> 10,
        profile.samples.len()
    );
    assert!(peak < RAW_MIB << 20, "{peak}");
    drop(profile);
    let (peak, ()) = peak_of(|| {
        let profile = options.heap().unwrap();
        profile.write(io::sink()).unwrap();
    });
    println!("and written: {} KiB", peak >> 10);
    assert!(peak < RAW_MIB << 20, "{peak}");
    let before = LIVE.load(Relaxed);
    let (peak, ()) = peak_of(|| write_heap_profile(io::sink()).unwrap());
    let stays = LIVE.load(Relaxed).saturating_sub(before);
    println!(
        "symbolized and written: {} KiB, {} KiB stay",
        peak >> 10,
        stays >> 10
    );
    assert!(
        stays < 8 << 20,
        "only the names of the allocating code stay: {stays}"
    );
    drop(kept);
}
