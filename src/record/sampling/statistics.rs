//! Statistical checks of the sampling law: gaps, means, variances, sites, changes of interval.
//!
//! Each check is a function. The test of its name runs it as it is. A second test runs it with each
//! of its [seeded bugs](super::seeded_bugs) and expects it to fail.
//!
//! Seeds are fixed, and bounds leave six standard deviations: a check that fails without a change
//! of the code has odds of one in 500 million. `tests/allocator/sites.rs` checks the whole, with an
//! allocator and threads.

#[cfg(test)]
mod tests {
    use crate::record::sampling::{
        countdown::Pick,
        sampler,
        seeded_bugs::{self, Bug},
        thread::Thread,
    };
    use crate::record::tables::stacks::{Allocation, StackTable};
    use rand_xoshiro::{
        Xoshiro256PlusPlus,
        rand_core::{Rng as _, SeedableRng as _},
    };

    type Check = Result<(), String>;

    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    const SIGMAS: f64 = 6.0;

    fn within(what: &str, value: f64, expected: f64, sigma: f64) -> Check {
        let off = (value - expected).abs();
        // A value without variance may still differ by the floating-point error of a long sum.
        if off <= SIGMAS * sigma + 1e-9 * expected.abs() {
            return Ok(());
        }
        Err(format!(
            "{what}: {value} instead of {expected}, {} sigma",
            off / sigma
        ))
    }

    /// Allocates `blocks` of `size` bytes and passes each picked one to `found`.
    fn allocate(
        thread: &Thread,
        blocks: u64,
        size: u64,
        interval: u64,
        seed: u64,
        mut found: impl FnMut(Pick),
    ) {
        let mut left = blocks;
        while left > 0 {
            left -= thread.skip(size, left);
            if left > 0 {
                left -= 1;
                let bytes = usize::try_from(size).unwrap();
                if thread.count(bytes)
                    && let Some(pick) = thread.decide(bytes, interval, || seed)
                {
                    found(pick);
                }
            }
        }
    }

    /// Anderson and Darling's A², which also weighs the tails. It exceeds 12 with odds of about one
    /// in a million (Marsaglia and Marsaglia, 2004; the tail falls tenfold each 2.1).
    fn gaps_are_exponential() -> Check {
        for interval in [64, 4 * KIB, 512 * KIB, 1 << 40] {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(interval);
            for n in [10, 100, 1000, 10_000, 100_000] {
                let mut uniform: Vec<f64> = (0..n)
                    .map(|_| {
                        let gap = sampler::draw_gap(interval, &mut random) as f64;
                        // Gaps are whole bytes: spread each over its byte.
                        let within = (random.next_u64() >> 11) as f64 / 2_f64.powi(53);
                        -(-(gap + within) / interval as f64).exp_m1()
                    })
                    .collect();
                uniform.sort_by(f64::total_cmp);
                let tiny = 1e-300;
                let terms = (0..n).map(|i| {
                    let (low, high) = (uniform[i], 1.0 - uniform[n - 1 - i]);
                    (2 * i + 1) as f64 * (low.max(tiny).ln() + high.max(tiny).ln())
                });
                let squared = -(n as f64) - terms.sum::<f64>() / n as f64;
                if squared > 12.0 {
                    return Err(format!("A² = {squared} of {n} gaps at {interval}"));
                }
            }
        }
        Ok(())
    }

