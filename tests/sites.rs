//! Every one of the four numbers of every site, from the written profile, against what was allocated:
//! ten sites, many threads, blocks freed by other threads, two intervals with recording off in between.
//!
//! A total can be right while each site is wrong, so nothing here looks at totals. Each number has to be
//! within five standard deviations by the sampling law. The process draws its own seeds: with 40 numbers
//! of a hundred samples and more each, about one run in ten thousand fails by chance.
#![cfg(feature = "symbolize")]

mod scenario;

use heaptide::{Profile, profile::Estimate};
use std::{alloc::System, hint::black_box, sync::mpsc, thread};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(INTERVALS[0]);

const KIB: usize = 1024;
const INTERVALS: [u64; 2] = [128 << 10, 64 << 10];
const THREADS: usize = 4;
const SIGMAS: f64 = 5.0;

/// Of so many blocks one is kept, the others are freed by another thread.
const KEPT_OF: usize = 4;

type Block = Vec<u8>;

fn block(size: usize) -> Block {
    black_box(Vec::with_capacity(size))
}

macro_rules! sites {
    ($($name:ident: $make:expr, $sizes:expr, $grows:expr, $blocks:expr;)*) => {
        $(#[inline(never)]
        fn $name(turn: usize) -> Block {
            let make: fn(usize) -> Block = $make;
            black_box(make(turn))
        })*

        const SITES: &[Site] = &[$(Site {
            name: concat!("sites::", stringify!($name)),
            make: $name,
            sizes: $sizes,
            grows: $grows,
            blocks: $blocks,
        }),*];
    };
}

/// A function that allocates.
struct Site {
    name: &'static str,
    make: fn(usize) -> Block,
    /// Sizes of what it allocates in turn, one a call.
    sizes: &'static [usize],
    /// One call goes through all of the sizes, and each realloc frees the block before.
    grows: bool,
    /// Calls of each thread and interval.
    blocks: usize,
}

sites! {
    bytes_64: |_| block(64), &[64], false, 200_000;
    bytes_1k: |_| block(KIB), &[KIB], false, 13_000;
    bytes_4k: |_| block(4 * KIB), &[4 * KIB], false, 3_300;
    bytes_64k: |_| block(64 * KIB), &[64 * KIB], false, 400;
    bytes_512k: |_| block(512 * KIB), &[512 * KIB], false, 200;
    bytes_2m: |_| block(2048 * KIB), &[2048 * KIB], false, 40;
    mixed_64_and_256k: |turn| block(MIXED_FAR[turn % 256]), MIXED_FAR, false, 102_400;
    mixed_500_and_30k: |turn| block(MIXED_NEAR[turn % 2]), MIXED_NEAR, false, 4_000;
    zeroed: |_| black_box(vec![0; 16 * KIB]), &[16 * KIB], false, 1_200;
    grown: |_| grow(), GROWN, true, 1_200;
}

/// One block of 256 KiB to 255 of 64 B.
const MIXED_FAR: &[usize] = &{
    let mut sizes = [64; 256];
    sizes[255] = 256 * KIB;
    sizes
};
const MIXED_NEAR: &[usize] = &[500, 30_000];
const GROWN: &[usize] = &[KIB, 9 * KIB, 100 * KIB];

#[inline(always)]
fn grow() -> Block {
    let mut bytes = block(GROWN[0]);
    for size in &GROWN[1..] {
        bytes.reserve_exact(*size);
        assert_eq!(bytes.capacity(), *size);
        black_box(&bytes);
    }
    bytes
}

/// Runs all sites in turns on all threads; what it returns is alive.
fn run() -> Vec<Vec<Block>> {
    thread::scope(|scope| {
        let (send, receive) = mpsc::channel::<Vec<Block>>();
        let freed = scope.spawn(move || {
            receive
                .into_iter()
                .map(|blocks| blocks.len())
                .sum::<usize>()
        });
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let send = send.clone();
                scope.spawn(move || work(&send))
            })
            .collect();
        drop(send);
        let kept: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        let calls = THREADS * SITES.iter().map(|site| site.blocks).sum::<usize>();
        let kept_blocks: usize = kept.iter().map(Vec::len).sum();
        assert_eq!(freed.join().unwrap(), calls - kept_blocks);
        kept
    })
}

