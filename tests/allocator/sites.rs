//! Each of the four numbers of every site in the written profile, against the true allocations.
//!
//! There are ten sites, many threads, blocks freed by other threads, and two intervals with
//! recording off in between.
//!
//! A total can be right while each site is wrong, so totals are not looked at. Each number has to
//! be within 5.5 standard deviations by the sampling law. If nearly every block is sampled, it has
//! to be within the range of Poisson's law for the few that are not. The process draws its own
//! seeds. Of 40 million runs that were simulated by the law, 1.3 in a million fail by chance.
#![cfg(feature = "symbolize")]

#[path = "../support/scenario.rs"]
mod scenario;

use heaptide::Profile;
use heaptide_profile::Estimate;
use std::{alloc::System, hint::black_box, sync::mpsc, thread};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(INTERVALS[0]);

const KIB: usize = 1024;
const INTERVALS: [u64; 2] = [128 << 10, 64 << 10];
const THREADS: usize = 4;
const SIGMAS: f64 = 5.5;
/// For so few unsampled blocks, on average, the number has Poisson's longer tail.
const FEW: f64 = 100.0;
/// The chance of more unsampled blocks than the test allows.
const UNLIKELY: f64 = 1e-7;

/// One of this number of blocks is kept, and the others are freed by another thread.
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
    /// The sizes that it allocates in turn, one for each call.
    sizes: &'static [usize],
    /// Each call goes through all of the sizes, and each realloc frees the block before.
    grows: bool,
    /// Calls for each thread and interval.
    blocks: usize,
}

sites! {
    bytes_64: |_| block(64), &[64], false, 250_000;
    bytes_1k: |_| block(KIB), &[KIB], false, 16_250;
    bytes_4k: |_| block(4 * KIB), &[4 * KIB], false, 4_125;
    bytes_64k: |_| block(64 * KIB), &[64 * KIB], false, 500;
    bytes_512k: |_| block(512 * KIB), &[512 * KIB], false, 250;
    bytes_2m: |_| block(2048 * KIB), &[2048 * KIB], false, 50;
    mixed_64_and_256k: |turn| block(MIXED_FAR[turn % 256]), MIXED_FAR, false, 128_000;
    mixed_500_and_30k: |turn| block(MIXED_NEAR[turn % 16]), MIXED_NEAR, false, 24_000;
    zeroed: |_| black_box(vec![0; 16 * KIB]), &[16 * KIB], false, 1_500;
    grown: |_| grow(), GROWN, true, 1_500;
}

/// One block of 256 KiB to 255 of 64 B.
const MIXED_FAR: &[usize] = &{
    let mut sizes = [64; 256];
    sizes[255] = 256 * KIB;
    sizes
};
/// One of 30,000 B to 15 of 500 B.
const MIXED_NEAR: &[usize] = &{
    let mut sizes = [500; 16];
    sizes[15] = 30_000;
    sizes
};
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

/// Runs all sites in turns on all threads. What it returns is alive.
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
            // Spread over the turns, so that every site is next to every other.
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

/// One round of sizes in four is kept.
fn is_kept(site: &Site, call: usize) -> bool {
    let round = if site.grows { 1 } else { site.sizes.len() };
    (call / round).is_multiple_of(KEPT_OF)
}

/// One of a site's four numbers after one run at an interval.
#[derive(Clone, Copy, Default)]
struct Law {
    truth: f64,
    variance: f64,
    /// Mean number of blocks that are not sampled.
    unsampled: f64,
    /// The size of the largest block in the number's unit.
    largest: f64,
}

fn law(site: &Site, interval: u64) -> [Law; 4] {
    let mut numbers = [Law::default(); 4];
    let mut count = |size: usize, is_live: bool| {
        let size = size as f64;
        let p = -(-size / interval as f64).exp_m1();
        let (n, variance) = (THREADS as f64, THREADS as f64 * (1.0 - p) / p);
        let columns = if is_live { 0..4 } else { 0..2 };
        for column in columns {
            let unit = if column % 2 == 0 { 1.0 } else { size };
            let number = &mut numbers[column];
            number.truth += n * unit;
            number.variance += variance * unit * unit;
            number.unsampled += n * (1.0 - p);
            number.largest = number.largest.max(unit);
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

/// The least number that is exceeded with at most the chance `UNLIKELY`, by Poisson's law of this
/// mean.
fn most_of(mean: f64) -> f64 {
    let mut chance = (-mean).exp();
    let (mut number, mut below) = (0.0, chance);
    while 1.0 - below > UNLIKELY {
        number += 1.0;
        chance *= mean / number;
        below += chance;
    }
    number
}

#[test]
fn every_number_of_every_site_follows_the_sampling_law() {
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
            let sum =
                |part: fn(&Law) -> f64| laws.iter().map(|law| part(&law[column])).sum::<f64>();
            let truth = sum(|law| law.truth);
            let sigma = sum(|law| law.variance).sqrt();
            let unsampled = sum(|law| law.unsampled);
            let most_off = if unsampled < FEW {
                // Half a block more, because sampled blocks weigh more than one.
                (most_of(unsampled) - unsampled + 0.5) * laws[0][column].largest
            } else {
                SIGMAS * sigma
            };
            let estimates = profile.sample_type_at(column).unwrap().estimates().unwrap();
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
            // Besides noise, a number is rounded for each stack. A site has a few stacks.
            if off.abs() > most_off + 5.0 {
                wrong.push(format!(
                    "{} {}: {} of {truth}",
                    site.name, kind.kind, estimate.value
                ));
            }
            // The profile's own standard error is an estimate too, from a hundred samples and more.
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
