//! Adding profiles up: the public face and the rules of the algebra.
//!
//! The rules are those of `pprof`, so that a sum made here and one made by `go tool pprof` are the same.
//! `sum` does the work, for this and for `diff`.

use super::{
    Profile, header,
    sum::{Sum, Term},
};
use crate::Result;

impl Profile {
    /// The text label, with the value `true`, by which `pprof` knows the samples of a diff's base.
    pub(crate) const BASE_LABEL: &str = "pprof::base";

    /// Adds profiles up: the values of equal samples are summed, and only what samples use is kept.
    ///
    /// Two samples are equal if their locations and their labels are; labels of different keys may be
    /// in any order. Two locations are equal if their mappings, their distance from the mapping's
    /// start, their lines and their folding are. Two mappings are equal if their sizes, rounded up to
    /// 4 KiB, their file offsets and their build ids (their file names, where they have none) are. So
    /// the same program under another address layout lines up, and the sum has the addresses of the
    /// first profile that knows the mapping.
    ///
    /// Samples whose values are all zero are dropped. Of the mappings that no sample uses only the
    /// main executable stays: the first mapping of the first profile that has any. Merging one profile
    /// therefore compacts it.
    ///
    /// The header is put together as `pprof` does it: the greatest period, the sum of the durations,
    /// the earliest time (profiles without a time do not count), the comments of all without repeats,
    /// the first default sample type that is not empty, and the frame filters and the documentation
    /// address of the first profile.
    ///
    /// Merging is associative: with `+` for it, `(a + b) + c` and `a + (b + c)` have the same header,
    /// apart from what the first profile decides, and the same samples. Their order is that of first
    /// appearance, so it may differ where samples cancel.
    ///
    /// # Errors
    ///
    /// A mismatch if there is no profile, or if period types or sample types differ; malformed if a
    /// profile refers to something it does not have, or if a sum does not fit into 64 bits.
    ///
    /// # Examples
    ///
    /// ```
    /// use heaptide::profile::{Profile, Sample, ValueType};
    ///
    /// let profile = |bytes| Profile {
    ///     sample_types: vec![ValueType::new("inuse_space", "bytes")],
    ///     samples: vec![Sample { values: vec![bytes], ..Sample::default() }],
    ///     ..Profile::default()
    /// };
    /// let both = Profile::merge(&[&profile(40), &profile(2)])?;
    /// assert_eq!(both.samples.len(), 1);
    /// assert_eq!(both.samples[0].values, [42]);
    /// # Ok::<(), heaptide::Error>(())
    /// ```
    pub fn merge(profiles: &[&Profile]) -> Result<Profile> {
        let mut sum = Sum::new(header::combine(profiles)?);
        for profile in profiles {
            sum.add(profile, Term::Plus)?;
        }
        sum.finish()
    }
}