fn work(send: &mpsc::Sender<Vec<Block>>) -> Vec<Block> {
    let most = SITES.iter().map(|site| site.blocks).max().unwrap();
    let (mut kept, mut given) = (Vec::new(), Vec::new());
    for turn in 0..most {
        for site in SITES {
            // Spread over the turns, so that every site has every other for a neighbor.
            let calls = (turn + 1) * site.blocks / most - turn * site.blocks / most;
            let first = turn * site.blocks / most;
            for call in first..first + calls {
                let block = (site.make)(call);
                if is_kept(site, call) {
                    kept.push(block);
                } else {
                    given.push(block);
                }
            }
        }
        if given.len() >= 256 {
            send.send(std::mem::take(&mut given)).unwrap();
        }
    }
    send.send(given).unwrap();
    kept
}

/// Kept are one round of sizes of four.
fn is_kept(site: &Site, call: usize) -> bool {
    let round = if site.grows { 1 } else { site.sizes.len() };
    (call / round).is_multiple_of(KEPT_OF)
}

/// Truth and variance of the four numbers of a site after one run at an interval.
fn law(site: &Site, interval: u64) -> [(f64, f64); 4] {
    let mut numbers = [(0.0, 0.0); 4];
    let mut count = |size: usize, is_live: bool| {
        let size = size as f64;
        let p = -(-size / interval as f64).exp_m1();
        let (n, variance) = (THREADS as f64, THREADS as f64 * (1.0 - p) / p);
        let columns = if is_live { 0..4 } else { 0..2 };
        for column in columns {
            let unit = if column % 2 == 0 { 1.0 } else { size };
            numbers[column].0 += n * unit;
            numbers[column].1 += variance * unit * unit;
        }
    };
    for call in 0..site.blocks {
        let kept = is_kept(site, call);
        if site.grows {
            for (at, size) in site.sizes.iter().enumerate() {
                count(*size, kept && at + 1 == site.sizes.len());
            }
        } else {
            count(site.sizes[call % site.sizes.len()], kept);
        }
    }
    numbers
}

#[test]
fn every_number_of_every_site_is_within_five_standard_deviations() {
    let mut kept = vec![run()];
    heaptide::set_sample_interval(0);
    kept.push(run());
    heaptide::set_sample_interval(INTERVALS[1]);
    kept.push(run());

    let mut file = Vec::new();
    heaptide::write_heap_profile(&mut file).unwrap();
    let profile = Profile::read(&file).unwrap();
    scenario::assert_hardly_lost(heaptide::stats());
    drop(kept);

    let mut wrong = Vec::new();
    for site in SITES {
        let laws = INTERVALS.map(|interval| law(site, interval));
        let is_in = |name: &str| name.ends_with(site.name);
        let of_site: Vec<bool> = profile
            .samples
            .iter()
            .map(|s| {
                profile
                    .frames(s)
                    .any(|f| f.function.is_some_and(|f| is_in(&f.name)))
            })
            .collect();
        for (column, kind) in profile.sample_types.iter().enumerate() {
            let (mut truth, mut variance) = (0.0, 0.0);
            for law in &laws {
                truth += law[column].0;
                variance += law[column].1;
            }
            let sigma = variance.sqrt();
            let estimates = profile.estimates(column).unwrap();
            let own = estimates.iter().zip(&of_site).filter(|(_, own)| **own);
            let estimate: Estimate = own.map(|(estimate, _)| *estimate).sum();
            let off = estimate.value - truth;
            println!(
                "{} {}: {} of {truth}, {:.2} sigma; standard error {:.0}, by the law {sigma:.0}",
                site.name,
                kind.kind,
                estimate.value,
                off / sigma.max(0.5),
                estimate.standard_error
            );
            // Beside noise, a number is rounded for each stack, of which a site has a few.
            if off.abs() > SIGMAS * sigma + 5.0 {
                wrong.push(format!(
                    "{} {}: {} of {truth}",
                    site.name, kind.kind, estimate.value
                ));
            }
            // The profile's own standard error is an estimate too, of a hundred samples and more.
            let is_right = (0.5..2.0).contains(&(estimate.standard_error / sigma));
            if sigma > truth * 0.01 && !is_right {
                wrong.push(format!(
                    "{} {}: {estimate:?}, {sigma}",
                    site.name, kind.kind
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
