//! A heap profile's four columns, read sample by sample.
//!
//! A sample becomes a population, or one of its values an estimate.
//!
//! It is separate from `population`, which knows what the numbers mean and nothing of samples and
//! labels.

use super::estimate::Estimate;
use super::interval::Mass;
use super::population::{Population, block_size, odds_unsampled};
use crate::model::heap::{BYTES_LABEL, INTERVAL_LABEL};
use crate::{Error, Result};
use crate::{LabelValue, Profile, Sample};

/// A column of a heap profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeapColumn {
    AllocObjects,
    AllocSpace,
    InuseObjects,
    InuseSpace,
}

impl HeapColumn {
    pub(super) fn of(kind: &str) -> Option<Self> {
        match kind {
            "alloc_objects" => Some(Self::AllocObjects),
            "alloc_space" => Some(Self::AllocSpace),
            "inuse_objects" => Some(Self::InuseObjects),
            "inuse_space" => Some(Self::InuseSpace),
            _ => None,
        }
    }
}

impl Profile {
    /// The comment of a difference without its base. A filter leaves it in. By `pprof`'s convention
    /// a comment with a leading `#` is for machines.
    #[doc(hidden)]
    pub const DIFFERENCE: &str = "#heaptide difference";

    /// The four values of a heap profile's sample, with what its labels say about the blocks.
    ///
    /// # Errors
    ///
    /// A mismatch if this is not a heap profile, or no sample interval is stated.
    pub fn population(&self, sample: &Sample) -> Result<Population> {
        Ok(Population {
            alloc_objects: self.value(sample, "alloc_objects")?,
            alloc_space: self.value(sample, "alloc_space")?,
            inuse_objects: self.value(sample, "inuse_objects")?,
            inuse_space: self.value(sample, "inuse_space")?,
            largest_block: number(sample, BYTES_LABEL).unwrap_or(0),
            interval_bytes: self.interval_of(sample)?,
        })
    }

    /// The value of a sample in a column, as an estimate of its own. The profile may be a
    /// difference without its base ([`is_difference`](Self::is_difference)).
    pub(super) fn estimate_of(
        &self,
        sample: &Sample,
        column: HeapColumn,
        is_difference: bool,
    ) -> Result<Estimate> {
        let (objects_kind, space_kind) = match column {
            HeapColumn::AllocObjects | HeapColumn::AllocSpace => ("alloc_objects", "alloc_space"),
            HeapColumn::InuseObjects | HeapColumn::InuseSpace => ("inuse_objects", "inuse_space"),
        };
        let objects = self.value(sample, objects_kind)?;
        let space = self.value(sample, space_kind)?;
        let size = block_size(space, objects, number(sample, BYTES_LABEL).unwrap_or(0));
        let odds = odds_unsampled(size, self.interval_of(sample)?);
        let (value, unit) = match column {
            HeapColumn::AllocSpace | HeapColumn::InuseSpace => (space, 1.0),
            HeapColumn::AllocObjects | HeapColumn::InuseObjects => (objects, size.recip()),
        };
        let mass = |bytes: f64| Mass::of(bytes, size, odds) * unit;
        let live = matches!(column, HeapColumn::InuseObjects | HeapColumn::InuseSpace);
        if !(is_difference && live) && space >= 0 {
            let added = mass(space as f64);
            return Ok(Estimate::new(value as f64, added, Mass::default()));
        }
        // The bytes that came are at most the bytes allocated meanwhile. All of them beyond the
        // growth went.
        let allocated = if live {
            self.value(sample, "alloc_space").unwrap_or(0)
        } else {
            0
        };
        let came = allocated.max(space).max(0) as f64;
        let (added, removed) = (mass(came), mass(came - space as f64));
        Ok(Estimate::new(value as f64, added, removed))
    }

    /// Whether the live values are growths instead of amounts. The profile says so, or some of them
    /// are negative without a base that is kept separate.
    ///
    /// A duration proves nothing: some profiles cover what was allocated in a time span and all
    /// that is live. Another program's difference in which nothing fell cannot be recognized.
    pub(super) fn is_difference(&self) -> bool {
        if self
            .comments
            .iter()
            .any(|comment| &**comment == Self::DIFFERENCE)
        {
            return true;
        }
        let is_live = |kind: &str| matches!(kind, "inuse_objects" | "inuse_space");
        let live = self.sample_types.iter().enumerate();
        let live: Vec<usize> = live
            .filter(|(_, of)| is_live(&of.kind))
            .map(|(at, _)| at)
            .collect();
        let falls = |sample: &Sample| {
            let mut values = live.iter().filter_map(|&at| sample.values.get(at));
            values.any(|&value| value < 0) && !sample.is_base()
        };
        self.samples.iter().any(falls)
    }

    fn value(&self, sample: &Sample, kind: &str) -> Result<i64> {
        let index = self.sample_type(kind)?.index();
        sample.values.get(index).copied().ok_or_else(|| {
            Error::mismatch(format!(
                "a sample has {} values where the profile has {} sample types",
                sample.values.len(),
                self.sample_types.len()
            ))
        })
    }

