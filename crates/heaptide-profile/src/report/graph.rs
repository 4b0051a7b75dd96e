//! The call graph: functions, their callers and callees, and the values of the calls.
//!
//! It counts as `go tool pprof` does, and leaves out small functions and small calls by the same
//! rules. `tree` writes it.

use std::{cmp::Reverse, sync::Arc};

use super::{
    column::ReportColumn,
    header::Header,
    limits::GraphLimits,
    places::Places,
    rows::Rows,
    tally::Tally,
    text::Text,
    top::{TopRow, total},
    view::{Granularity, View},
};
use crate::SampleType;
use crate::{Error, Estimate, Result, Sample, ValueType, text::units::clamp};

/// The functions of a profile, or its lines, each with its callers and callees.
///
/// The value of a call is the sum of the samples that have it on their stack. Each sample counts
/// once, however often the call recurs. A function that calls itself has no call to itself. The
/// `flat` and `cum` values of functions are those of [`Top`](super::Top).
///
/// # Examples
///
/// ```
/// use heaptide_profile::{Profile, report::{CallGraph, Text}};
///
/// # let profile = Profile {
/// #     sample_types: vec![heaptide_profile::ValueType::new("inuse_space", "bytes")],
/// #     ..Profile::default()
/// # };
/// let graph = CallGraph::new(profile.sample_type("inuse_space")?)?;
/// for node in &graph.nodes {
///     for caller in &node.callers {
///         println!("{} holds {} by {}", node.row.name, caller.value, caller.name);
///     }
/// }
/// print!("{}", graph.text(&Text::default()));
/// # assert!(graph.nodes.is_empty());
/// # Ok::<(), heaptide_profile::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CallGraph {
    /// What the numbers are.
    pub value_type: ValueType,
    /// What 100 percent is; see [`Top::total`](super::Top::total).
    pub total: i64,
    /// The sum of all samples with its error. `None` where no sampling error is known.
    pub estimate: Option<Estimate>,
    /// The functions, sorted as the rows of a [`Top`](super::Top).
    pub nodes: Vec<GraphNode>,
    /// What was left out.
    pub dropped: Dropped,
    pub(super) granularity: Granularity,
    pub(super) header: Header,
    pub(super) no_errors: Option<String>,
}

/// A function in a [`CallGraph`], or a line.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GraphNode {
    /// Its own numbers.
    pub row: TopRow,
    /// The calls to it, by falling size, then by the caller's name. Calls of value 0 are left out.
    pub callers: Vec<Call>,
    /// The calls from it, in the same order.
    pub callees: Vec<Call>,
}

/// A call, as one of its ends sees it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Call {
    /// The function at the other end.
    pub name: Arc<str>,
    /// The sum of the samples that have this call on their stack.
    pub value: i64,
    /// The value with its error; `None` where no sampling error is known.
    pub estimate: Option<Estimate>,
    /// Whether the compiler inlined the called function everywhere in this caller.
    pub is_inlined: bool,
    /// Whether functions that were left out lie between caller and callee on some stack.
    pub is_indirect: bool,
}

/// What was left out of a [`CallGraph`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The number of functions whose `cum` is below [`least_node`](Self::least_node).
    pub small_nodes: usize,
    /// The least `cum` of a function that was kept.
    pub least_node: i64,
    /// The number of functions beyond the limit of functions.
    pub nodes_beyond: usize,
    /// The number of calls below [`least_call`](Self::least_call) between functions that were kept.
    pub small_calls: usize,
    /// The least value of a call that was kept.
    pub least_call: i64,
}

impl CallGraph {
    /// All functions and calls by their values.
    ///
    /// # Errors
    ///
    /// None today. [`with`](Self::with) refuses some views.
    pub fn new(sample_type: SampleType<'_>) -> Result<Self> {
        Self::with(sample_type, &View::default(), &GraphLimits::default())
    }

