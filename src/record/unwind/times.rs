//! Measures captures by our walker and by libgcc: the figures of `docs/unwinding.md`.
//!
//! It measures with warm caches, and with caches as a sample finds them. It prints, and checks
//! nothing.

use super::{Stack, by_libgcc, capture};
use std::{hint::black_box, time::Instant};

fn own(frame: usize) {
    black_box(&capture(black_box(frame)));
}

fn libgcc(frame: usize) {
    let mut stack = Stack::empty();
    by_libgcc(black_box(frame), &mut stack);
    black_box(&stack);
}

// ---- The same stack again and again. -----------------------------------------------------

#[inline(never)]
fn at_depth(depth: usize, measure: &mut dyn FnMut()) {
    if depth > 0 {
        at_depth(depth - 1, measure);
    } else {
        measure();
    }
    black_box(depth);
}

/// Nanoseconds per call.
fn nanoseconds(mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 1000;
    let start = Instant::now();
    (0..CALLS).for_each(|_| call());
    start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}

#[test]
#[ignore = "a measurement: prints times and checks nothing"]
fn print_times_of_warm_captures() {
    for depth in [1, 20, 50] {
        at_depth(depth, &mut || {
            let here = 0u8;
            let frame = (&raw const here).addr();
            let frames = capture(frame).addresses().len();
            let mut best = [f64::INFINITY; 2];
            for _ in 0..50 {
                best[0] = best[0].min(nanoseconds(|| own(frame)));
                best[1] = best[1].min(nanoseconds(|| libgcc(frame)));
            }
            let [own, libgcc] = best;
            let ratio = libgcc / own;
            println!(
                "{frames:3} frames: own {own:5.0} ns, libgcc {libgcc:6.0} ns, {ratio:.1} times"
            );
        });
    }
}

// ---- Another stack each time, with other memory touched in between. ----------------------

type CallNode = fn(&[usize], &mut dyn FnMut());

/// One of 256 functions. Each calls another one, from one of four places.
#[inline(never)]
fn node<const ROW: usize, const COLUMN: usize>(path: &[usize], measure: &mut dyn FnMut()) {
    let Some((step, rest)) = path.split_first() else {
        return measure();
    };
    let next = NODES[step / 64 % 16][step / 4 % 16];
    let here = black_box(ROW * 16 + COLUMN);
    // The numbers keep the compiler from merging the four calls into one.
    match step % 4 {
        0 => {
            next(rest, measure);
            black_box(here + 1);
        }
        1 => {
            next(rest, measure);
            black_box(here + 2);
        }
        2 => {
            next(rest, measure);
            black_box(here + 3);
        }
        _ => {
            next(rest, measure);
            black_box(here + 4);
        }
    }
}

macro_rules! columns {
    ($row:literal: $($column:literal)*) => { [$(node::<$row, $column>),*] };
}
macro_rules! rows {
    ($($row:literal)*) => { [$(columns!($row: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)),*] };
}
static NODES: [[CallNode; 16]; 16] = rows!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);

/// The nanoseconds of each capture, sorted.
fn of_cold(way: fn(usize), paths: &[Vec<usize>], touched: &mut [u8]) -> Vec<f64> {
    let mut times: Vec<f64> = Vec::with_capacity(paths.len());
    for path in paths {
        let mut measure = || {
            let here = 0u8;
            let frame = (&raw const here).addr();
            for line in touched.iter_mut().step_by(64) {
                *line = line.wrapping_add(1);
            }
            let start = Instant::now();
            way(frame);
            times.push(start.elapsed().as_secs_f64() * 1e9);
        };
        NODES[0][0](path, &mut measure);
    }
    times.sort_by(f64::total_cmp);
    times
}

#[test]
#[ignore = "a measurement: prints times and checks nothing"]
fn print_times_of_cold_captures() {
    let mut state = 1u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 40).unwrap()
    };
    let paths: Vec<Vec<usize>> = (0..500)
        .map(|_| (0..30).map(|_| random()).collect())
        .collect();
    let clock = (0..1000)
        .map(|_| Instant::now().elapsed().as_secs_f64() * 1e9)
        .fold(f64::INFINITY, f64::min);
    for kib in [0, 512, 4096] {
        let mut touched = vec![0u8; kib << 10];
        // Both ways keep what they learn of each address.
        let mut best = [(f64::INFINITY, f64::INFINITY); 2];
        for _ in 0..if cfg!(debug_assertions) { 1 } else { 10 } {
            for (way, best) in [own as fn(usize), libgcc].into_iter().zip(&mut best) {
                let times = of_cold(way, &paths, &mut touched);
                let median = times[times.len() / 2] - clock;
                // Without the slowest ones, which are interruptions.
                let calm = &times[..times.len() * 98 / 100];
                let mean = calm.iter().sum::<f64>() / calm.len() as f64 - clock;
                *best = (best.0.min(median), best.1.min(mean));
            }
        }
        let [own, libgcc] = best;
        println!(
            "{kib:4} KiB touched, 30 frames and the test's own: own {:.0} ns (mean {:.0}), \
             libgcc {:.0} ns (mean {:.0}), {:.1} times",
            own.0,
            own.1,
            libgcc.0,
            libgcc.1,
            libgcc.1 / own.1
        );
    }
}
