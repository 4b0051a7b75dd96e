//! Any number of call stacks: a path of calls for each number.

use std::hint::black_box;

/// An over-aligned block. A sampled one has no mark, which would take 1 KiB.
#[repr(align(32))]
pub(crate) struct Small(#[expect(dead_code, reason = "only its size matters")] [u8; 32]);

// Some tests do not need it.
const _: fn() -> Box<Small> = Small::new;

impl Small {
    pub(crate) fn new() -> Box<Self> {
        black_box(Box::new(Self([1; 32])))
    }
}

/// Calls one of two functions for each of the `depth` lowest bits of `path`, and then `work`.
pub(crate) fn walk(path: usize, depth: u32, work: &mut dyn FnMut()) -> u32 {
    match (depth, path & 1) {
        (0, _) => {
            work();
            0
        }
        (_, 0) => zero(path >> 1, depth - 1, work),
        _ => one(path >> 1, depth - 1, work),
    }
}

// The optimizer can neither merge these two nor turn them into a loop.

#[inline(never)]
fn zero(path: usize, depth: u32, work: &mut dyn FnMut()) -> u32 {
    black_box(walk(path, depth, work)) + 1
}

#[inline(never)]
fn one(path: usize, depth: u32, work: &mut dyn FnMut()) -> u32 {
    black_box(walk(path, depth, work)) + 2
}
