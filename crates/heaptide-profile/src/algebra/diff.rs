//! Differences of profiles: how much each sample grew or shrank since the base.
//!
//! A difference is a sum in which the base counts negative. `merge` says which samples cancel.
//! `estimates` says how sure a difference is.

use std::sync::Arc;

use super::{
    header,
    period::with_period,
    sum::{Sum, Term},
};
use crate::Profile;
use crate::Result;

impl Profile {
    /// This profile less `base`, sample by sample. [`merge`](Self::merge) says which samples are
    /// the same.
    ///
    /// - Values are negative where `base` has more. Samples that do not differ are dropped, so
    ///   `a.diff(&a)` has none.
    /// - The header is that of the merge of both. So the time is the earlier one, and durations are
    ///   added. A caller that makes a delta over a time span sets both.
    /// - The comment `#heaptide difference` tells [`estimates`](crate::SampleType::estimates) that
    ///   live values are growths.
    /// - For heaps that were sampled at different intervals, the period is that of this profile.
    ///   Samples that were drawn at another interval have the label `sample_interval`. So a block
    ///   that was there before the interval changed cancels.
    ///
    /// # Errors
    ///
    /// Those of [`merge`](Self::merge).
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
    /// let (before, after) = (profile(42), profile(40));
    /// assert_eq!(after.diff(&before)?.samples[0].values, [-2]);
    /// assert!(after.diff(&after)?.samples.is_empty());
    /// # Ok::<(), heaptide_profile::Error>(())
    /// ```
    pub fn diff(&self, base: &Profile) -> Result<Profile> {
        let mut difference = self.less(base, Term::Minus)?;
        let says_so = |comment: &Arc<str>| &**comment == Self::DIFFERENCE;
        if !difference.comments.iter().any(says_so) {
            difference.comments.push(Self::DIFFERENCE.into());
        }
        Ok(difference)
    }

    /// This profile less `base`, with the samples of `base` kept separate, as `pprof -diff_base`
    /// does it.
    ///
    /// They have the label `pprof::base` with the text `true`.
    ///
    /// The sums are those of [`diff`](Self::diff). The label still tells how much the base had, and
    /// reports give a growth as a share of that. `pprof` opens such a profile as a diff.
    ///
    /// # Errors
    ///
    /// Those of [`merge`](Self::merge).
    pub fn diff_keeping_base(&self, base: &Profile) -> Result<Profile> {
        self.less(base, Term::Base)
    }

