//! Which allocations are sampled, what each sample stands for, and how a free recognizes one.

pub(super) mod countdown;
pub(super) mod filter;
pub(super) mod mark;
pub(super) mod sampler;
#[cfg(test)]
mod seeded_bugs;
#[cfg(all(test, not(loom)))]
mod statistics;
pub(super) mod thread;
