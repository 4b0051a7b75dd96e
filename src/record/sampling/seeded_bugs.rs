//! Bugs that tests plant in the sampling law, to see that the statistical checks find them.
//!
//! Only in test builds: the sites that ask for them are `#[cfg(test)]` too. A bug is planted for the
//! calling thread alone, so that tests can run side by side.

use core::cell::Cell;
use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::Rng as _};

/// What other profilers got wrong, or could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// Gaps from 0 to twice the interval, each as likely.
    UniformGaps,
    /// Gaps that are the interval.
    FixedGaps,
    /// The next gap starts at the sample point and not behind the block it lies in.
    OvershootCarriedOver,
    /// The samples of a stack are summed, and the sum scaled by the weight of their mean size.
    SumThenScale,
    /// A new thread's first allocation is always sampled.
    FirstAlwaysSampled,
    /// A sample weighs by the interval in force and not by that of its gap.
    CurrentInterval,
    /// What the profiler allocates itself runs through the countdown.
    OwnBytesCounted,
}

thread_local! {
    static SEEDED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Runs `work` with a bug.
pub(super) fn with<R>(bug: Bug, work: impl FnOnce() -> R) -> R {
    SEEDED.set(Some(bug));
    let result = work();
    SEEDED.set(None);
    result
}

pub(super) fn is(bug: Bug) -> bool {
    SEEDED.get() == Some(bug)
}

/// A gap that is not exponential.
pub(super) fn gap(interval: u64, random: &mut Xoshiro256PlusPlus) -> Option<i64> {
    match SEEDED.get()? {
        Bug::UniformGaps => Some((random.next_u64() % (2 * interval)).cast_signed()),
        Bug::FixedGaps => Some(interval.cast_signed()),
        _ => None,
    }
}
