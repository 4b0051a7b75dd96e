//! Bugs in the sampling law, seeded by tests to prove that the statistical checks find them.
//!
//! They exist in test builds only: the code that asks for them is `#[cfg(test)]` too. A bug is
//! seeded for the calling thread alone, so that tests can run in parallel.

use core::cell::Cell;
use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::Rng as _};

/// Mistakes that other profilers made, or could have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// Gaps from 0 to twice the interval, all equally likely.
    UniformGaps,
    /// Gaps that equal the interval.
    FixedGaps,
    /// The next gap starts at the sample point instead of after the block that contains it.
    OvershootCarriedOver,
    /// The samples of a stack are summed, and the sum is scaled by the weight of their mean size.
    SumThenScale,
    /// A new thread's first allocation is always sampled.
    FirstAlwaysSampled,
    /// A sample's weight uses the interval in force instead of the interval of its gap.
    CurrentInterval,
    /// The profiler's own allocations run through the countdown.
    OwnBytesCounted,
}

thread_local! {
    static SEEDED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Runs `work` with a seeded bug.
pub(super) fn with<R>(bug: Bug, work: impl FnOnce() -> R) -> R {
    SEEDED.set(Some(bug));
    let result = work();
    SEEDED.set(None);
    result
}

pub(super) fn is(bug: Bug) -> bool {
    SEEDED.get() == Some(bug)
}

/// Draws a gap that is not exponential, if such a bug is seeded.
pub(super) fn gap(interval: u64, random: &mut Xoshiro256PlusPlus) -> Option<i64> {
    match SEEDED.get()? {
        Bug::UniformGaps => Some((random.next_u64() % (2 * interval)).cast_signed()),
        Bug::FixedGaps => Some(interval.cast_signed()),
        _ => None,
    }
}
