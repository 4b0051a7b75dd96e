//! The header of a sum of profiles, and the check that the profiles fit together.
//!
//! It is separate from the sums, so that the rules, which are `pprof`'s, are in one place. It does
//! not look at samples.

use std::{collections::HashSet, sync::Arc};

use crate::{Error, Result};
use crate::{Profile, ValueType};

/// The header of the sum of `profiles`, as a profile without samples and tables.
pub(super) fn combine(profiles: &[&Profile]) -> Result<Profile> {
    let Some((first, others)) = profiles.split_first() else {
        return Err(Error::mismatch("there is no profile to merge"));
    };
    for other in others {
        check_compatible(first, other)?;
    }
    let default = profiles.iter().map(|p| &p.default_sample_type);
    Ok(Profile {
        sample_types: first.sample_types.clone(),
        default_sample_type: default
            .into_iter()
            .find(|kind| !kind.is_empty())
            .cloned()
            .unwrap_or_default(),
        // `pprof` documents "the earliest nonzero one". Its code gives the time of a later profile
        // if one in between has none, which is not associative. This is the documented rule.
        time_nanos: profiles
            .iter()
            .map(|p| p.time_nanos)
            .filter(|&time| time != 0)
            .min()
            .unwrap_or(0),
        duration_nanos: profiles
            .iter()
            .fold(0, |sum: i64, p| sum.saturating_add(p.duration_nanos)),
        period_type: first.period_type.clone(),
        period: profiles.iter().map(|p| p.period).max().unwrap_or(0),
        comments: comments(profiles),
        drop_frames: Arc::clone(&first.drop_frames),
        keep_frames: Arc::clone(&first.keep_frames),
        doc_url: Arc::clone(&first.doc_url),
        ..Profile::default()
    })
}

fn check_compatible(first: &Profile, other: &Profile) -> Result<()> {
    if first.period_type != other.period_type {
        return Err(Error::mismatch(format!(
            "the profiles have different period types: {} and {}",
            list(first.period_type.as_slice()),
            list(other.period_type.as_slice())
        )));
    }
    if first.sample_types != other.sample_types {
        return Err(Error::mismatch(format!(
            "the profiles have different sample types: {} and {}",
            list(&first.sample_types),
            list(&other.sample_types)
        )));
    }
    Ok(())
}

/// Types as `[alloc_objects/count, alloc_space/bytes]`.
fn list(types: &[ValueType]) -> String {
    let types: Vec<String> = types
        .iter()
        .map(|t| format!("{}/{}", t.kind, t.unit))
        .collect();
    format!("[{}]", types.join(", "))
}

fn comments(profiles: &[&Profile]) -> Vec<Arc<str>> {
    let mut seen = HashSet::new();
    let all = profiles.iter().flat_map(|p| &p.comments);
    all.filter(|&comment| seen.insert(comment))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(time: i64, period: i64, comment: &str) -> Profile {
        Profile {
            sample_types: vec![ValueType::new("inuse_space", "bytes")],
            time_nanos: time,
            duration_nanos: 5,
            period_type: Some(ValueType::new("space", "bytes")),
            period,
            comments: vec!["all".into(), comment.into()],
            doc_url: comment.into(),
            ..Profile::default()
        }
    }

    #[test]
    fn header_follows_pprof() -> Result<()> {
        let (a, mut b, c) = (profile(7, 1, "a"), profile(0, 9, "b"), profile(8, 3, "a"));
        b.default_sample_type = "inuse_space".into();
        let sum = combine(&[&a, &b, &c])?;
        assert_eq!(sum.time_nanos, 7);
        assert_eq!(sum.duration_nanos, 15);
        assert_eq!(sum.period, 9);
        assert_eq!(sum.period_type, a.period_type);
        assert_eq!(sum.comments, ["all".into(), "a".into(), Arc::from("b")]);
        assert_eq!(&*sum.default_sample_type, "inuse_space");
        assert_eq!(&*sum.doc_url, "a");
        Ok(())
    }

    #[test]
    fn mismatch_names_both() {
        let a = profile(1, 1, "");
        let mut b = a.clone();
        b.sample_types
            .push(ValueType::new("inuse_objects", "count"));
        let error = combine(&[&a, &b]).unwrap_err();
        assert!(error.is_mismatch());
        assert_eq!(
            error.to_string(),
            "the profiles have different sample types: [inuse_space/bytes] and \
             [inuse_space/bytes, inuse_objects/count]"
        );
        let mut b = a.clone();
        b.period_type = None;
        let error = combine(&[&a, &b]).unwrap_err();
        assert!(error.is_mismatch());
        assert_eq!(
            error.to_string(),
            "the profiles have different period types: [space/bytes] and []"
        );
        assert!(combine(&[]).unwrap_err().is_mismatch());
    }
}
