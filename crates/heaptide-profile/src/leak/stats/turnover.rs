//! How much a stack allocated over the span, and how much of that it kept.

use super::{ProfileTimes, gain};
use crate::leak::history::StackHistory;

/// The allocations of a stack between the first profile and the last, and the share that it kept.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Turnover {
    /// Bytes allocated between the first profile and the last.
    pub allocated: f64,
    /// Growth divided by [`allocated`](Self::allocated); 0 if nothing was allocated.
    pub retention: f64,
    /// Bytes allocated in the last quarter of the span.
    pub last_allocated: f64,
    /// How long that quarter is, as a share of the span: profiles begin where they were taken.
    pub last_share: f64,
}

impl Turnover {
    pub(super) fn of(times: &ProfileTimes, stack: &StackHistory) -> Self {
        let allocated = gain(&stack.alloc_space, 0);
        Self {
            allocated,
            retention: if allocated > 0.0 {
                stack.growth.value / allocated
            } else {
                0.0
            },
            last_allocated: gain(&stack.alloc_space, times.last.start),
            last_share: times.last.seconds / times.span,
        }
    }
}