    /// The same with a view, within limits.
    ///
    /// # Errors
    ///
    /// A mismatch if the view asks for whole stacks, which have no callers.
    pub fn with(sample_type: SampleType<'_>, view: &View, limits: &GraphLimits) -> Result<Self> {
        if view.granularity == Granularity::Stacks {
            return Err(Error::mismatch(
                "a call graph is of functions or of lines, not of stacks",
            ));
        }
        let profile = sample_type.profile();
        let column = ReportColumn::of(sample_type);
        let places = Places::named(profile, view.granularity);
        let rows = Rows {
            view: *view,
            has_errors: column.has_errors(),
            is_difference: profile.samples.iter().any(Sample::is_base),
        };
        let all = filled(Tally::new(&places.locations, places.keys.len()), &column);
        let mut nodes = rows.of_nodes(&all, &places.keys);
        let mut dropped = Dropped::default();
        let held = nodes.iter().map(|(_, row)| i128::from(row.flat)).sum();
        (dropped.least_node, dropped.least_call) = limits.least(clamp(held));
        let is_large = |row: &TopRow| row.cum.unsigned_abs() >= dropped.least_node.unsigned_abs();
        let found = nodes.len();
        nodes.retain(|(_, row)| is_large(row));
        dropped.small_nodes = found - nodes.len();
        if limits.nodes > 0 {
            dropped.nodes_beyond = nodes.len().saturating_sub(limits.nodes);
            nodes.truncate(limits.nodes);
        }
        // Functions whose values cancel are in no row. They stay on the way between others unless
        // calls are computed anew, as in `pprof`.
        let calls = if nodes.len() == found {
            Calls::of(&all)
        } else {
            let mut kept = vec![false; places.keys.len()];
            for (at, _) in &nodes {
                if let Some(is_kept) = kept.get_mut(*at) {
                    *is_kept = true;
                }
            }
            let again = Tally::new(&places.locations, places.keys.len()).keeping(&kept);
            Calls::of(&filled(again, &column))
        };
        dropped.small_calls = calls.count_below(dropped.least_call);
        let nodes = nodes.into_iter().map(|(at, row)| GraphNode {
            row,
            callers: calls.to(at, dropped.least_call, &places.keys, column.has_errors()),
            callees: calls.from(at, dropped.least_call, &places.keys, column.has_errors()),
        });
        Ok(Self {
            value_type: column.value_type.clone(),
            total: view.total.unwrap_or_else(|| total(sample_type)),
            estimate: column.estimate(),
            nodes: nodes.collect(),
            dropped,
            granularity: view.granularity,
            header: Header::of(profile),
            no_errors: column.no_errors,
        })
    }

    /// Keeps only the functions whose name matches, with all their calls.
    #[must_use]
    pub fn only(mut self, matches: impl Fn(&str) -> bool) -> Self {
        self.nodes.retain(|node| matches(&node.row.name));
        self
    }

    /// The report as text: header lines, and for each function a table of its callers, itself and
    /// its callees.
    #[must_use]
    pub fn text(&self, text: &Text) -> String {
        text.tree(self)
    }
}

fn filled<'a>(mut tally: Tally<'a>, column: &ReportColumn<'_>) -> Tally<'a> {
    for (sample, amount) in column.amounts() {
        tally.add(sample, amount);
    }
    tally
}

/// The calls of a tally whose value is not 0, in a fixed order.
struct Calls {
    /// Caller, callee, and the call without a name.
    all: Vec<(usize, usize, Call)>,
    /// Positions in `all`, sorted by callee and by caller.
    by_callee: Vec<usize>,
    by_caller: Vec<usize>,
}

impl Calls {
    fn of(tally: &Tally<'_>) -> Self {
        let calls = tally.calls.iter().filter(|(_, call)| call.value != 0);
        let calls = calls.map(|((caller, callee), call)| {
            let call = Call {
                name: Arc::default(),
                value: clamp(call.value),
                estimate: Some(call.estimate),
                is_inlined: call.is_inlined,
                is_indirect: call.is_residual,
            };
            (*caller, *callee, call)
        });
        let mut all: Vec<_> = calls.collect();
        all.sort_by_key(|(caller, callee, _)| (*caller, *callee));
        let by_caller: Vec<usize> = (0..all.len()).collect();
        let mut by_callee = by_caller.clone();
        by_callee.sort_by_key(|&at| all.get(at).map(|(caller, callee, _)| (*callee, *caller)));
        Self {
            all,
            by_callee,
            by_caller,
        }
    }

    fn count_below(&self, least: i64) -> usize {
        let small = |call: &Call| call.value.unsigned_abs() < least.unsigned_abs();
        self.all.iter().filter(|(_, _, call)| small(call)).count()
    }

    fn to(&self, node: usize, least: i64, names: &[Arc<str>], has_errors: bool) -> Vec<Call> {
        let end = |at: usize| self.all.get(at).map_or(0, |(_, callee, _)| *callee);
        let found = range(&self.by_callee, node, end);
        self.named(found, least, has_errors, |(caller, _, _)| {
            names.get(*caller)
        })
    }