    fn interval_of(&self, sample: &Sample) -> Result<i64> {
        let interval = number(sample, INTERVAL_LABEL).unwrap_or(self.period);
        if interval > 0 {
            return Ok(interval);
        }
        Err(Error::mismatch(format!(
            "the sample interval is given as {interval} bytes, so no error can be estimated: it \
             must be in the profile's period or in the sample's label `sample_interval`"
        )))
    }
}

/// The value of a numeric label in any unit. Go writes `bytes` without one.
fn number(sample: &Sample, key: &str) -> Option<i64> {
    sample.labels.iter().find_map(|label| match label.value {
        LabelValue::Number { value, .. } if &*label.key == key => Some(value),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Label, ValueType};

    const INTERVAL: i64 = 512 * 1024;
    const BLOCK: i64 = 512 * 1024;

    fn heap(period: i64) -> Profile {
        let kinds = [
            "alloc_objects",
            "alloc_space",
            "inuse_objects",
            "inuse_space",
        ];
        Profile {
            sample_types: kinds.map(|kind| ValueType::new(kind, "")).to_vec(),
            period,
            ..Profile::default()
        }
    }

    fn sample(values: [i64; 4], labels: &[(&str, i64)]) -> Sample {
        let number = |value| LabelValue::Number {
            value,
            unit: "".into(),
        };
        let label = |&(key, value): &(&str, i64)| Label {
            key: key.into(),
            value: number(value),
        };
        Sample {
            locations: vec![],
            values: values.to_vec(),
            labels: labels.iter().map(label).collect(),
        }
    }

    fn near(value: f64, expected: f64) {
        let off = (value / expected - 1.0).abs();
        assert!(off < 1e-4, "{value} instead of {expected}");
    }

    #[test]
    fn one_large_block_as_go_writes_it_has_the_error_of_one_sample() {
        // Go cuts the weight 1.58 to one object, so `space / objects` is 1.58 blocks.
        let go = sample([1, 829_411, 1, 829_411], &[("bytes", BLOCK)]);
        let estimate = heap(INTERVAL)
            .sample_type_at(3)
            .unwrap()
            .estimate(&go)
            .unwrap();
        // One sample: s² (1-p)/p², p = 1 - 1/e.
        let p = 1.0 - (-1.0_f64).exp();
        near(estimate.standard_error, BLOCK as f64 * (1.0 - p).sqrt() / p);
        let objects = heap(INTERVAL)
            .sample_type_at(2)
            .unwrap()
            .estimate(&go)
            .unwrap();
        near(objects.standard_error, (1.0 - p).sqrt() / p);
        assert_eq!(objects.value, 1.0);
    }

    #[test]
    fn the_columns_do_not_share_their_errors() {
        let churned = sample([4096, 16 << 20, 256, 1 << 20], &[]);
        let profile = heap(INTERVAL);
        let allocated = profile
            .sample_type_at(1)
            .unwrap()
            .estimate(&churned)
            .unwrap();
        let live = profile
            .sample_type_at(3)
            .unwrap()
            .estimate(&churned)
            .unwrap();
        near(allocated.standard_error / live.standard_error, 4.0);
    }

    #[test]
    fn the_interval_of_a_sample_overrides_that_of_the_profile() {
        let values = [1000, 1_000_000, 1000, 1_000_000];
        let own = sample(values, &[("bytes", 1000), ("sample_interval", 1)]);
        let exact = heap(INTERVAL)
            .sample_type_at(3)
            .unwrap()
            .estimate(&own)
            .unwrap();
        assert_eq!(exact.standard_error, 0.0);
        let own = sample(values, &[("bytes", 1000), ("sample_interval", INTERVAL)]);
        let noisy = heap(1).sample_type_at(3).unwrap().estimate(&own).unwrap();
        assert!(noisy.standard_error > 700_000.0, "{noisy:?}");
    }

    #[test]
    fn values_without_a_known_error_are_refused() {
        let plain = sample([1; 4], &[]);
        let unstated = heap(0)
            .sample_type_at(3)
            .unwrap()
            .estimate(&plain)
            .unwrap_err();
        assert!(unstated.is_mismatch() && unstated.to_string().contains("sample interval"));
        let mut cpu = heap(INTERVAL);
        cpu.sample_types = vec![ValueType::new("cpu", "nanoseconds")];
        assert!(
            cpu.sample_type_at(0)
                .unwrap()
                .estimate(&plain)
                .unwrap_err()
                .is_mismatch()
        );
        assert!(cpu.population(&plain).unwrap_err().is_mismatch());
        assert!(heap(INTERVAL).sample_type_at(4).unwrap_err().is_mismatch());
    }

    /// Four blocks came and sixteen went, as far as four columns show it: a growth of minus twelve.
    #[test]
    fn a_fall_has_the_error_of_all_possible_arrivals_and_frees() {
        let p = -(-4096.0 / INTERVAL as f64).exp_m1();
        #[expect(clippy::cast_possible_truncation, reason = "far below the limits")]
        let values = [4.0, 4.0 * 4096.0, -12.0, -12.0 * 4096.0].map(|n| (n / p).round() as i64);
        let row = sample(values, &[("bytes", 4096)]);
        let estimate = heap(INTERVAL)
            .sample_type_at(3)
            .unwrap()
            .estimate(&row)
            .unwrap();
        near(
            estimate.standard_error,
            4096.0 * (20.0 * (1.0 - p)).sqrt() / p,
        );
    }
}
