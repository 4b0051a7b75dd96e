//! A sampling heap profiler for Rust services.
//!
//! One line to add, pprof profiles as Go writes them, and leaks found with error bars.
//!
//! Declare the allocator in the binary, and ask for a profile whenever you want one:
//!
//! ```
//! # #[cfg(feature = "jemalloc")] {
//! #[global_allocator]
//! static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();
//!
//! fn main() -> Result<(), heaptide::Error> {
//!     let kept = vec![0u8; 64 << 20];
//!
//!     // `go tool pprof` and `heaptide top` read this; a service writes it to a file.
//!     let mut file = Vec::new();
//!     heaptide::write_heap_profile(&mut file)?;
//!
//!     let profile = heaptide::Profile::read(&file)?;
//!     let inuse_space = profile.sample_type("inuse_space")?;
//!     let live: i64 = profile.samples.iter().map(|sample| inuse_space.value_of(sample)).sum();
//!     println!("{live} bytes are live");
//!     # assert!(live >= 64 << 20);
//!     # drop(kept);
//!     Ok(())
//! }
//! # }
//! ```
//!
//! # Contents
//!
//! | to | there is |
//! |---|---|
//! | sample a program | [`SamplingAllocator`] |
//! | write its profile | [`write_heap_profile`], [`write_allocs_profile`]; raw or untrimmed: [`ProfileOptions`], [`Trim`] |
//! | write snapshots as the program runs | `Snapshotter`, with the feature `snapshotter` |
//! | serve it over HTTP as Go does, and as a page | `http::serve`, `http::service`, `http::Endpoints`, with the feature `http` |
//! | change the sample interval | [`SamplingAllocator::sample_interval`], `HEAPTIDE_SAMPLE_INTERVAL`, [`set_sample_interval`] |
//! | know what the profiler itself does | [`stats`], [`Lost`] |
//! | look at samples without a profile | [`snapshot()`] |
//! | read, compare and report profiles, find leaks | [`Profile`], and the package `heaptide-profile` |
//!
//! # How it works
//!
//! Each thread counts the bytes it allocates down to its next sample point. The gaps between sample
//! points are exponentially distributed with a mean of 512 KiB, the sample interval. So every byte
//! is equally likely to be picked, and a block of `s` bytes is picked with probability
//! `1 - exp(-s/R)`.
//!
//! A picked block has its call stack recorded. It stands for as many blocks as that probability
//! says, and is followed until it is freed. A block's address and size usually prove that it was
//! not sampled. If the block is large, or its address looks sampled by chance, a free also reads
//! one byte of a filter. So nearly all frees of other blocks look nothing up in a table, and take
//! no lock.
//!
//! A [`Snapshot`] copies the records while the program runs. Everything after it is ordinary work
//! on plain data.
//!
//! # Costs and limits
//!
//! - An allocation that is not sampled pays a thread-local subtraction and a branch. A free pays a
//!   test of its address and size. That is 0 to 12 % more instructions than bare jemalloc,
//!   depending on the work. `docs/overhead.md` of the repository has the figures.
//! - A sampled block below 64 KiB, aligned to at most 16, takes a multiple of 1 KiB. At an interval
//!   of 1 that is every block: use it in tests.
//! - The numbers are estimates. For blocks much smaller than the interval `R`, the relative
//!   standard error of `B` bytes is the square root of `R/B`: 18 % of 16 MiB, 2.2 % of 1 GiB at the
//!   default.
//! - The profile covers what comes through the global allocator, in the sizes asked for. It does
//!   not cover `mmap`, thread stacks, C libraries that call `malloc`, or what the allocator keeps
//!   for itself. So totals differ from RSS.
//! - Tables are bounded: 4 Mi live samples, 1 Mi stacks by size group, 128 addresses of a stack.
//!   What exceeds them is counted and stated ([`Lost`]).
//! - It records on Linux for x86-64, where it is tested, and for 64-bit ARM. On other targets the
//!   allocator forwards, and functions that make a profile return an error
//!   ([`Error::is_unsupported`]).
//! - Function names need debug info: `debug = "limited"` in the release profile. With
//!   `line-tables-only` an inlined `RequestTracker::track` reads `track`.
//! - A child that was forked while another thread wrote a symbolized profile writes
//!   [raw](ProfileOptions::raw) ones.
//!
//! # Features
//!
//! | feature | default | gives |
//! |---|---|---|
//! | `jemalloc` | yes | jemalloc inside, and `SamplingAllocator::new`; builds C code. Without: [`SamplingAllocator::with_inner`] |
//! | `symbolize` | yes | functions, files and lines in the profiles this process writes. Without: raw profiles |
//! | `flamegraph` | | flame graphs over HTTP, by `?format=svg` |
//! | `snapshotter` | | `Snapshotter`: snapshots as files, by time, growth, peak, share of the memory limit, signal, exit, panic |
//! | `http` | | `http`: Go's `/debug/pprof/` endpoints and a page, by a server, a `tower` service or a function |
//! | `full` | | all of them |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(all(target_os = "linux", target_pointer_width = "64"), fuzzing, test))]
mod build_id;
mod capture;
mod errors;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "http")]
pub mod http;
// Elsewhere the allocator only forwards, so that one Cargo.toml serves all of a team's machines.
// The second cfg is for testing that.
#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(heaptide_unsupported)
))]
mod record;
#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(heaptide_unsupported)
)))]
#[path = "unsupported.rs"]
mod record;
#[cfg(feature = "snapshotter")]
mod snapshotter;

pub use capture::{ProfileOptions, Snapshot, snapshot, write_allocs_profile, write_heap_profile};
pub use heaptide_profile::{Error, Profile, Result, Trim};
#[cfg(heaptide_compare)]
#[doc(hidden)]
pub use record::{Comparison, comparison};
pub use record::{
    DefaultInner, Lost, SamplingAllocator, Stats, sample_interval, set_sample_interval, stats,
};
#[cfg(feature = "snapshotter")]
pub use snapshotter::{SnapshotCounts, Snapshotter, SnapshotterBuilder};

/// The README's examples, compiled with the documentation's.
#[cfg(all(
    doctest,
    feature = "http",
    feature = "jemalloc",
    feature = "snapshotter"
))]
#[doc = include_str!("../README.md")]
struct ReadmeDocument;

/// The examples of the features, compiled with them.
#[cfg(all(doctest, feature = "snapshotter"))]
#[doc = include_str!("../docs/snapshots.md")]
struct SnapshotsDocument;

#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../docs/http.md")]
struct HttpDocument;

#[cfg(doctest)]
#[doc = include_str!("../docs/leaks.md")]
struct LeaksDocument;
