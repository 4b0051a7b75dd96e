//! Whom to blame for a stack that leaks: the function where it first differs from those that do not.
//!
//! Separate from `rules`, which finds stacks guilty or not, because several stacks may share the function
//! that allocates, and only who called it tells them apart.

use std::collections::BTreeMap;

use super::stack::Names;
use super::verdict::Suspect;

/// Samples that an innocent stack would have kept, had it kept as much of what it allocated as the guilty
/// one. None of eight is kept by chance once in 3,000 times.
const TELLING_SAMPLES: f64 = 8.0;

/// Most of the share that the guilty one kept, for an innocent one.
const INNOCENT_SHARE: f64 = 0.5;

/// Position, in the functions of a stack from the one that allocates to the root, of the one to blame.
///
/// It is the first whose callees no innocent stack went through in the same way: for a leak in a buffer
/// that many make and one keeps, the one; for a leak in a function all of whose callers leak, that
/// function. The standard library is never to blame.
pub(super) fn blamed(
    names: &Names,
    guilty: (u32, &Suspect),
    siblings: &Siblings<'_>,
    interval_bytes: i64,
) -> usize {
    let functions = names.functions(guilty.0);
    let innocent = functions.first().and_then(|first| siblings.0.get(first));
    let innocent = innocent.into_iter().flatten().filter(|(stack, trend)| {
        *stack != guilty.0 && is_innocent(trend, guilty.1.retention, interval_bytes)
    });
    let shared = innocent
        .map(|(stack, _)| {
            let pairs = functions.iter().zip(names.functions(*stack));
            pairs.take_while(|(ours, theirs)| ours == theirs).count()
        })
        .max()
        .unwrap_or(0);
    let differing = functions.iter().enumerate().skip(shared);
    let mut of_program = differing.filter(|(_, function)| !names.is_standard(**function));
    of_program.next().map_or(0, |(at, _)| at)
}

/// The stacks that are not accused, by the function that allocates.
#[derive(Debug, Default)]
pub(super) struct Siblings<'a>(BTreeMap<u32, Vec<(u32, &'a Suspect)>>);

impl<'a> Siblings<'a> {
    pub(super) fn add(&mut self, names: &Names, stack: u32, trend: &'a Suspect) {
        if let Some(&function) = names.functions(stack).first() {
            self.0.entry(function).or_default().push((stack, trend));
        }
    }
}

/// Whether a stack allocated enough to show that it does not keep as much of it.
fn is_innocent(trend: &Suspect, retention: f64, interval_bytes: i64) -> bool {
    let would_be_kept = trend.allocated * retention.clamp(0.0, 1.0);
    would_be_kept >= TELLING_SAMPLES * interval_bytes as f64
        && *trend.growth.interval_95().end() < would_be_kept * INNOCENT_SHARE
}
