//! Finding leaks: which call stacks keep growing, judged against the noise that sampling adds.
//!
//! [`find`] judges two or more heap profiles of one process, [`LeakDetector`] takes them one at a
//! time. Nothing here reads or writes files. A profile goes this way:
//!
//! 1. `detector` decides which profiles are of one process.
//! 2. `sample_sums` sums each profile by call stack; `numbering` and `interner` give the stacks
//!    numbers.
//! 3. `series` collects the sums of one process, and `history` lines up each of its stacks.
//! 4. `stats` computes what the profiles say of each stack, a [`StackTrend`].
//! 5. `judge` applies `rules` to each trend, and has `attribution` find the function to blame.
//! 6. `verdict` is the result, which `text` and `json` write.

mod attribution;
mod detector;
mod frame;
mod history;
mod interner;
mod json;
mod judge;
mod numbering;
mod rules;
mod sample_sums;
mod series;
mod stats;
#[cfg(test)]
mod tests;
mod text;
mod verdict;

use crate::{Profile, Result};

pub use detector::LeakDetector;
pub use frame::StackFrame;
pub use stats::{Doublings, GrowthRates, GrowthTests, StackTrend, Steadiness, Swings, Turnover};
pub use verdict::{Leak, NotAccused, NotAccusedReason, Verdict};

/// Looks for leaks in heap profiles of one process, in time order.
///
/// Call stacks are rolled up: profile samples whose paths from the root to the innermost function
/// outside the standard library are the same count as one stack, whatever the lines, and whatever
/// the standard library did below. Such a stack is accused if all of this holds:
///
/// * it grew by more than noise (of sampling, and of blocks that come and go at random) over the
///   whole span and over its later half, with the number of stacks tried taken into account
///   (Benjamini and Hochberg, false discovery rate 1 %);
/// * it still grows: in the last quarter of the span at no less than half its mean rate, so that a
///   cache that filled up or a warm-up is not accused;
/// * it never gave back more than half of what it grew by, it grew in more than half of the
///   parts (at most eight) that the span is cut into, and the median slope between any two profiles is
///   no less than half its mean rate;
/// * it kept at least 5 % of what it allocated, or is at least 10 % of all growth.
///
/// Or it is one large list that doubles: at least four times, spread over half the span or more and the last
/// in its last quarter, without a fall, and filled no slower of late. At a doubling a list is exactly full, so
/// its length is known at each of them, and sampling misses no block as large.
///
/// To blame for a stack is the function where it first differs from those that do not leak: if the one
/// that allocates is called by others that give back, its caller.
///
/// A restart between two profiles is noticed, said in the verdict's notes, and the longest time of one
/// process judged. A thousand profiles need not be in memory at once: see [`Watch`].
///
/// What these rules cannot see: growth that has not ended *yet*. A cache that is still filling at
/// the last profile looks like a leak; longer watching tells them apart. With two profiles there is
/// no later half, and anything that grew significantly is accused.
///
/// ```
/// use heaptide::profile::{Function, FunctionId, Line, Location, LocationId, Sample, ValueType};
/// use heaptide::{Profile, leak};
///
/// // Four profiles a second apart; `track` keeps 8 MiB more in each of them.
/// let kinds = ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"];
/// let profiles: Vec<Profile> = (1..=4)
///     .map(|second| Profile {
///         sample_types: kinds.map(|kind| ValueType::new(kind, "")).to_vec(),
///         samples: vec![Sample {
///             locations: LocationId::new(0).into_iter().collect(),
///             values: vec![second * 8192, second << 23, second * 8192, second << 23],
///             labels: vec![],
///         }],
///         locations: vec![Location {
///             lines: FunctionId::new(0)
///                 .map(|function| Line { function, line: 42, column: 0 })
///                 .into_iter()
///                 .collect(),
///             ..Location::default()
///         }],
///         functions: vec![Function { name: "track".into(), ..Function::default() }],
///         time_nanos: second * 1_000_000_000,
///         period: 512 * 1024,
///         ..Profile::default()
///     })
///     .collect();
/// let verdict = leak::find(&profiles)?;
/// assert_eq!(verdict.leaks.len(), 1);
/// let leak = &verdict.leaks[0];
/// assert_eq!(&*leak.blamed.name, "track");
/// assert!((leak.trend.rates.mean.value / 8_388_608.0 - 1.0).abs() < 1e-9);
/// # Ok::<(), heaptide::Error>(())
/// ```
///
/// # Errors
///
/// A mismatch that names the profile, if there are fewer than two of any one process, one is not a heap
/// profile, is a delta, or is not later than the one before it; too large, if there are more stacks or
/// frames than are held.
pub fn find(profiles: &[Profile]) -> Result<Verdict> {
    let mut detector = LeakDetector::new();
    for profile in profiles {
        detector.add(profile)?;
    }
    detector.verdict()
}
