//! Adding profiles up: the public face and the rules of the algebra.
//!
//! The rules are those of `pprof`, so that a sum made here and one made by `go tool pprof` are the
//! same, but for the sample intervals of heaps, of which `pprof` forgets all but one. `sum` does
//! the work, for this and for `diff`.

use std::{borrow::Cow, collections::HashSet, fmt, sync::Arc};

use super::{
    header,
    period::with_period,
    sum::{Sum, Term},
};
use crate::Profile;
use crate::{Error, Result};

/// A sum of profiles that are added one after the other, by the rules of [`Profile::merge`].
///
/// None of them is held: memory grows with the different samples there are, not with the profiles.
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
    /// Apart from the sum's header: each process has one of its own, and looking through all of
    /// them for each profile would take the square of their number.
    comments: Vec<Arc<str>>,
    known: HashSet<Arc<str>>,
}

impl Merge {
    /// Adds a profile.
    ///
    /// # Errors
    ///
    /// Those of [`Profile::merge`]. After one the sum may have a part of the profile: give it up.
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
                    // The period has risen. What is in the sum was drawn at others, and its samples
                    // have other labels now, so it is begun again: as often as there are intervals,
                    // each above the last.
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
    /// The text label, with the value `true`, by which `pprof` knows the samples of a diff's base.
    pub(crate) const BASE_LABEL: &str = "pprof::base";

    /// Adds profiles up: the values of equal samples are summed, and only what samples use is kept.
    ///
    /// Two samples are equal if their locations and their labels are; labels of different keys may
    /// be in any order. Two locations are equal if their mappings, their distance from the
    /// mapping's start, their lines and their folding are. Two mappings are equal if their sizes,
    /// rounded up to 4 KiB, their file offsets and their build ids (their file names, where they
    /// have none) are. So the same program under another address layout lines up, and the sum has
    /// the addresses of the first profile that knows the mapping.
    ///
    /// Samples whose values are all zero are dropped. Of the mappings that no sample uses only the
    /// main executable stays: the first mapping of the first profile that has any. Merging one
    /// profile therefore compacts it.
    ///
    /// The header is put together as `pprof` does it: the greatest period, the sum of the
    /// durations, the earliest time (profiles without a time do not count), the comments of all
    /// without repeats, the first default sample type that is not empty, and the frame filters and
    /// the documentation address of the first profile.
    ///
    /// Of heaps that were sampled at different intervals, samples that were drawn at another than
    /// that period have it in the label `sample_interval`, and so the right errors; of what `pprof`
    /// adds up only the greatest is known. A heap that tells no interval is taken to have that of
    /// the sum.
    ///
    /// Merging is associative: with `+` for it, `(a + b) + c` and `a + (b + c)` have the same
    /// header, apart from what the first profile decides, and the same samples. Their order is that
    /// of first appearance, so it may differ where samples cancel.
    ///
    /// # Errors
    ///
    /// A mismatch if there is no profile, or if period types or sample types differ; malformed if a
    /// profile refers to something it does not have, or if a sum does not fit into 64 bits.
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
    fn heaps_of_different_intervals_are_as_sure_together_as_apart() {
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

    /// Heaps of different intervals, each with samples of one object that were drawn at their
    /// heap's interval or, by their label, at one of three.
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

    /// How many objects there are by stack and by the interval they were drawn at.
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
        fn one_after_the_other_is_all_at_once(
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
    fn nothing_and_what_does_not_fit_are_refused() {
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
