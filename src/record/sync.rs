//! The atomics of this world: `core`'s, or loom's when the model checker runs (`--cfg loom`).

#[cfg(not(loom))]
pub(super) use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// Gives up the processor for a moment; the model checker must be told.
pub(super) fn yield_now() {
    #[cfg(not(loom))]
    std::thread::yield_now();
    #[cfg(loom)]
    loom::thread::yield_now();
}
