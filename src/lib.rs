//! A sampling heap profiler for Rust services: one line to add, pprof profiles as Go writes them, and
//! leaks found with error bars.
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
//!     let top = heaptide::report::Top::new(&profile, profile.sample_index("inuse_space")?)?;
//!     print!("{}", top.text(&heaptide::report::Text::default()));
//!     # assert!(top.total >= 64 << 20);
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
//! | change the sample interval | [`SamplingAllocator::sample_interval`], `HEAPTIDE_SAMPLE_INTERVAL`, [`set_sample_interval`] |
//! | know what the profiler itself does | [`stats`], [`Lost`] |
//! | look at samples without a profile | [`snapshot()`] |
//! | read, merge and compare profiles, Go's too | [`Profile`], [`mod@profile`] |
//! | know how far a number may be off | [`Profile::estimates`], [`profile::Estimate`] |
//! | show who holds memory, and what grew | [`report`] |
//! | find leaks | [`leak::find`] |
//! | write bytes and counts as the reports do | [`units`] |
//!
//! # How it works
//!
//! Each thread counts the bytes it allocates down to its next sample point. The gaps between sample
//! points are exponentially distributed with a mean of 512 KiB, the sample interval, so every byte is
//! equally likely to be picked, and a block of `s` bytes is with probability `1 - exp(-s/R)`. A picked
//! block has its call stack recorded, stands for as many blocks as that probability says, and is
//! followed until it is freed. A free knows a sampled block by its address alone, so frees of others
//! look nothing up and take no lock. A [`Snapshot`] copies what is recorded while the program runs on;
//! all else, in this process or in another, is ordinary work on plain data.
//!
//! # Costs and limits
//!
//! - An allocation that is not sampled pays a thread-local subtraction and a branch; a free, a test of
//!   its address and size. What that comes to in a program, against other profilers, has not been measured yet.
//! - A sampled block below 64 KiB, aligned to at most 16, takes whole pages of its own. At an interval
//!   of 1 that is every block: use it in tests.
//! - The numbers are estimates. For blocks much smaller than the interval `R`, the relative standard
//!   error of `B` bytes is the square root of `R/B`: 18 % of 16 MiB, 2.2 % of 1 GiB at the default.
//! - Seen is what comes through the global allocator, in the sizes asked for: not `mmap`, thread
//!   stacks, C libraries that call `malloc`, nor what the allocator keeps beyond. Totals differ from RSS.
//! - Tables are bounded: 4 Mi live samples, 1 Mi stacks by size group, 128 addresses of a stack. What is
//!   beyond is counted and said ([`Lost`]).
//! - 64-bit Linux is the only system it is built and tested on.
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
//! | `flamegraph` | | `report::write_flamegraph` |
//! | `cli` | | the command `heaptide` |
//! | `full` | | all of them |

mod error;
pub mod leak;
mod pprof;
mod printable;
pub mod profile;
mod record;
pub mod report;
mod snapshot;
mod symbolize;
pub mod units;

pub use error::{Error, Result};
pub use pprof::{ProfileOptions, write_allocs_profile, write_heap_profile};
pub use profile::Profile;
pub use record::{
    DefaultInner, Lost, SamplingAllocator, Stats, sample_interval, set_sample_interval, stats,
};
pub use snapshot::{Snapshot, snapshot};
pub use symbolize::Trim;

/// The README's examples, compiled with the documentation's.
#[cfg(all(doctest, feature = "jemalloc"))]
#[doc = include_str!("../README.md")]
struct Readme;
