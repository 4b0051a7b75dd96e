//! Shared test code of heaptide's packages: made profiles, and other people's readers of them.

#![cfg_attr(
    feature = "testing",
    expect(
        clippy::must_use_candidate,
        missing_debug_implementations,
        reason = "only tests use these"
    )
)]

pub mod arbitrary;
#[cfg(feature = "testing")]
pub mod browser;
#[cfg(feature = "testing")]
pub mod canned_server;
pub mod example;
#[cfg(feature = "testing")]
pub mod pprof_top;
#[cfg(feature = "testing")]
pub mod protobuf;
#[cfg(feature = "testing")]
pub mod readers;
