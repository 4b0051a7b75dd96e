//! The countdown of a thread: which of its allocations are picked.
//!
//! The state is in [`Thread`]. The rest of that type says what the thread may do at present.

#[cfg(test)]
use super::seeded_bugs::{self, Bug};
use super::{
    sampler::{self, LONGEST_COUNTDOWN},
    thread::{PARKED, Thread},
};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A picked allocation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::record) struct Pick {
    /// How many allocations like this one it stands for.
    pub(in crate::record) weight: f64,
    /// The sample interval that its gap was drawn with.
    pub(in crate::record) interval: u64,
}

impl Thread {
    /// Counts `size` bytes. True if the slow path has to decide this allocation.
    #[inline(always)]
    pub(in crate::record) fn count(&self, size: usize) -> bool {
        // This cannot wrap: no size is above isize::MAX (a promise of Layout), and `left` is at
        // least PARKED when the fast path starts.
        let left = self.left.get().wrapping_sub(size as i64);
        self.left.set(left);
        left < 0
    }

    /// Decides an allocation that [`count`](Self::count) reported, at the interval in force. Calls
    /// `seed` once per thread.
    ///
    /// A new thread draws its first gap before it decides anything. If the first allocation were
    /// always picked, short-lived threads would be over-counted.
    pub(in crate::record) fn decide(
        &self,
        size: usize,
        interval: u64,
        seed: impl FnOnce() -> u64,
    ) -> Option<Pick> {
        if self.is_muted() {
            self.left.set(PARKED);
            return None;
        }
        // Absent in a new thread, and in a signal handler that interrupted this function.
        let mut random = self.random.take().unwrap_or_else(|| seeded(seed()));
        let pick = self.decide_with(size as u64, interval, &mut random);
        self.random.set(Some(random));
        pick
    }

    fn decide_with(
        &self,
        size: u64,
        interval: u64,
        random: &mut Xoshiro256PlusPlus,
    ) -> Option<Pick> {
        let before = self.interval.get();
        let is_new = before == 0;
        #[cfg(test)]
        if let Some(pick) = self.decide_wrongly(size, interval, random) {
            return Some(pick);
        }
        if !is_new && !self.cut_short.get() {
            self.start_gap(sampler::draw_gap(interval, random), interval);
            return Some(Pick {
                weight: sampler::weight(size, before),
                interval: before,
            });
        }

        // No sample point is known yet. A fresh gap starts inside this block, after the bytes that
        // the old countdown covered.
        let covered = if is_new {
            0
        } else {
            self.left
                .get()
                .saturating_add_unsigned(size)
                .cast_unsigned()
        };
        let rest = size.saturating_sub(covered);
        let gap = sampler::draw_gap(interval, random);
        if gap.cast_unsigned() >= rest {
            self.start_gap(gap.saturating_sub_unsigned(rest), interval);
            return None;
        }
        self.start_gap(sampler::draw_gap(interval, random), interval);
        let drawn_with = if is_new { interval } else { before };
        Some(Pick {
            weight: sampler::weight_after(size, covered, drawn_with, interval),
            interval,
        })
    }

    fn start_gap(&self, gap: i64, interval: u64) {
        // At equality too: the countdown ends before the byte that the point lies in.
        self.cut_short.set(gap >= LONGEST_COUNTDOWN);
        self.left.set(gap.min(LONGEST_COUNTDOWN));
        self.interval.set(interval);
    }
}

