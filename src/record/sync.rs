//! The atomics of the recording side: `core`'s, or loom's under the model checker.
//!
//! `--cfg loom` selects loom's.

#[cfg(not(loom))]
pub(super) use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// Makes a constructor `const`, except under loom, whose atomics have no `const` constructor.
#[cfg(not(loom))]
macro_rules! const_unless_loom {
    ($(#[$attribute:meta])* $visibility:vis fn $($rest:tt)*) => {
        $(#[$attribute])* $visibility const fn $($rest)*
    };
}
#[cfg(loom)]
macro_rules! const_unless_loom {
    ($(#[$attribute:meta])* $visibility:vis fn $($rest:tt)*) => {
        $(#[$attribute])* $visibility fn $($rest)*
    };
}

/// Makes an array in such a constructor: each element by the same expression.
#[cfg(not(loom))]
macro_rules! array_of {
    ($element:expr; $len:expr) => {
        [const { $element }; $len]
    };
}
#[cfg(loom)]
macro_rules! array_of {
    ($element:expr; $len:expr) => {
        std::array::from_fn::<_, { $len }, _>(|_| $element)
    };
}

pub(in crate::record) use {array_of, const_unless_loom};

/// Yields the processor. The model checker has to know of it.
pub(super) fn yield_now() {
    #[cfg(not(loom))]
    std::thread::yield_now();
    #[cfg(loom)]
    loom::thread::yield_now();
}