    fn from(&self, node: usize, least: i64, names: &[Arc<str>], has_errors: bool) -> Vec<Call> {
        let end = |at: usize| self.all.get(at).map_or(0, |(caller, _, _)| *caller);
        let found = range(&self.by_caller, node, end);
        self.named(found, least, has_errors, |(_, callee, _)| {
            names.get(*callee)
        })
    }

    fn named<'a>(
        &self,
        found: &[usize],
        least: i64,
        has_errors: bool,
        name: impl Fn(&(usize, usize, Call)) -> Option<&'a Arc<str>>,
    ) -> Vec<Call> {
        let calls = found.iter().filter_map(|&at| self.all.get(at));
        let large = calls.filter(|(_, _, call)| call.value.unsigned_abs() >= least.unsigned_abs());
        let mut calls: Vec<Call> = large
            .map(|known| Call {
                name: name(known).cloned().unwrap_or_default(),
                estimate: known.2.estimate.filter(|_| has_errors),
                ..known.2.clone()
            })
            .collect();
        calls.sort_by(|a, b| {
            let key = |call: &Call| Reverse(call.value.unsigned_abs());
            (key(a), &a.name).cmp(&(key(b), &b.name))
        });
        calls
    }
}

/// The part of sorted positions whose `end` is `node`.
fn range(sorted: &[usize], node: usize, end: impl Fn(usize) -> usize) -> &[usize] {
    let from = sorted.partition_point(|&at| end(at) < node);
    let to = sorted.partition_point(|&at| end(at) <= node);
    sorted.get(from..to).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::example::profile;

    /// Two ways to one leaf, recursion, a call that is inlined only in places, and a small branch.
    const TEXT: &str = "
        main / a / leaf = 1 1 1 600
        main / b // leaf = 1 1 1 300
        main / b / c / b / c / b // leaf = 1 1 1 50
        main / walk / walk / a / leaf = 1 1 1 40
        main / small = 1 1 1 10";

    fn graph(text: &str, limits: &GraphLimits) -> CallGraph {
        let made = CallGraph::with(
            profile(text, 0).sample_type_at(3).unwrap(),
            &View::default(),
            limits,
        );
        made.expect("four sample types")
    }

    fn node<'a>(graph: &'a CallGraph, name: &str) -> &'a GraphNode {
        let found = graph.nodes.iter().find(|node| &*node.row.name == name);
        found.expect("a node")
    }

    /// Name and value of calls. `//` marks an inlined call, `..` an indirect one.
    fn shown(calls: &[Call]) -> String {
        let call = |call: &Call| {
            let inlined = if call.is_inlined { "//" } else { "" };
            let indirect = if call.is_indirect { ".." } else { "" };
            format!("{indirect}{inlined}{} {}", call.name, call.value)
        };
        calls.iter().map(call).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn calls_carry_each_sample_once() {
        let graph = graph(TEXT, &GraphLimits::default());
        let names: Vec<&str> = graph.nodes.iter().map(|node| &*node.row.name).collect();
        assert_eq!(names, ["leaf", "small", "a", "b", "c", "main", "walk"]);
        let leaf = node(&graph, "leaf");
        assert_eq!(shown(&leaf.callers), "a 640, //b 350");
        assert_eq!(shown(&leaf.callees), "");
        let b = node(&graph, "b");
        assert_eq!(shown(&b.callers), "main 350, c 50");
        assert_eq!(shown(&b.callees), "//leaf 350, c 50");
        // A function that calls itself has no call to itself.
        assert_eq!(shown(&node(&graph, "walk").callers), "main 40");
        assert_eq!(
            shown(&node(&graph, "main").callees),
            "a 600, b 350, walk 40, small 10"
        );
        assert_eq!(graph.dropped, Dropped::default());
    }

    #[test]
    fn a_call_has_the_error_of_its_samples() {
        let graph = graph(
            "main / a / leaf = 1000 800000 1000 800000\n main / b / leaf = 500 400000 500 400000",
            &GraphLimits::default(),
        );
        let leaf = node(&graph, "leaf");
        let error = |name: &str| {
            let call = leaf.callers.iter().find(|call| &*call.name == name);
            call.and_then(|call| call.estimate)
                .map(|e| e.standard_error)
        };
        let (a, b) = (error("a").expect("known"), error("b").expect("known"));
        let all = leaf.row.estimates.expect("known").flat.standard_error;
        assert!(a > b && b > 100_000.0, "{a} {b}");
        assert!((a.hypot(b) / all - 1.0).abs() < 1e-9, "{a} {b} {all}");
        let mut unknown = profile(TEXT, 0);
        unknown.period = 0;
        let graph = CallGraph::new(unknown.sample_type_at(3).expect("four sample types"))
            .expect("four sample types");
        assert_eq!(node(&graph, "leaf").callers[0].estimate, None);
        assert!(graph.no_errors.is_some());
    }

    #[test]
    fn omitted_functions_are_bridged_and_counted() {
        // `c` and `walk` are too small for 6 %, `small` too; `a` is one too many.
        let limits = GraphLimits::default()
            .node_share(0.06)
            .nodes(3)
            .call_share(0.04);
        let graph = graph(TEXT, &limits);
        let names: Vec<&str> = graph.nodes.iter().map(|node| &*node.row.name).collect();
        assert_eq!(names, ["leaf", "a", "b"]);
        let leaf = node(&graph, "leaf");
        assert_eq!((leaf.row.flat, leaf.row.cum), (990, 990));
        assert_eq!(shown(&leaf.callers), "a 640, //b 350");
        assert_eq!(shown(&node(&graph, "a").callers), "");
        assert_eq!(
            (graph.dropped.small_nodes, graph.dropped.least_node),
            (3, 60)
        );
        assert_eq!(graph.dropped.nodes_beyond, 1);

        let by_cum = View::default().by_cum();
        let limits = GraphLimits::default().nodes(2);
        let graph = CallGraph::with(
            profile(TEXT, 0).sample_type_at(3).unwrap(),
            &by_cum,
            &limits,
        );
        let graph = graph.expect("four sample types");
        assert_eq!(shown(&graph.nodes[0].callees), "..leaf 990");
        assert_eq!(&*graph.nodes[0].row.name, "main");
        assert_eq!(shown(&graph.nodes[1].callers), "..main 990");
    }

    #[test]
    fn small_calls_are_left_out_and_counted() {
        let graph = graph(TEXT, &GraphLimits::default().call_share(0.05));
        assert_eq!(
            (graph.dropped.small_calls, graph.dropped.least_call),
            (3, 50)
        );
        assert_eq!(shown(&node(&graph, "main").callees), "a 600, b 350");
        assert_eq!(shown(&node(&graph, "b").callers), "main 350, c 50");
        assert_eq!(shown(&node(&graph, "walk").callers), "");
    }

    #[test]
    fn canceled_calls_are_left_out_and_their_function_stays_a_caller() {
        let text = "main / x / a = 1 1 1 5\n main / x / b = 1 1 1 1\n main / d = 1 1 1 2";
        let new = profile(text, 0);
        let base = profile("main / x / b = 1 1 1 6", 0);
        let kept = new.diff_keeping_base(&base).expect("same types");
        let graph = CallGraph::new(kept.sample_type_at(3).expect("four sample types"))
            .expect("four sample types");
        // `x` holds nothing.
        let names: Vec<&str> = graph.nodes.iter().map(|node| &*node.row.name).collect();
        assert_eq!(names, ["a", "b", "d", "main"]);
        assert_eq!(shown(&graph.nodes[3].callees), "d 2");
        assert_eq!(shown(&graph.nodes[0].callers), "x 5");
        assert_eq!(shown(&graph.nodes[1].callers), "x -5");
        assert_eq!(graph.nodes[0].row.change, crate::report::Change::Came);
    }

    #[test]
    fn names_that_match_keep_their_calls() {
        let graph = graph(TEXT, &GraphLimits::default()).only(|name| name == "b");
        assert_eq!(graph.nodes.len(), 1);
        assert_eq!(shown(&graph.nodes[0].callers), "main 350, c 50");
    }

    #[test]
    fn stacks_are_refused() {
        let view = View::default().granularity(Granularity::Stacks);
        let profile = profile(TEXT, 0);
        let stacks = CallGraph::with(
            profile.sample_type_at(3).unwrap(),
            &view,
            &GraphLimits::default(),
        );
        assert_eq!(
            stacks.expect_err("no nodes").to_string(),
            "a call graph is of functions or of lines, not of stacks"
        );
    }
}
