//! The atomics of this world: `core`'s, or loom's when the model checker runs (`--cfg loom`).

#[cfg(not(loom))]
pub(super) use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// Makes a constructor `const`. Under loom it is not, since loom's atomics have no `const` constructor.
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

/// An array whose elements are all made by the same expression, in a `const_unless_loom` constructor.
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

/// Gives up the processor for a moment; the model checker must be told.
pub(super) fn yield_now() {
    #[cfg(not(loom))]
    std::thread::yield_now();
    #[cfg(loom)]
    loom::thread::yield_now();
}
