//! Finding leaks: which call stacks keep growing, judged against the noise that sampling adds.
//!
//! [`find`] compares two or more heap profiles of one process. `history` lines up their call stacks,
//! `judge` holds the rules and their constants, `significance` the arithmetic of chance, `verdict`
//! what is told to people. Nothing here reads or writes files.

mod history;
mod judge;
mod significance;
#[cfg(test)]
mod simulation;
mod stack;
mod verdict;

use crate::{Profile, Result};

pub use stack::StackFrame;
pub use verdict::{Acquitted, Reason, Suspect, Verdict};

/// Looks for leaks in heap profiles of one process, in time order.
///
/// Call stacks are rolled up: profile samples whose paths from the root to the innermost function
/// outside the standard library are the same count as one stack, whatever the lines, and whatever
/// the standard library did below. Such a stack is accused if all of this holds:
///
/// * it grew by more than sampling noise, over the whole span and over its later half, with the
///   number of stacks tried taken into account (Benjamini and Hochberg, false discovery rate 1 %);
/// * it still grows: in the last quarter of the span at no less than half its mean rate, so that a
///   cache that filled up or a warm-up is not accused;
/// * it never gave back more than half of what it grew by, and it grew in more than half of the
///   parts (at most eight) that the span is cut into;
/// * it kept at least 5 % of what it allocated, or is at least 10 % of all growth.
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
/// assert_eq!(verdict.suspects.len(), 1);
/// assert_eq!(&*verdict.suspects[0].function.name, "track");
/// assert!((verdict.suspects[0].rate.value / 8_388_608.0 - 1.0).abs() < 1e-9);
/// # Ok::<(), heaptide::Error>(())
/// ```
///
/// # Errors
///
/// A mismatch that names the profile, if there are fewer than two, one is not a heap profile, is a
/// delta, is not later than the one before it, or is of another process (what a stack ever
/// allocated fell, as it does when a program was restarted).
pub fn find(profiles: &[Profile]) -> Result<Verdict> {
    let history = history::collect(profiles)?;
    Ok(judge::judge(&history))
}
