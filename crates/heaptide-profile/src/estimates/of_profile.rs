//! Estimates for the samples of a profile: each by itself, or paired with its base in a difference.
//!
//! It is separate from `population`, which knows one stack at a time. A difference is about two
//! profiles, and only all of their samples together show whether they are of one process.

use std::collections::HashMap;

use super::columns::HeapColumn;
use super::population::{Population, Relation};
use crate::{Error, Result};
use crate::{Estimate, Label, LabelValue, LocationId, Profile, Sample, SampleType};

impl SampleType<'_> {
    /// The value of a sample of this profile with its standard error.
    ///
    /// The sample type has to be one of a heap profile: `alloc_objects`, `alloc_space`,
    /// `inuse_objects` or `inuse_space`.
    ///
    /// It works on any heap profile whose values are scaled up from the sampled ones, Go's
    /// included. The block size comes from the label `bytes` together with the mean
    /// `space / objects`. The sample interval comes from the label `sample_interval`, or else from
    /// [`Profile::period`]. For all samples call [`estimates`](Self::estimates), which goes through
    /// the profile once.
    ///
    /// ```
    /// use heaptide_profile::{Profile, Sample, ValueType};
    ///
    /// let profile = Profile {
    ///     sample_types: vec![
    ///         ValueType::new("inuse_objects", "count"),
    ///         ValueType::new("inuse_space", "bytes"),
    ///     ],
    ///     period: 512 * 1024,
    ///     ..Profile::default()
    /// };
    /// // 16 MiB of small blocks, 32 of them sampled. The relative error is 1 / sqrt(32).
    /// let sample = Sample { values: vec![262_144, 16 << 20], ..Sample::default() };
    /// let estimate = profile.sample_type("inuse_space")?.estimate(&sample)?;
    /// assert!((estimate.standard_error / estimate.value - 0.177).abs() < 0.001);
    /// # Ok::<(), heaptide_profile::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A mismatch if the sample type is not one of a heap profile, or no sample interval is stated.
    pub fn estimate(self, sample: &Sample) -> Result<Estimate> {
        let profile = self.profile();
        profile.estimate_of(sample, self.column()?, profile.is_difference())
    }

    /// The values of all samples, each with its standard error, in their order.
    ///
    /// They are independent. So the estimates of any selection of samples can be summed: those of a
    /// function, of a filtered profile, or of all samples.
    ///
    /// A difference without its base ([`diff`](Profile::diff), Go's `?seconds=N`) is known by a
    /// comment of heaptide, or by negative values. The bytes that came are at most the bytes
    /// allocated. All of them beyond the growth went.
    ///
    /// In a difference with its base kept separate
    /// ([`diff_keeping_base`](Profile::diff_keeping_base)), blocks that live in both profiles were
    /// sampled in both or in neither. They cancel, see [`Population::growth_since`]. The first
    /// sample of a stack and size has the estimate of the whole difference. Its counterpart in the
    /// base has an exact 0. This holds for two profiles of one process. The variances of both add
    /// up if the profiles state two processes ([`Profile::process`]), or if the bytes ever
    /// allocated fell for one stack and rose for another.
    ///
    /// ```
    /// use heaptide_profile::{Profile, Sample, ValueType};
    ///
    /// let kinds = ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"];
    /// let profile = |mib: i64| Profile {
    ///     sample_types: kinds.map(|kind| ValueType::new(kind, "")).to_vec(),
    ///     samples: vec![Sample {
    ///         values: vec![mib << 14, mib << 20, mib << 14, mib << 20],
    ///         ..Sample::default()
    ///     }],
    ///     period: 512 * 1024,
    ///     ..Profile::default()
    /// };
    /// // From 800 MiB to 802. The error of the 800 is 20 MiB, but they stayed, so it cancels.
    /// let diff = profile(802).diff_keeping_base(&profile(800))?;
    /// let growth = diff.sample_type("inuse_space")?.estimates()?[0];
    /// assert_eq!(growth.value, 2_097_152.0);
    /// assert!((growth.standard_error / 1_048_576.0 - 1.0).abs() < 0.001);
    /// # Ok::<(), heaptide_profile::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`estimate`](Self::estimate).
    pub fn estimates(self) -> Result<Vec<Estimate>> {
        let column = self.column()?;
        let profile = self.profile();
        let mut estimates = Vec::with_capacity(profile.samples.len());
        if !profile.samples.iter().any(Sample::is_base) {
            let is_difference = profile.is_difference();
            for sample in &profile.samples {
                estimates.push(profile.estimate_of(sample, column, is_difference)?);
            }
            return Ok(estimates);
        }
        let pairs = profile.pairs()?;
        let any = Relation {
            may_be_later: true,
            may_be_earlier: true,
        };
        let none = Relation {
            may_be_later: false,
            may_be_earlier: false,
        };
        // The stated processes are enough to decide, and a filter keeps them.
        let start = if profile.is_of_several_processes() {
            none
        } else {
            any
        };
        let relation = pairs.iter().fold(start, |relation, pair| {
            relation.and(pair.new.relation_to(&pair.base))
        });
        estimates.resize(profile.samples.len(), Estimate::default());
        for pair in &pairs {
            if let Some(estimate) = estimates.get_mut(pair.first) {
                *estimate = pair.new.change_of(&pair.base, column, relation);
            }
        }
        Ok(estimates)
    }

    /// Whether the sampling error of this sample type can be known.
    pub(crate) fn is_sampled(self) -> bool {
        self.column().is_ok()
    }

    fn column(self) -> Result<HeapColumn> {
        let kind = &*self.value_type().kind;
        HeapColumn::of(kind).ok_or_else(|| {
            let index = self.index();
            Error::mismatch(format!(
                "sample type {index} `{kind}` has no sampling error that is known: ask for \
                 alloc_objects, alloc_space, inuse_objects or inuse_space of a heap profile"
            ))
        })
    }
}

