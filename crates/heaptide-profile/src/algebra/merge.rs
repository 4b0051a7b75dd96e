//! Sums of profiles: the public face and the rules of the algebra.
//!
//! The rules are those of `pprof`, so a sum made here equals one made by `go tool pprof`. One thing
//! differs: the sample intervals of heaps, since `pprof` forgets all but one. `sum` does the work,
//! for this and for `diff`.

use std::{borrow::Cow, collections::HashSet, fmt, sync::Arc};

use super::{
    header,
    period::with_period,
    sum::{Sum, Term},
};
use crate::Profile;
use crate::{Error, Result};

/// A sum of profiles that are added one by one, by the rules of [`Profile::merge`].
///
/// It does not keep the profiles. Memory grows with the number of different samples.
///
/// ```
/// use heaptide_profile::{Merge, Profile, Sample, ValueType};
///
/// let mut merge = Merge::default();
/// for bytes in [40, 2] {
///     merge.add(&Profile {
///         sample_types: vec![ValueType::new("inuse_space", "bytes")],
///         samples: vec![Sample { values: vec![bytes], ..Sample::default() }],
///         ..Profile::default()
///     })?;
/// }
/// assert_eq!(merge.finish()?.samples[0].values, [42]);
/// # Ok::<(), heaptide_profile::Error>(())
/// ```
#[derive(Default)]
pub struct Merge {
    sum: Option<Sum>,
    /// Separate from the sum's header. Each process has a comment of its own, and a search through
    /// all of them for each profile would take time with the square of their number.
    comments: Vec<Arc<str>>,
    known: HashSet<Arc<str>>,
}

impl Merge {
    /// Adds a profile.
    ///
    /// # Errors
    ///
    /// Those of [`Profile::merge`]. After an error the sum may contain a part of the profile, so
    /// it must be dropped.
    pub fn add(&mut self, profile: &Profile) -> Result<()> {
        let mut header = match &self.sum {
            Some(sum) => header::combine(&[sum.header(), profile])?,
            None => header::combine(&[profile])?,
        };
        for comment in header.comments.drain(..) {
            if self.known.insert(Arc::clone(&comment)) {
                self.comments.push(comment);
            }
        }
        let profile = with_period(profile, header.period);
        let sum = match &mut self.sum {
            Some(sum) => {
                if let Cow::Owned(so_far) = with_period(sum.header(), header.period) {
                    // The period has risen. The samples in the sum were drawn at other intervals,
                    // and have other labels now. So the sum starts again. This happens at most
                    // once for each interval, since each is larger than the last.
                    *sum = Sum::new(header);
                    sum.add(&so_far, Term::Plus)?;
                } else {
                    sum.set_header(header);
                }
                sum
            }
            none => none.insert(Sum::new(header)),
        };
        sum.add(&profile, Term::Plus)
    }

    /// The sum.
    ///
    /// # Errors
    ///
    /// A mismatch if no profile was added.
    pub fn finish(self) -> Result<Profile> {
        let nothing = || Error::mismatch("there is no profile to merge");
        let sum = self.sum.ok_or_else(nothing)?.finish()?;
        Ok(Profile {
            comments: self.comments,
            ..sum
        })
    }
}

impl fmt::Debug for Merge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let samples = self.sum.as_ref().map(|sum| sum.header().samples.len());
        f.debug_struct("Merge").field("samples", &samples).finish()
    }
}

impl Profile {
    /// The text label that marks the samples of a diff's base for `pprof`; its value is `true`.
    pub(crate) const BASE_LABEL: &str = "pprof::base";

