//! Reports for people, from any profile: who holds the memory, and what has changed.
//!
//! A report is computed once as plain data: [`Top`], [`Diff`], [`CallGraph`], [`Traces`],
//! [`Listing`] or [`Folded`]. Then it is drawn, or written as text with the choices of [`Text`].
//! Reports return values. Nothing here prints, reads files or knows where a profile came from.

mod aligned;
mod column;
mod diff;
#[cfg(feature = "flamegraph")]
mod flamegraph;
mod folded;
mod graph;
mod header;
mod json;
mod limits;
mod listed;
mod listing;
mod names;
mod places;
mod routine;
mod rows;
mod table;
mod tally;
mod text;
mod top;
mod traces;
mod tree;
mod unit;
mod value;
mod view;

#[doc(hidden)]
pub use column::ReportColumn;
pub use diff::Diff;
#[cfg(feature = "flamegraph")]
pub use flamegraph::{write_diff_flamegraph, write_flamegraph};
pub use folded::{Folded, folded};
pub use graph::{Call, CallGraph, Dropped, GraphNode};
pub use limits::GraphLimits;
pub use listing::Listing;
pub use names::shorten;
#[doc(hidden)]
pub use places::{address_name, clean};
pub use routine::{ListedLine, Routine};
pub use text::Text;
pub use top::{Change, Inlined, RowEstimates, Top, TopRow, total};
pub use traces::{Trace, TraceFrame, TraceLabel, Traces};
pub use unit::Unit;
pub use view::{Granularity, View};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        CallGraph, Diff, Granularity, GraphLimits, Listing, Text, Top, Traces, View, folded,
    };
    use crate::{Profile, testing::arbitrary};

    /// A character that a terminal would obey.
    fn commands(text: &str) -> Option<char> {
        text.chars().find(|&c| c.is_control() && c != '\n')
    }

    /// Draws the profile. Without a negative value the result is a picture or a refusal.
    fn draw(profile: &Profile, index: usize) {
        #[cfg(feature = "flamegraph")]
        if let Err(error) =
            super::write_flamegraph(profile.sample_type_at(index).unwrap(), std::io::sink())
        {
            assert!(error.is_mismatch(), "{error}");
        }
        let _ = (profile, index);
    }

    proptest! {
        /// A profile is foreign input: every valid one gives a report or an error.
        #[test]
        fn any_valid_profile_can_be_reported(mut profile in arbitrary::profile()) {
            for index in 0..profile.sample_types.len() {
                let top = Top::new(profile.sample_type_at(index)?);
                let stacks = folded(profile.sample_type_at(index)?)?;
                prop_assert!(stacks.iter().all(|(_, value)| value != 0));
                draw(&profile, index);
                let graph = CallGraph::new(profile.sample_type_at(index)?)?;
                let lines = View::default().granularity(Granularity::Lines).by_cum();
                let few = GraphLimits::default().nodes(2).node_share(0.1).call_share(0.1);
                let part = CallGraph::with(profile.sample_type_at(index)?, &lines, &few)?;
                let traces = Traces::new(profile.sample_type_at(index)?);
                let source = |file: &str| match file.len() {
                    0..8 => Ok(format!("{file}\n\t\u{1b}[2J")),
                    _ => Err(format!("\r{file}")),
                };
                let sample_type = profile.sample_type_at(index)?;
                let listing = Listing::new(sample_type, &lines, |_| true, source);
                // Each table has the rows of the same functions.
                prop_assert_eq!(graph.nodes.len(), top.rows.len());
                for (node, row) in graph.nodes.iter().zip(&top.rows) {
                    prop_assert_eq!((&node.row.name, node.row.flat), (&row.name, row.flat));
                    let calls = node.callers.iter().chain(&node.callees);
                    prop_assert!(calls.into_iter().all(|call| call.value != 0));
                }
                prop_assert!(part.nodes.len() <= 2);
                prop_assert_eq!(traces.traces.len(), profile.samples.len());
                let texts = [
                    top.text(&Text::default().rows(0)),
                    top.text(&Text::default().exact_numbers().short_names()),
                    graph.text(&Text::default()),
                    part.text(&Text::default().short_names()),
                    traces.text(&Text::default()),
                    listing.text(&Text::default()),
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
                match Diff::new(&base, new.sample_type_at(index)?) {
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
