//! Compares our walker with libgcc, frame by frame, on the stacks of real work.
//!
//! Two programs use it: the unit tests (`real_stacks`), and `tests/walks`, which is built with
//! `--cfg heaptide_compare` and has every capture of the real allocator checked. No other build
//! contains it. It runs inside `malloc` and follows its rules.

#![cfg_attr(
    not(heaptide_compare),
    expect(unreachable_pub, reason = "public only in that build")
)]

use super::{Bounds, Fallback, Marker, Registers, Stack, Walk, WalkEnd, by_libgcc};
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::OnceLock;

/// The result of all checks so far.
#[derive(Debug)]
pub struct Comparison {
    /// Stacks that were walked both ways.
    pub compared: usize,
    /// The total of their addresses.
    pub frames: usize,
    /// A lower bound for the number of different stacks.
    pub shapes: usize,
    /// Stacks that the fast walk alone could not complete.
    pub not_fast: usize,
    /// Captures with too little stack left for a walk. They are not among `compared`.
    pub no_room: usize,
    /// Stacks that differed.
    pub mismatches: usize,
    /// The first stack that differed: ours, libgcc's.
    pub first: Option<[Vec<usize>; 2]>,
}

static COMPARED: AtomicUsize = AtomicUsize::new(0);
static FRAMES: AtomicUsize = AtomicUsize::new(0);
static NOT_FAST: AtomicUsize = AtomicUsize::new(0);
static NO_ROOM: AtomicUsize = AtomicUsize::new(0);
static MISMATCHES: AtomicUsize = AtomicUsize::new(0);
/// One bit for each hash of a stack.
static SHAPES: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];
static FIRST_CLAIMED: AtomicBool = AtomicBool::new(false);
static FIRST: OnceLock<[Stack; 2]> = OnceLock::new();

/// Checks a stack that was captured for `frame`. The function of that frame has not returned.
#[inline(never)]
pub(super) fn check(frame: usize, own: &Stack) {
    if own.addresses() == [Marker::StackNearlyFull.address()] {
        NO_ROOM.fetch_add(1, Relaxed);
        return;
    }
    let mut libgcc = Stack::empty();
    let complete = by_libgcc(frame, &mut libgcc);
    if libgcc.addresses().is_empty() {
        libgcc.mark(Marker::NoStack);
    } else if !complete {
        libgcc.mark(Marker::Truncated);
    }
    let (end, _) = by_rules_alone(frame);
    if !matches!(end, WalkEnd::Root | WalkEnd::Null | WalkEnd::Full) {
        NOT_FAST.fetch_add(1, Relaxed);
    }
    count(own.addresses());
    if own.addresses() != libgcc.addresses() {
        MISMATCHES.fetch_add(1, Relaxed);
        // One example is enough, and a thread inside an allocator must not wait for another one.
        // `set` fails only if there is an example already.
        if !FIRST_CLAIMED.swap(true, Relaxed) {
            let _ = FIRST.set([copy(own), libgcc]);
        }
    }
}

/// Runs the fast walk that `capture` begins with.
#[inline(never)]
pub(super) fn by_rules_alone(frame: usize) -> (WalkEnd, Stack) {
    let mut stack = Stack::empty();
    let walk = Bounds::around(frame)
        .zip(Registers::here())
        .and_then(|(bounds, registers)| Walk::new(bounds, registers, frame));
    let end = walk.map_or(WalkEnd::NeedsLibgcc, |walk| {
        walk.by_rules(Fallback::Stop, &mut stack)
    });
    (end, stack)
}

fn count(addresses: &[usize]) {
    COMPARED.fetch_add(1, Relaxed);
    FRAMES.fetch_add(addresses.len(), Relaxed);
    let shape = addresses.iter().fold(0u64, |hash, address| {
        let mixed = (hash ^ *address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^ hash >> 29
    });
    let bit = shape >> 48;
    let word = usize::try_from(bit / 64).unwrap_or_default();
    if let Some(word) = SHAPES.get(word) {
        word.fetch_or(1 << (bit % 64), Relaxed);
    }
}

fn copy(stack: &Stack) -> Stack {
    let mut copy = Stack::empty();
    for address in stack.addresses() {
        // The last one may be a marker, which has its own place.
        if !copy.keep(*address) {
            copy.mark(Marker::Truncated);
        }
    }
    copy
}

/// The number of checks so far. It is cheap enough for an allocator.
#[cfg(test)]
pub(super) fn compared() -> usize {
    COMPARED.load(Relaxed)
}

/// The result of all checks so far.
#[must_use]
pub fn comparison() -> Comparison {
    let bits = SHAPES
        .iter()
        .map(|word| word.load(Relaxed).count_ones() as usize);
    let first = FIRST.get();
    Comparison {
        compared: COMPARED.load(Relaxed),
        frames: FRAMES.load(Relaxed),
        shapes: bits.sum(),
        not_fast: NOT_FAST.load(Relaxed),
        no_room: NO_ROOM.load(Relaxed),
        mismatches: MISMATCHES.load(Relaxed),
        first: first.map(|stacks| stacks.each_ref().map(|stack| stack.addresses().to_vec())),
    }
}