    /// The estimated count of `N` blocks has mean `N` and variance `N (1-p)/p`. From 3,000
    /// estimates of about 60 samples each, the variance is known to `sqrt(2/3000)` of itself, and
    /// to one part in 60 more for the skewness.
    fn estimates_have_the_mean_and_variance_of_the_closed_form() -> Check {
        const ESTIMATES: u32 = 3000;
        let sizes = [
            1,
            8,
            64,
            1000,
            4 * KIB,
            64 * KIB,
            512 * KIB,
            2 * MIB,
            64 * MIB,
            1024 * MIB,
        ];
        let intervals = [4 * KIB, 512 * KIB, 64 * MIB, 1 << 40];
        for (interval, size) in intervals.iter().flat_map(|i| sizes.map(|s| (*i, s))) {
            let p = sampler::probability(size, interval);
            // At 1 TiB a thread decides once per 64 MiB, and 60 samples take a million decisions.
            let samples = if interval == 1 << 40 { 1.0 } else { 60.0 };
            if interval == 1 << 40 && size < 1024 * MIB {
                continue;
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "rounds a positive number"
            )]
            let blocks = (samples / p).round() as u64;
            let thread = Thread::new();
            let (mut sum, mut squares) = (0.0, 0.0);
            for _ in 0..ESTIMATES {
                let mut estimate = 0.0;
                allocate(&thread, blocks, size, interval, size, |pick| {
                    estimate += pick.weight;
                });
                let off = estimate - blocks as f64;
                sum += off;
                squares += off * off;
            }
            let n = f64::from(ESTIMATES);
            let variance = blocks as f64 * (1.0 - p) / p;
            let missed = n * blocks as f64 * (1.0 - p);
            if missed < 100.0 {
                // The missed ones are too few for a normal distribution: their number is Poisson.
                if sum.abs() > 10.0 + SIGMAS * missed.sqrt() {
                    return Err(format!(
                        "{sum} of {size} bytes at {interval}, {missed} missed"
                    ));
                }
                continue;
            }
            let what = |of: &str| format!("{of} of {size} bytes at {interval}");
            let mean = blocks as f64 + sum / n;
            within(&what("mean"), mean, blocks as f64, (variance / n).sqrt())?;
            let skewed = 1.0 + 1.0 / samples;
            let sigma = variance * (2.0 / n).sqrt() * skewed;
            within(&what("variance"), squares / n, variance, sigma)?;
        }
        Ok(())
    }

    /// Sites allocate in turns, as in a program. Whether a block is picked must not depend on the
    /// allocations before it.
    fn sites_that_allocate_in_turns_are_independent() -> Check {
        const INTERVAL: u64 = 64 * KIB;
        const ROUNDS: u64 = 20_000;
        let sizes = [64, 2 * MIB, KIB, 64 * KIB, 512 * KIB, 4 * KIB];
        let thread = Thread::new();
        let mut sums = [0.0; 6];
        for _ in 0..ROUNDS {
            for (size, sum) in sizes.iter().zip(&mut sums) {
                allocate(&thread, 1, *size, INTERVAL, 3, |pick| *sum += pick.weight);
            }
        }
        for (size, sum) in sizes.iter().zip(sums) {
            let p = sampler::probability(*size, INTERVAL);
            let sigma = (ROUNDS as f64 * (1.0 - p) / p).sqrt();
            within(&format!("blocks of {size}"), sum, ROUNDS as f64, sigma)?;
        }
        Ok(())
    }

    /// Blocks of 64 B and 256 KiB on one stack, through the table that sums them.
    fn two_sizes_on_one_stack_are_both_right() -> Check {
        const INTERVAL: u64 = 512 * KIB;
        const ROUNDS: u64 = 4000;
        let sizes = [(64, 4096), (256 * KIB, 1)];
        let table = StackTable::new();
        let thread = Thread::new();
        let (mut samples, mut sampled_bytes) = (0.0, 0.0);
        for _ in 0..ROUNDS {
            for (size, blocks) in sizes {
                allocate(&thread, blocks, size, INTERVAL, 4, |pick| {
                    let Pick { weight, interval } = pick;
                    let allocation = Allocation {
                        size,
                        weight,
                        interval,
                    };
                    table.add(&[7], allocation).unwrap();
                    samples += 1.0;
                    sampled_bytes += size as f64;
                });
            }
        }
        let (mut objects, mut bytes) = sums(&table);
        if seeded_bugs::is(Bug::SumThenScale) {
            let weight = -(-sampled_bytes / samples / INTERVAL as f64).exp_m1();
            (objects, bytes) = (samples / weight, sampled_bytes / weight);
        }
        let expected = sizes.map(|(size, blocks)| {
            let (n, p) = (
                (blocks * ROUNDS) as f64,
                sampler::probability(size, INTERVAL),
            );
            (n, n * (1.0 - p) / p, size as f64)
        });
        let sum = |of: fn(&(f64, f64, f64)) -> f64| expected.iter().map(of).sum::<f64>();
        within("objects", objects, sum(|e| e.0), sum(|e| e.1).sqrt())?;
        let sigma = sum(|e| e.1 * e.2 * e.2).sqrt();
        within("bytes", bytes, sum(|e| e.0 * e.2), sigma)
    }

    /// Objects and bytes of all buckets.
    fn sums(table: &StackTable) -> (f64, f64) {
        let (buckets, _) = table.copy_all();
        let objects = buckets.iter().map(|b| b.objects).sum();
        (objects, buckets.iter().map(|b| b.bytes).sum())
    }

    fn threads_that_live_for_one_allocation_are_not_favored() -> Check {
        const THREADS: u32 = 200_000;
        for (size, interval) in [(1000, 8 * KIB), (64, 512 * KIB), (512 * KIB, 512 * KIB)] {
            let mut sum = 0.0;
            for seed in 0..THREADS {
                let seed = u64::from(seed);
                allocate(&Thread::new(), 1, size, interval, seed, |p| sum += p.weight);
            }
            let p = sampler::probability(size, interval);
            let sigma = (f64::from(THREADS) * (1.0 - p) / p).sqrt();
            within(
                &format!("{size} at {interval}"),
                sum,
                f64::from(THREADS),
                sigma,
            )?;
        }
        Ok(())
    }

    /// Directly after a change of the interval, threads allocate 1, 16 and 64 MiB in blocks of 4
    /// KiB. Over many runs the estimate is within 0.97 and 1.03 of the truth, which is at least six
    /// standard deviations. A sample of the old gap has the weight of the old interval, so no byte
    /// has more variance than at the larger of the two.
    fn estimates_stay_right_behind_a_change_of_interval() -> Check {
        const SIZE: u64 = 4 * KIB;
        let changes = [
            (512 * KIB, 64 * KIB),
            (64 * KIB, 512 * KIB),
            (2 * MIB, 512 * KIB),
            (512 * KIB, 2 * MIB),
        ];
        for (before, after) in changes {
            for (bytes, runs) in [(MIB, 100_000_u32), (16 * MIB, 12_000), (64 * MIB, 4_000)] {
                let mut sum = 0.0;
                for seed in 0..u64::from(runs) {
                    let thread = Thread::new();
                    // The estimate of the time before the change is not checked.
                    allocate(&thread, MIB / SIZE, SIZE, before, seed, |_| {});
                    allocate(&thread, bytes / SIZE, SIZE, after, seed, |p| {
                        sum += p.weight;
                    });
                }
                let ratio = sum * SIZE as f64 / bytes as f64 / f64::from(runs);
                let most = before.max(after) as f64 / bytes as f64;
                let sigma = (most / f64::from(runs)).sqrt();
                assert!(SIGMAS * sigma < 0.03, "too few runs to tell: {sigma}");
                if !(0.97..=1.03).contains(&ratio) {
                    return Err(format!(
                        "{before} to {after}, {bytes}: {ratio} of the truth"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The profiler allocates one kilobyte per sample, muted.
    fn the_profilers_own_bytes_are_not_counted() -> Check {
        const INTERVAL: u64 = 4 * KIB;
        const BLOCKS: u64 = 200_000;
        let thread = Thread::new();
        let mut sum = 0.0;
        for _ in 0..BLOCKS {
            let mut picked = false;
            allocate(&thread, 1, 512, INTERVAL, 6, |pick| {
                sum += pick.weight;
                picked = true;
            });
            if !picked {
                continue;
            }
            let left = thread.left();
            let mut own = 0;
            {
                let _muted = thread.mute();
                for _ in 0..8 {
                    if thread.count(128) && thread.decide(128, INTERVAL, || 6).is_some() {
                        own += 1;
                    }
                }
            }
            if own > 0 || thread.left() != left {
                let used = left - thread.left();
                return Err(format!(
                    "{own} of its own blocks sampled, {used} bytes used"
                ));
            }
        }
        let p = sampler::probability(512, INTERVAL);
        let sigma = (BLOCKS as f64 * (1.0 - p) / p).sqrt();
        within("the program's blocks", sum, BLOCKS as f64, sigma)
    }

    macro_rules! checks {
        ($($check:ident finds $($bug:ident)*;)*) => {
            mod checked {
                $(#[test]
                fn $check() {
                    super::$check().unwrap();
                })*
            }

            /// The positive controls: each check fails on its seeded bugs.
            mod controls {
                $(#[test]
                fn $check() {
                    use super::{Bug, seeded_bugs};
                    let bugs: &[Bug] = &[$(Bug::$bug),*];
                    for bug in bugs {
                        let found = seeded_bugs::with(*bug, super::$check);
                        assert!(found.is_err(), "{bug:?} is not found");
                        println!("{bug:?}: {}", found.unwrap_err());
                    }
                })*
            }
        };
    }

    checks! {
        gaps_are_exponential finds UniformGaps FixedGaps;
        estimates_have_the_mean_and_variance_of_the_closed_form finds UniformGaps FixedGaps;
        sites_that_allocate_in_turns_are_independent finds
            OvershootCarriedOver UniformGaps FixedGaps;
        two_sizes_on_one_stack_are_both_right finds SumThenScale;
        threads_that_live_for_one_allocation_are_not_favored finds FirstAlwaysSampled;
        estimates_stay_right_behind_a_change_of_interval finds CurrentInterval;
        the_profilers_own_bytes_are_not_counted finds OwnBytesCounted;
    }
}
