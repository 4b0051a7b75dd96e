//! Finding leaks: which call stacks keep growing, judged against the noise that sampling adds.
//!
//! [`find`] judges two or more heap profiles of one process, [`LeakDetector`] takes them one at a
//! time. Nothing here reads or writes files. A profile goes this way:
//!
//! 1. `detector` decides which profiles are of one process.
//! 2. `sample_sums` sums each profile by call stack; `numbering` and `interner` give the stacks
//!    numbers.
//! 3. `series` collects the sums of one process, and `history` lines up each of its stacks.
//! 4. `stats` computes the [`StackTrend`] of each stack, which the rules read.
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

/// Looks for leaks in heap profiles of one process, which are in time order.
///
/// Call stacks are rolled up: profile samples count as one stack if their paths from the root to
/// the innermost function outside the standard library are the same. Neither lines nor
/// calls within the standard library matter. Such a stack is accused if all of this holds:
///
/// * It grew by more than noise over the whole span and over its later half. Noise is that of
///   sampling, and of blocks that come and go at random. The number of stacks tried is taken into
///   account (Benjamini and Hochberg, false discovery rate 1 %).
/// * It still grows: in the last quarter of the span at no less than half its mean rate. So a cache
///   that filled up or a warm-up is not accused.
/// * It never gave back more than half of its growth.
/// * It grew in more than half of the parts (at most eight) that the span is cut into, and the
///   median slope between any two profiles is no less than half its mean rate.
/// * It kept at least 5 % of its allocations, or is at least 10 % of all growth.
///
/// A stack is also accused if it is one large list that keeps doubling. It doubled at least four
/// times, without a fall, and lately was filled no slower. The doublings are spread over half the
/// span or more, and the last is in its last quarter. At a doubling a list is exactly full, so its
/// length is known at each of them, and sampling misses no block as large.
///
/// The function to blame is the one where the stack first differs from those that do not leak. If
/// other callers of the function that allocates give the memory back, it is the caller.
///
/// A restart between two profiles is noticed. The verdict is then that of the longest time of one
/// process, and its notes say so. A thousand profiles need not be in memory at once: see
/// [`LeakDetector`].
///
/// These rules cannot see growth that has not ended *yet*. A cache that is still filling at the
/// last profile looks like a leak; longer watching tells them apart. With two profiles there is no
/// later half, and any significant growth is accused.
///
/// ```
/// use heaptide_profile::{Function, FunctionId, Line, Location, LocationId, Sample, ValueType};
/// use heaptide_profile::{Profile, leak};
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
/// # Ok::<(), heaptide_profile::Error>(())
/// ```
///
/// # Errors
///
/// A mismatch that names the profile, if it is not a heap profile, is a delta, or is not later than
/// the one before it; a mismatch, if there are fewer than two profiles of any one process; too
/// large, if there are more stacks or frames than are held.
pub fn find(profiles: &[Profile]) -> Result<Verdict> {
    let mut detector = LeakDetector::new();
    for profile in profiles {
        detector.add(profile)?;
    }
    detector.verdict()
}