fn seeded(seed: u64) -> Xoshiro256PlusPlus {
    use rand_xoshiro::rand_core::SeedableRng;
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

#[cfg(test)]
impl Thread {
    /// Decides with the seeded bug of a test. `None` if no bug is seeded that has an effect here.
    fn decide_wrongly(
        &self,
        size: u64,
        interval: u64,
        random: &mut Xoshiro256PlusPlus,
    ) -> Option<Pick> {
        let before = self.interval.get();
        let is_new = before == 0;
        let is_due = !is_new && !self.cut_short.get();
        let mut gap = |overshoot| sampler::draw_gap(interval, random).saturating_add(overshoot);
        if seeded_bugs::is(Bug::FirstAlwaysSampled) && is_new {
            self.start_gap(gap(0), interval);
            let weight = sampler::weight(size, interval);
            return Some(Pick { weight, interval });
        }
        if seeded_bugs::is(Bug::OvershootCarriedOver) && is_due {
            self.start_gap(gap(self.left.get()), interval);
            let weight = sampler::weight(size, before);
            return Some(Pick { weight, interval });
        }
        if seeded_bugs::is(Bug::CurrentInterval) && is_due {
            self.start_gap(gap(0), interval);
            let weight = sampler::weight(size, interval);
            return Some(Pick { weight, interval });
        }
        None
    }

    /// Counts in one step as many blocks as fit before the next decision, at most `most`.
    pub(super) fn skip(&self, size: u64, most: u64) -> u64 {
        let fit = u64::try_from(self.left.get()).unwrap_or(0) / size;
        let blocks = fit.min(most);
        self.left.set(self.left.get() - (blocks * size) as i64);
        blocks
    }

    /// Bytes until the next decision.
    pub(super) fn left(&self) -> i64 {
        self.left.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `blocks` of one size through the countdown as the fast path does. Returns the sum of
    /// weights.
    fn run(thread: &Thread, blocks: u64, size: usize, interval: u64, seed: u64) -> f64 {
        let mut sum = 0.0;
        for _ in 0..blocks {
            if thread.count(size) {
                sum += thread
                    .decide(size, interval, || seed)
                    .map_or(0.0, |pick| pick.weight);
            }
        }
        sum
    }

    #[test]
    fn estimates_are_unbiased_per_size() {
        // The last countdown is always cut short, in the middle of blocks.
        for (size, interval) in [
            (100, 4096),
            (4096, 4096),
            (40_000, 4096),
            (1, 512),
            (48 << 20, 64 << 20),
        ] {
            let blocks = 400_000;
            let sum = run(&Thread::new(), blocks, size, interval, 7);
            let p = sampler::probability(size as u64, interval);
            let sigma = (blocks as f64 * (1.0 - p) / p).sqrt();
            assert!(
                (sum - blocks as f64).abs() < 5.0 * sigma + 1.0,
                "{size}: {sum}"
            );
        }
    }

    #[test]
    fn threads_that_live_for_one_allocation_are_unbiased() {
        let n = 200_000u32;
        let sum: f64 = (0..n)
            .map(|seed| run(&Thread::new(), 1, 1000, 8192, u64::from(seed)))
            .sum();
        let p = sampler::probability(1000, 8192);
        let sigma = (f64::from(n) * (1.0 - p) / p).sqrt();
        assert!((sum - f64::from(n)).abs() < 5.0 * sigma, "{sum}");
    }

    #[test]
    fn interval_one_picks_everything_with_weight_one() {
        let sum = run(&Thread::new(), 1000, 17, 1, 3);
        assert!((sum - 1000.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_new_interval_reaches_a_thread_within_the_longest_countdown_without_bias() {
        let size = 1 << 20;
        let mut sums = Vec::new();
        for seed in 0..2000 {
            let thread = Thread::new();
            // At 1 TiB nothing is picked. The countdown is cut short at 64 MiB.
            let mut sum = run(&thread, 1, size, 1 << 40, seed);
            sum += run(&thread, 200, size, 512 * 1024, seed);
            sums.push(sum);
        }
        let mean = sums.iter().sum::<f64>() / sums.len() as f64;
        // One block before the change, and 63 that the old gap covers, are estimated at 1 TiB: E =
        // 201. The variance is dominated by 2000 x 64 blocks at weight 2^20.
        let sigma = ((64.0 * f64::from(1 << 20)) / sums.len() as f64).sqrt();
        assert!((mean - 201.0).abs() < 5.0 * sigma, "{mean} +- {sigma}");
        // The blocks after the change are seen: at least the 137 behind the countdown, nearly all
        // of them picked at p = 0.86.
        let median = {
            let mut sorted = sums.clone();
            sorted.sort_by(f64::total_cmp);
            sorted[sorted.len() / 2]
        };
        assert!((130.0..145.0).contains(&median), "{median}");
    }

    #[test]
    fn a_countdown_that_is_not_cut_short_ends_at_its_sample_point() {
        let thread = Thread::new();
        for (gap, cut_short) in [
            (LONGEST_COUNTDOWN - 1, false),
            (LONGEST_COUNTDOWN, true),
            (LONGEST_COUNTDOWN + 1, true),
        ] {
            thread.start_gap(gap, 1 << 30);
            assert_eq!(thread.cut_short.get(), cut_short, "{gap}");
            assert_eq!(thread.left.get(), gap.min(LONGEST_COUNTDOWN));
        }
        // The byte at distance 10 is the eleventh.
        thread.start_gap(10, 1 << 30);
        assert!(!thread.count(10) && thread.count(1));
    }

    #[test]
    fn a_sample_weighs_by_the_interval_its_gap_was_drawn_with() {
        let n = 20_000u32;
        // Up and down are separate: their errors would cancel.
        for intervals in [[1 << 16, 1 << 10], [1 << 10, 1 << 16]] {
            let mut sum = 0.0;
            for seed in 0..n {
                let thread = Thread::new();
                for interval in intervals {
                    sum += run(&thread, 4, 1000, interval, u64::from(seed));
                }
            }
            // Eight blocks a thread. Each weighs at most 66.
            let sigma = (8.0 * 66.0 * f64::from(n)).sqrt();
            let expected = 8.0 * f64::from(n);
            assert!(
                (sum - expected).abs() < 5.0 * sigma,
                "{intervals:?}: {sum} {expected}"
            );
        }
    }
}