impl Profile {
    /// The populations of a difference, in the order of their first samples.
    fn pairs(&self) -> Result<Vec<Pair>> {
        let mut pairs: Vec<Pair> = Vec::new();
        let mut known: HashMap<(&[LocationId], Vec<&Label>), usize> = HashMap::new();
        for (first, sample) in self.samples.iter().enumerate() {
            let mut labels: Vec<&Label> = sample.labels.iter().filter(|l| !is_base(l)).collect();
            // A stable sort, because the values of one key are an ordered list.
            labels.sort_by(|a, b| a.key.cmp(&b.key));
            let at = *known.entry((&sample.locations, labels)).or_insert_with(|| {
                pairs.push(Pair {
                    first,
                    new: Population::default(),
                    base: Population::default(),
                });
                pairs.len() - 1
            });
            let population = self.population(sample)?;
            if let Some(pair) = pairs.get_mut(at) {
                if sample.is_base() {
                    pair.base += population.negated();
                } else {
                    pair.new += population;
                }
            }
        }
        Ok(pairs)
    }
}

/// A population in both profiles of a difference.
struct Pair {
    first: usize,
    new: Population,
    base: Population,
}

impl Sample {
    /// Whether it belongs to a difference's base, which counts negative.
    pub fn is_base(&self) -> bool {
        self.labels.iter().any(is_base)
    }
}

fn is_base(label: &Label) -> bool {
    let is_true = matches!(&label.value, LabelValue::Text(text) if &**text == "true");
    is_true && &*label.key == Profile::BASE_LABEL
}

#[cfg(test)]
mod tests {
    use crate::testing::example::profile;
    use crate::{Estimate, Filter, Profile};

    const BASE: &str = "
        main / cache = 100000 8000000 100000 8000000 bytes=80
        main / log = 100000 8000000 50000 4000000 bytes=80";
    const LATER: &str = "
        main / cache = 200000 16000000 200000 16000000 bytes=80
        main / log = 100000 8000000 50000 4000000 bytes=80";
    const OTHER: &str = "
        main / cache = 200000 16000000 200000 16000000 bytes=80
        main / log = 50000 4000000 50000 4000000 bytes=80";

    /// Standard errors of cache and log, in samples of 512 KiB.
    fn errors(new: &str, base: &str, column: usize) -> Vec<f64> {
        let kept = profile(new, 0x3000).diff_keeping_base(&profile(base, 0));
        let estimates = kept
            .unwrap()
            .sample_type_at(column)
            .unwrap()
            .estimates()
            .unwrap();
        let (of_new, of_base) = estimates.split_at(2);
        assert!(of_base.iter().all(|e| *e == Estimate::default()));
        let in_samples = |e: &Estimate| (e.standard_error / 524_288.0).powi(2);
        of_new.iter().map(in_samples).collect()
    }

    fn near(found: &[f64], samples_of: [f64; 2]) {
        for (found, bytes) in found.iter().zip(samples_of) {
            let expected = bytes / 524_288.0;
            assert!((found - expected).abs() < 0.01, "{found} for {expected}");
        }
    }

