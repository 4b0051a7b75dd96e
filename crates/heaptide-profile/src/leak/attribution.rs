//! The function to blame for a leak: where its stack first differs from those that do not leak.
//!
//! Separate from `rules`, which judges stacks one by one. Several stacks may share the function
//! that allocates, and only their callers tell them apart.

use std::collections::BTreeMap;

use super::interner::StackInterner;
use super::stats::StackTrend;

/// Samples that a stack which does not leak would have kept, had it kept the same share of its
/// allocations as the leak. None of eight is kept by chance once in 3,000 times.
const TELLING_SAMPLES: f64 = 8.0;

/// Most of the share that the leak kept, for a stack that does not leak.
const NOT_KEPT_SHARE: f64 = 0.5;

/// Position of the function to blame among those of a leaking stack, from the one that allocates to
/// the root.
///
/// It is the first function whose callees no stack without a leak went through in the same way.
/// Where many callers make a buffer and one keeps it, that is the one caller. Where all callers
/// leak, it is the function that allocates. The standard library is never to blame.
pub(super) fn blamed(
    interner: &StackInterner,
    leak: (u32, &StackTrend),
    others: &NotAccusedBySite<'_>,
    interval_bytes: i64,
) -> usize {
    let functions = interner.functions(leak.0);
    let siblings = functions.first().and_then(|first| others.0.get(first));
    let siblings = siblings.into_iter().flatten().filter(|(stack, trend)| {
        *stack != leak.0 && keeps_less(trend, leak.1.turnover.retention, interval_bytes)
    });
    let shared = siblings
        .map(|(stack, _)| {
            let pairs = functions.iter().zip(interner.functions(*stack));
            pairs.take_while(|(ours, theirs)| ours == theirs).count()
        })
        .max()
        .unwrap_or(0);
    let differing = functions.iter().enumerate().skip(shared);
    let mut of_program = differing.filter(|(_, function)| !interner.is_standard(**function));
    of_program.next().map_or(0, |(at, _)| at)
}

/// The stacks that are not accused, by the function that allocates.
#[derive(Debug, Default)]
pub(super) struct NotAccusedBySite<'a>(BTreeMap<u32, Vec<(u32, &'a StackTrend)>>);

impl<'a> NotAccusedBySite<'a> {
    pub(super) fn add(&mut self, interner: &StackInterner, stack: u32, trend: &'a StackTrend) {
        if let Some(&function) = interner.functions(stack).first() {
            self.0.entry(function).or_default().push((stack, trend));
        }
    }
}

/// Whether a stack allocated enough to show that it keeps a smaller share than a leak does.
fn keeps_less(trend: &StackTrend, leak_retention: f64, interval_bytes: i64) -> bool {
    let would_be_kept = trend.turnover.allocated * leak_retention.clamp(0.0, 1.0);
    would_be_kept >= TELLING_SAMPLES * interval_bytes as f64
        && *trend.growth.interval_95().end() < would_be_kept * NOT_KEPT_SHARE
}
