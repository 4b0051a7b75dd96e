//! What a capture costs each way: the figures of docs/unwinding.md.

use super::{Stack, by_libgcc, capture};
use std::{hint::black_box, time::Instant};

#[inline(never)]
fn at_depth(depth: usize, measure: &mut dyn FnMut()) {
    if depth > 0 {
        at_depth(depth - 1, measure);
    } else {
        measure();
    }
    black_box(depth);
}

/// Nanoseconds per call, of the best of some rounds.
fn nanoseconds(rounds: u32, mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 1000;
    (0..rounds)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS).for_each(|_| call());
            start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
        })
        .fold(f64::INFINITY, f64::min)
}

/// The figures of docs/unwinding.md.
#[test]
#[ignore = "a measurement: prints times and checks nothing"]
fn print_times_of_warm_captures() {
    for depth in [1, 20, 50] {
        at_depth(depth, &mut || {
            let here = 0u8;
            let frame = (&raw const here).addr();
            let frames = capture(frame).addresses().len();
            let own = nanoseconds(50, || {
                let stack = capture(black_box(frame));
                black_box(&stack);
            });
            let libgcc = nanoseconds(20, || {
                let mut stack = Stack::empty();
                by_libgcc(black_box(frame), &mut stack);
                black_box(&stack);
            });
            let ratio = libgcc / own;
            println!(
                "{frames:3} frames: own {own:5.0} ns, libgcc {libgcc:6.0} ns, {ratio:.1} times"
            );
        });
    }
}