    /// Adds profiles up: the values of equal samples are summed, and only what samples use is kept.
    ///
    /// - Two samples are equal if their locations and labels are. Labels of different keys may be
    ///   in any order.
    /// - Two locations are equal if their mappings, their distance from the mapping's start, their
    ///   lines and their folding are.
    /// - Two mappings are equal if their sizes, rounded up to 4 KiB, their file offsets and their
    ///   build ids are. Without a build id the file name counts.
    ///
    /// So the same program under another address layout lines up. The sum has the addresses of the
    /// first profile that knows the mapping.
    ///
    /// Samples whose values are all zero are dropped. A mapping that no sample uses is dropped,
    /// unless it is the main executable: the first mapping of the first profile that has any. So
    /// the merge of one profile compacts it.
    ///
    /// The header is made as `pprof` makes it:
    ///
    /// - the greatest period, the sum of the durations, and the earliest time, not counting
    ///   profiles without a time;
    /// - the comments of all without repeats, and the first default sample type that is not empty;
    /// - the frame filters and the documentation address of the first profile.
    ///
    /// Heaps may be sampled at different intervals. Samples that were drawn at another interval
    /// than the period of the sum have the label `sample_interval`, and so the right errors. In a
    /// sum made by `pprof` only the greatest interval is known. A heap that states no interval is
    /// taken to have that of the sum.
    ///
    /// Merging is associative: `(a + b) + c` and `a + (b + c)` have the same samples and the same
    /// header, except for what the first profile decides. Samples are in the order of first
    /// appearance, so their order may differ if samples cancel.
    ///
    /// # Errors
    ///
    /// A mismatch if there is no profile, or if period types or sample types differ. Malformed if a
    /// profile refers to something that it does not have, or if a sum does not fit into 64 bits.
    ///
    /// # Examples
    ///
    /// ```
    /// use heaptide_profile::{Profile, Sample, ValueType};
    ///
    /// let profile = |bytes| Profile {
    ///     sample_types: vec![ValueType::new("inuse_space", "bytes")],
    ///     samples: vec![Sample { values: vec![bytes], ..Sample::default() }],
    ///     ..Profile::default()
    /// };
    /// let both = Profile::merge(&[&profile(40), &profile(2)])?;
    /// assert_eq!(both.samples.len(), 1);
    /// assert_eq!(both.samples[0].values, [42]);
    /// # Ok::<(), heaptide_profile::Error>(())
    /// ```
    pub fn merge(profiles: &[&Profile]) -> Result<Profile> {
        let header = header::combine(profiles)?;
        let period = header.period;
        let mut sum = Sum::new(header);
        for profile in profiles {
            sum.add(&with_period(profile, period), Term::Plus)?;
        }
        sum.finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::example;
    use crate::{Estimate, Label, LabelValue, testing::arbitrary};
    use std::collections::BTreeMap;

    const INTERVALS: [i64; 3] = [64, 512, 4096];

    fn one_by_one(profiles: &[&Profile]) -> Profile {
        let mut merge = Merge::default();
        for profile in profiles {
            merge.add(profile).unwrap();
        }
        merge.finish().unwrap()
    }

    #[test]
    fn a_sum_of_heaps_with_different_intervals_keeps_their_errors() {
        let heap = |period| Profile {
            period,
            ..example::profile("main / run = 2000 2000000 2000 2000000 bytes=1000", 0)
        };
        let (coarse, fine) = (heap(512 * 1024), heap(4096));
        let total = |profile: &Profile| -> Estimate {
            profile
                .sample_type_at(3)
                .unwrap()
                .estimates()
                .unwrap()
                .into_iter()
                .sum()
        };
        let apart = total(&coarse) + total(&fine);
        for order in [[&coarse, &fine], [&fine, &coarse]] {
            for sum in [Profile::merge(&order).unwrap(), one_by_one(&order)] {
                assert_eq!((sum.period, sum.samples.len()), (512 * 1024, 2));
                let ratio = total(&sum).standard_error / apart.standard_error;
                assert!((ratio - 1.0).abs() < 1e-9, "{ratio}");
            }
        }
    }

    /// Heaps of different intervals, each with samples of one object. The objects were drawn at
    /// their heap's interval or, by their label, at one of three.
    fn heaps() -> impl Strategy<Value = Vec<Profile>> {
        let samples = proptest::collection::vec((0..3_usize, 0..6_usize), 0..6);
        let heap = (0..INTERVALS.len(), samples).prop_map(|(period, samples)| {
            let line = |(stack, _): &(usize, usize)| format!("main / f{stack} = 1 8 1 8 bytes=8\n");
            let mut heap = example::profile(&samples.iter().map(line).collect::<String>(), 0);
            heap.period = INTERVALS[period];
            for (sample, (_, drawn)) in heap.samples.iter_mut().zip(samples) {
                if let Some(&value) = INTERVALS.get(drawn) {
                    sample.labels.push(Label {
                        key: "sample_interval".into(),
                        value: LabelValue::Number {
                            value,
                            unit: "bytes".into(),
                        },
                    });
                }
            }
            heap
        });
        proptest::collection::vec(heap, 1..5)
    }

    /// The number of objects by stack and by the interval at which they were drawn.
    fn drawn(profiles: &[&Profile]) -> BTreeMap<(String, i64), i64> {
        let mut drawn = BTreeMap::new();
        for profile in profiles {
            for sample in &profile.samples {
                let name = profile.frames(sample).next().unwrap().function.unwrap();
                let population = profile.population(sample).unwrap();
                let key = (name.name.to_string(), population.interval_bytes);
                *drawn.entry(key).or_default() += population.alloc_objects;
            }
        }
        drawn
    }

    proptest! {
        #[test]
        fn each_sample_keeps_the_interval_it_was_drawn_at(heaps in heaps()) {
            let heaps: Vec<&Profile> = heaps.iter().collect();
            let sum = Profile::merge(&heaps).unwrap();
            prop_assert_eq!(drawn(&[&sum]), drawn(&heaps));
            prop_assert_eq!(one_by_one(&heaps), sum);
        }

        #[test]
        fn adding_one_by_one_equals_one_merge(
            mut profiles in proptest::collection::vec(arbitrary::profile(), 1..4),
        ) {
            let first = profiles[0].clone();
            for profile in &mut profiles {
                profile.sample_types.clone_from(&first.sample_types);
                profile.period_type.clone_from(&first.period_type);
                let count = first.sample_types.len();
                profile.samples.iter_mut().for_each(|sample| sample.values.resize(count, 1));
            }
            let all: Vec<&Profile> = profiles.iter().collect();
            let mut merge = Merge::default();
            let added: Result<()> = profiles.iter().try_for_each(|profile| merge.add(profile));
            match Profile::merge(&all) {
                Ok(expected) => {
                    prop_assert!(added.is_ok());
                    prop_assert_eq!(merge.finish().unwrap(), expected);
                }
                Err(expected) => {
                    let error = added.and_then(|()| merge.finish().map(drop)).unwrap_err();
                    prop_assert_eq!(error.to_string(), expected.to_string());
                }
            }
        }
    }

    #[test]
    fn empty_and_mismatched_sums_are_refused() {
        let error = Merge::default().finish().unwrap_err();
        assert_eq!(error.to_string(), "there is no profile to merge");
        let mut merge = Merge::default();
        merge.add(&Profile::default()).unwrap();
        let mut other = Profile::default();
        other
            .sample_types
            .push(crate::ValueType::new("cpu", "nanoseconds"));
        assert!(merge.add(&other).unwrap_err().is_mismatch());
    }
}
