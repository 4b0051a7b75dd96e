//! The sampling law: the probability that a block of some size is sampled at an interval.
//!
//! The recording side weighs samples by it, and the analysis side derives errors from it. It is
//! pure arithmetic, so it may run inside malloc.

/// The interval at which every block is sampled. At 0 no sample is drawn, and 0 counts as 1 here.
const EVERY_BLOCK: u64 = 1;

/// The probability `1 - exp(-size/interval)` that a block of `size` bytes is sampled.
///
/// Sample points lie at exponentially distributed gaps with a mean of `interval` bytes. The block
/// is sampled if at least one point falls into it.
#[inline]
#[must_use]
pub fn probability(size: f64, interval: u64) -> f64 {
    if interval <= EVERY_BLOCK {
        return 1.0;
    }
    // `exp_m1` avoids cancellation: at 8 bytes and 1 TiB the exponent is 7e-12.
    -(-size / interval as f64).exp_m1()
}

/// The odds `(1-p)/p` that a block is not sampled: `1 / (exp(size/interval) - 1)`.
///
/// This form is exact for blocks much smaller than the interval.
pub(crate) fn odds_unsampled(size: f64, interval: u64) -> f64 {
    if interval <= EVERY_BLOCK {
        return 0.0;
    }
    (size / interval as f64).exp_m1().recip()
}

#[cfg(test)]
mod tests {
    use super::{odds_unsampled, probability};

    #[test]
    fn probability_and_odds_describe_the_same_law() {
        for size in [1.0, 8.0, 4096.0, 524_288.0, 4e6] {
            for interval in [2, 4096, 524_288, 1 << 40] {
                let p = probability(size, interval);
                let odds = odds_unsampled(size, interval);
                assert!((p * (1.0 + odds) - 1.0).abs() < 1e-12, "{size} {interval}");
            }
            for interval in [0, 1] {
                assert_eq!(probability(size, interval), 1.0);
                assert_eq!(odds_unsampled(size, interval), 0.0);
            }
        }
        assert!((probability(524_288.0, 524_288) - 0.632_120_558_828_557_7).abs() < 1e-15);
        // 8 bytes at 1 TiB. The result is the exponent itself; 1 - exp would keep at most five
        // digits.
        let tiny = 8.0 / (1_u64 << 40) as f64;
        assert!((probability(8.0, 1 << 40) / tiny - 1.0).abs() < 1e-11);
    }
}