    #[test]
    fn blocks_that_stay_cancel_in_either_order_of_the_profiles() {
        near(&errors(LATER, BASE, 3), [8e6, 0.0]);
        near(&errors(LATER, BASE, 1), [8e6, 0.0]);
        near(&errors(BASE, LATER, 3), [8e6, 0.0]);
        let turned = profile(BASE, 0)
            .diff_keeping_base(&profile(LATER, 0))
            .unwrap();
        assert_eq!(
            turned.sample_type_at(3).unwrap().estimates().unwrap()[0].value,
            -8e6
        );
        assert_eq!(
            turned.sample_type_at(2).unwrap().estimates().unwrap()[0].value,
            -1e5
        );
    }

    #[test]
    fn in_two_processes_nothing_cancels() {
        // More of the cache was allocated, and less of the log.
        near(&errors(OTHER, BASE, 3), [24e6, 8e6]);
        near(&errors(OTHER, BASE, 1), [24e6, 12e6]);
    }

    /// A filter may take out the values that show another process, but not the statement.
    #[test]
    fn two_processes_are_recognized_by_their_comments() {
        let told = |starts: [&str; 2]| {
            let [mut new, mut base] = [profile(LATER, 0x3000), profile(BASE, 0)];
            for (profile, start) in [&mut new, &mut base].into_iter().zip(starts) {
                let comment = format!("#heaptide process: pid=1 start={start}");
                profile.comments.push(comment.into());
            }
            let of_cache = Filter::default().focus(|name| name.contains("cache"));
            let part = |profile: &Profile| profile.filter(&of_cache).profile;
            let kept = part(&new).diff_keeping_base(&part(&base)).unwrap();
            let error = kept.sample_type_at(3).unwrap().estimates().unwrap()[0].standard_error;
            [(error / 524_288.0).powi(2)]
        };
        near(&told(["1700000000.12", "1700000000.12"]), [8e6, 0.0]);
        near(&told(["1700000000.12", "1700000000.13"]), [24e6, 0.0]);
    }

    /// Of 20 MB that were allocated for the cache, one stayed. Or all of them stayed, and 19 others
    /// went.
    #[test]
    fn a_difference_without_its_base_counts_all_possible_changes() {
        let new = "
            main / cache = 350000 28000000 112500 9000000 bytes=80
            main / log = 100000 8000000 37500 3000000 bytes=80";
        let difference = profile(new, 0).diff(&profile(BASE, 0)).unwrap();
        for column in [2, 3] {
            let estimates = difference
                .sample_type_at(column)
                .unwrap()
                .estimates()
                .unwrap();
            let unit = if column == 2 { 80.0 } else { 1.0 };
            let in_samples = |e: &Estimate| (e.standard_error * unit / 524_288.0).powi(2);
            let found: Vec<f64> = estimates.iter().map(in_samples).collect();
            near(&found, [39e6, 1e6]);
            let alone = |at: usize| {
                difference
                    .sample_type_at(column)
                    .unwrap()
                    .estimate(&difference.samples[at])
            };
            assert_eq!(estimates, [alone(0).unwrap(), alone(1).unwrap()]);
        }
        assert_eq!(
            difference.sample_type_at(3).unwrap().estimates().unwrap()[0].value,
            1e6
        );
    }

    /// If nothing fell, or a filter left nothing that fell, no value shows a difference.
    #[test]
    fn a_difference_is_recognized_by_its_comment() {
        let new = "
            main / cache = 350000 28000000 112500 9000000 bytes=80
            main / log = 100000 8000000 37500 3000000 bytes=80";
        let difference = profile(new, 0).diff(&profile(BASE, 0)).unwrap();
        let of_cache = Filter::default().focus(|name| name.contains("cache"));
        let part = difference.filter(&of_cache).profile;
        let all = difference.sample_type_at(3).unwrap().estimates().unwrap();
        assert_eq!(
            part.sample_type_at(3).unwrap().estimates().unwrap(),
            all[..1]
        );
        // A sum of differences is still a difference.
        let twice = Profile::merge(&[&part, &part]).unwrap();
        let ratio = twice.sample_type_at(3).unwrap().estimates().unwrap()[0].standard_error
            / all[0].standard_error;
        assert!((ratio * ratio - 2.0).abs() < 1e-9, "{ratio}");
    }

    #[test]
    fn without_a_base_each_sample_has_its_own_estimate() {
        let profile: Profile = profile(LATER, 0);
        let estimates = profile.sample_type_at(3).unwrap().estimates().unwrap();
        let alone = |at: usize| {
            profile
                .sample_type_at(3)
                .unwrap()
                .estimate(&profile.samples[at])
                .unwrap()
        };
        assert_eq!(estimates, [alone(0), alone(1)]);
        assert!(profile.sample_type_at(4).unwrap_err().is_mismatch());
    }
}
