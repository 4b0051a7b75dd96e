//! Which profiles are refused, and that any valid profile can be judged.

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::kept;
use crate::Profile;
use crate::leak::find;
use crate::testing::arbitrary;
use crate::{LocationId, Sample};

#[test]
fn profiles_that_do_not_line_up_are_refused_by_number() {
    let refused = |profiles: &[Profile], part: &str| {
        let error = find(profiles).unwrap_err();
        assert!(
            error.is_mismatch() && error.to_string().contains(part),
            "{error}"
        );
    };
    let good = kept([10, 20, 30, 40, 50, 60, 70, 80, 90]);
    refused(&[], "given 0");
    refused(&good[..1], "given 1");
    let mut swapped = good.clone();
    swapped.swap(4, 5);
    refused(&swapped, "profile 6 is not later than profile 5");
    let mut delta = good.clone();
    delta[2].duration_nanos = 1_000_000_000;
    refused(&delta, "profile 3 is a delta over 1.0 s");
    let restarted = kept([10, 20, 30, 40, 50, 5, 70, 80, 90]);
    refused(
        &restarted[4..6],
        "needed, given 2; profile 2 is not of the same process as profile 1: what app::keep at \
         src/keep.rs ever allocated fell from 50.00 MiB to 5.00 MiB",
    );
    let mut unstated = good;
    unstated[0].period = 0;
    refused(&unstated, "sample interval");
}

/// Two hundred locations of a thousand lines each, on stacks of a thousand locations.
#[test]
fn stacks_with_too_many_inlined_frames_are_refused() {
    let mut profile = kept([10; 9]).swap_remove(0);
    let line = profile.locations[0].lines[0];
    profile.locations[0].lines = vec![line; 1000];
    let sample = profile.samples[0].clone();
    profile.samples = (1..=200)
        .map(|depth| Sample {
            locations: vec![LocationId::new(0).unwrap(); 1000 - depth],
            ..sample.clone()
        })
        .collect();
    let error = find(&[profile]).unwrap_err();
    assert!(error.is_too_large(), "{error}");
    assert!(error.to_string().contains("frames"), "{error}");
}

proptest! {
    /// Profiles are foreign input. Any heap profiles in time order are judged or refused, and the
    /// text is fit for a terminal.
    #[test]
    fn any_valid_profiles_can_be_judged(
        profiles in vec(arbitrary::profile(), 2..5),
        times in btree_set(any::<i64>(), 5),
    ) {
        let kinds = kept([0; 9])[0].sample_types.clone();
        let mut profiles = profiles;
        for (profile, time) in profiles.iter_mut().zip(times) {
            profile.sample_types.clone_from(&kinds);
            profile.duration_nanos = 0;
            profile.time_nanos = time;
            profile.period = profile.period.saturating_abs().max(1);
            for sample in &mut profile.samples {
                sample.values.resize(kinds.len(), 7);
            }
        }
        let same = profiles.iter().map(|p| Profile {
            time_nanos: p.time_nanos,
            ..profiles[0].clone()
        });
        let same: Vec<Profile> = same.collect();
        for profiles in [&profiles, &same] {
            match find(profiles) {
                Ok(verdict) => {
                    let text = format!("{verdict:#}");
                    let control = text.chars().find(|&c| c.is_control() && c != '\n');
                    prop_assert_eq!(control, None, "{}", text);
                    let json = verdict.to_json();
                    prop_assert!(!json.chars().any(char::is_control), "{}", json);
                }
                Err(error) => prop_assert!(error.is_mismatch(), "{}", error),
            }
        }
    }
}