    fn less(&self, base: &Profile, term: Term) -> Result<Profile> {
        let base = with_period(base, self.period);
        let mut sum = Sum::new(header::combine(&[self, &base])?);
        sum.add(self, Term::Plus)?;
        sum.add(&base, term)?;
        sum.finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{LabelValue, testing::example::profile};

    /// The content of a profile, whatever the order of its entries and their ids.
    fn content(profile: &Profile) -> Vec<(Vec<String>, Vec<i64>)> {
        let mut content: Vec<_> = profile
            .samples
            .iter()
            .map(|sample| {
                let frames = profile.frames(sample).map(|frame| {
                    let mapping = frame.location.mapping.expect("every example is mapped");
                    let mapping = &profile.mappings[mapping.index()];
                    let offset = frame.location.address - mapping.start;
                    let name = frame.function.map_or("", |f| &f.name);
                    format!("{}+{offset:#x} {name}:{}", mapping.file, frame.line)
                });
                let mut identity: Vec<String> = frames.collect();
                identity.extend(sample.labels.iter().map(|label| format!("{label:?}")));
                (identity, sample.values.clone())
            })
            .collect();
        content.sort();
        content
    }

    fn sum(profiles: &[&Profile]) -> Profile {
        Profile::merge(profiles).expect("the examples fit together")
    }

    const BEFORE: &str = "
        main / run / grow // push = 4 400 2 200 bytes=100
        main / run / libz.so!inflate = 1 64 1 64
        main / 0x40 = 1 16 1 16";
    const AFTER: &str = "
        main / 0x40 = 1 16 1 16
        main / run / grow // push = 9 900 5 500 bytes=100
        main / stop = 1 1 1 1";

    #[test]
    fn aslr_shifted_copies_cancel() {
        let (a, b) = (profile(BEFORE, 0), profile(BEFORE, 0x7_3000));
        assert_ne!(a, b);
        let diff = a.diff(&b).expect("the same program");
        assert_eq!(diff.samples, []);
        assert_eq!((diff.locations.len(), diff.functions.len()), (0, 0));
        assert_eq!(diff.mappings, a.mappings[..1]);
        let doubled = sum(&[&a, &b]);
        assert_eq!(doubled.locations, sum(&[&a]).locations);
        assert_eq!(doubled.samples[0].values, [8, 800, 4, 400]);
    }

    #[test]
    fn another_binary_does_not_cancel() {
        let a = profile(BEFORE, 0);
        let change: [fn(&mut Profile); 4] = [
            |p| p.mappings[0].build_id = "other".into(),
            |p| p.mappings[0].file_offset = 0x1000,
            |p| p.mappings[0].limit += 0x1000,
            |p| p.locations[0].is_folded = true,
        ];
        for change in change {
            let mut b = a.clone();
            change(&mut b);
            let diff = a.diff(&b).expect("types match");
            assert_eq!(diff.samples.len(), 6);
        }
        let mut b = a.clone();
        b.mappings[0].limit -= 1; // rounds to the same pages
        assert_eq!(a.diff(&b).expect("types match").samples, []);
    }

    #[test]
    fn differences_have_signs() {
        let diff = profile(AFTER, 0x1000)
            .diff(&profile(BEFORE, 0))
            .expect("types match");
        let values: Vec<&[i64]> = diff.samples.iter().map(|s| &*s.values).collect();
        assert_eq!(values, [[5, 500, 3, 300], [1, 1, 1, 1], [-1, -64, -1, -64]]);
    }

    #[test]
    fn samples_from_before_an_interval_change_cancel() {
        let numbered = |text: &str, period| {
            let mut profile = profile(text, 0);
            profile.period = period;
            for label in profile.samples.iter_mut().flat_map(|s| &mut s.labels) {
                if let LabelValue::Number { unit, .. } = &mut label.value {
                    *unit = "bytes".into();
                }
            }
            profile
        };
        let before = numbered(
            "main / a = 4 400 2 200 bytes=100\n main / b = 1 1 1 1 bytes=1 sample_interval=64",
            512,
        );
        let after = numbered(
            "main / a = 4 400 2 200 bytes=100 sample_interval=512\n main / b = 3 3 2 2 bytes=1",
            64,
        );
        for (after, before, expected, period) in [
            (&after, &before, [2, 2, 1, 1], 64),
            (&before, &after, [-2, -2, -1, -1], 512),
        ] {
            let diff = after.diff(before).expect("types match");
            let values: Vec<&[i64]> = diff.samples.iter().map(|s| &*s.values).collect();
            assert_eq!((values, diff.period), (vec![&expected[..]], period));
        }
    }

    #[test]
    fn a_kept_base_is_labeled() {
        let (a, b) = (profile(AFTER, 0), profile(BEFORE, 0));
        let kept = a.diff_keeping_base(&b).expect("types match");
        assert_eq!(kept.samples.len(), 6);
        let is_base = |s: &crate::Sample| s.labels.iter().any(|l| &*l.key == "pprof::base");
        let (base, new): (Vec<_>, Vec<_>) = kept.samples.iter().partition(|s| is_base(s));
        assert!(new.iter().all(|s| s.values.iter().all(|&v| v > 0)));
        assert!(base.iter().all(|s| s.values.iter().all(|&v| v < 0)));
        let again = kept.diff_keeping_base(&kept).expect("types match");
        let labels =
            |s: &crate::Sample| s.labels.iter().filter(|l| &*l.key == "pprof::base").count();
        assert!(again.samples.iter().all(|s| labels(s) <= 1));
    }

    #[test]
    fn label_keys_have_no_order_but_the_values_of_a_key_do() {
        let a = profile("main = 1 1 1 1 tenant=x bytes=64", 0);
        let same = profile("main = 1 1 1 1 bytes=64 tenant=x", 0);
        let other = profile("main = 1 1 1 1 tenant=y bytes=64", 0);
        assert_eq!(sum(&[&a, &same]).samples.len(), 1);
        assert_eq!(sum(&[&a, &other]).samples.len(), 2);
        let (xy, yx) = (
            profile("main = 1 1 1 1 k=x k=y", 0),
            profile("main = 1 1 1 1 k=y k=x", 0),
        );
        assert_eq!(sum(&[&xy, &yx]).samples.len(), 2);
    }

    #[test]
    fn damaged_profiles_are_errors() {
        let good = profile(BEFORE, 0);
        let damage: [fn(&mut Profile); 5] = [
            |p| p.locations.truncate(1),
            |p| p.functions.clear(),
            |p| p.mappings.truncate(1),
            |p| p.samples[0].values.truncate(3),
            |p| p.samples[0].values[1] = i64::MAX,
        ];
        for damage in damage {
            let mut bad = good.clone();
            damage(&mut bad);
            let error = Profile::merge(&[&good, &bad]).expect_err("damaged");
            assert!(error.is_malformed(), "{error}");
        }
    }

    fn arbitrary() -> impl Strategy<Value = Profile> {
        const STACKS: [&str; 6] = [
            "main",
            "main / a",
            "main / a // b",
            "main / b / libz.so!a",
            "main / 0x40",
            "main / a / a",
        ];
        let sample = (0..STACKS.len(), -2..3_i64, -2..3_i64, 0..3_i64);
        let samples = prop::collection::vec(sample, 0..8);
        (samples, 0..4_u64).prop_map(|(samples, pages)| {
            let line = |(stack, x, y, bytes): (usize, i64, i64, i64)| {
                format!("{} = 0 {x} 0 {y} bytes={bytes}\n", STACKS[stack])
            };
            let text: String = samples.into_iter().map(line).collect();
            profile(&text, pages * 0x1000)
        })
    }

    proptest! {
        #[test]
        fn a_minus_a_is_empty(a in arbitrary()) {
            prop_assert_eq!(content(&a.diff(&a).expect("same types")), []);
        }

        #[test]
        fn a_difference_undoes_a_merge(a in arbitrary(), b in arbitrary()) {
            let back = sum(&[&a, &b]).diff(&b).expect("same types");
            prop_assert_eq!(content(&back), content(&sum(&[&a])));
        }

        #[test]
        fn merging_is_associative(a in arbitrary(), b in arbitrary(), c in arbitrary()) {
            let all = content(&sum(&[&a, &b, &c]));
            prop_assert_eq!(&content(&sum(&[&sum(&[&a, &b]), &c])), &all);
            prop_assert_eq!(&content(&sum(&[&a, &sum(&[&b, &c])])), &all);
        }

        #[test]
        fn merging_keeps_totals_and_drops_zeros(a in arbitrary(), b in arbitrary()) {
            let total = |p: &Profile| p.samples.iter().map(|s| s.values[3]).sum::<i64>();
            let merged = sum(&[&a, &b]);
            prop_assert_eq!(total(&merged), total(&a) + total(&b));
            prop_assert!(merged.samples.iter().all(|s| s.values.iter().any(|&v| v != 0)));
        }
    }
}
