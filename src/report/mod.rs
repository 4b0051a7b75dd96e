//! Answers for people, from any profile: who holds the memory, and what has changed.
//!
//! A report is computed once as plain data ([`Top`], [`Diff`], [`Folded`]) and then written as text with
//! the choices of [`Text`], or drawn. Reports return values; nothing here prints, reads files or knows
//! where a profile came from.

mod diff;
#[cfg(feature = "flamegraph")]
mod flamegraph;
mod folded;
mod header;
mod json;
mod names;
mod tally;
mod text;
mod top;
mod unit;
mod value;
mod view;

pub use diff::Diff;
#[cfg(feature = "flamegraph")]
pub use flamegraph::{write_diff_flamegraph, write_flamegraph};
pub use folded::{Folded, folded};
pub use names::shorten;
pub use text::Text;
pub use top::{Change, Inlined, RowEstimates, Top, TopRow, total};
pub use unit::Unit;
pub use view::{Granularity, View};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Diff, Text, Top, folded};
    use crate::profile::{Profile, arbitrary};

    /// What a terminal would act upon.
    fn commands(text: &str) -> Option<char> {
        text.chars().find(|&c| c.is_control() && c != '\n')
    }

    /// Draws the profile; without a negative value there is nothing but a picture or a refusal.
    fn draw(profile: &Profile, index: usize) {
        #[cfg(feature = "flamegraph")]
        if let Err(error) = super::write_flamegraph(profile, index, std::io::sink()) {
            assert!(error.is_mismatch(), "{error}");
        }
        let _ = (profile, index);
    }

    proptest! {
        /// A profile is foreign input: every valid one gives a report or an error.
        #[test]
        fn any_valid_profile_can_be_reported(mut profile in arbitrary::profile()) {
            for index in 0..profile.sample_types.len() {
                let top = Top::new(&profile, index)?;
                prop_assert!(folded(&profile, index)?.iter().all(|(_, value)| value != 0));
                draw(&profile, index);
                let texts = [
                    top.text(&Text::default().rows(0)),
                    top.text(&Text::default().exact_numbers().short_names()),
                ];
                for text in texts {
                    prop_assert_eq!(commands(&text), None, "{}", text);
                }
            }
            for value in profile.samples.iter_mut().flat_map(|s| &mut s.values) {
                *value = value.saturating_abs();
            }
            for index in 0..profile.sample_types.len() {
                draw(&profile, index);
            }
        }

        #[test]
        fn any_two_valid_profiles_can_be_compared(
            base in arbitrary::profile(),
            mut new in arbitrary::profile(),
        ) {
            new.sample_types.clone_from(&base.sample_types);
            new.period_type.clone_from(&base.period_type);
            for sample in &mut new.samples {
                sample.values.resize(base.sample_types.len(), i64::MIN);
            }
            if base.sample_types.is_empty() {
                new.samples.clear();
            }
            for index in 0..base.sample_types.len() {
                match Diff::new(&base, &new, index) {
                    Ok(diff) => {
                        let text = diff.text(&Text::default().rows(0));
                        prop_assert_eq!(commands(&text), None, "{}", text);
                    }
                    Err(error) => prop_assert!(error.is_malformed(), "{}", error),
                }
            }
        }
    }
}
