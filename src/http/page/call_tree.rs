//! [`CallTree`]: a profile's stacks merged from the root, as a flame graph shows them.
//!
//! `report::folded` keeps whole stacks as text. A picture that answers questions needs the numbers
//! of every node with their errors, and a bound on the number of nodes.

use std::{cmp::Reverse, collections::HashMap, iter, sync::Arc};

use crate::http::limits::{MAX_NODES, SMALLEST_PART};
use heaptide_profile::internal::{ReportColumn, address_name, clean};
use heaptide_profile::report::RowEstimates;
use heaptide_profile::{Estimate, Function, Line, Location, Profile, Sample, SampleType};

/// The stacks of a profile, merged by function from the root. Inlined calls have their own nodes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CallTree {
    /// The functions that nodes are calls of.
    pub(super) functions: Vec<CallFunction>,
    /// The root, then every node after its parent. Among siblings the sum of the small ones is
    /// first; the others are sorted by falling width, then by name.
    pub(super) nodes: Vec<CallNode>,
    /// How many nodes were too small and are summed up in others.
    pub(super) folded: usize,
}

/// A function, or an address without a name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CallFunction {
    pub(super) name: Arc<str>,
    /// Its source file; empty if unknown.
    pub(super) file: String,
    /// The line with the most of its value; 0 if unknown.
    pub(super) line: i64,
}

/// A call of a function, with the calls above it. Its numbers are wide enough for any sum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct CallNode {
    /// A position among the nodes.
    pub(super) parent: usize,
    pub(super) call: CallKind,
    pub(super) flat: i128,
    pub(super) cum: i128,
    /// The part of `cum` that the base of a difference has.
    pub(super) base: i128,
    /// The sizes of all flat values at the node and below it. In a difference that is growth plus
    /// shrinkage: parts that cancel in `cum` still have their width.
    pub(super) width: u128,
    /// Exact zeros if no sampling error is known.
    pub(super) estimates: RowEstimates,
    /// Whether it is inlined into its parent in every call from there.
    pub(super) is_inlined: bool,
    /// How many nodes at and below it have a width. In a difference a node without one has not
    /// changed.
    count: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CallKind {
    /// All stacks.
    #[default]
    Root,
    /// Of a function, by position in [`CallTree::functions`].
    Of(usize),
    /// The sum of so many nodes that were too small.
    Folded(usize),
}

impl CallTree {
    /// Merges the values of all samples.
    pub(super) fn new(sample_type: SampleType<'_>) -> Self {
        Self::bounded(sample_type, MAX_NODES)
    }

    fn bounded(sample_type: SampleType<'_>, max_nodes: usize) -> Self {
        let column = ReportColumn::of(sample_type);
        let mut builder = TreeBuilder::new(sample_type.profile());
        for (sample, value, estimate) in column.samples() {
            builder.add(sample, value, estimate);
        }
        builder.sum_up();
        let (nodes, folded) = builder.prune(max_nodes);
        Self {
            functions: builder.functions(),
            nodes,
            folded,
        }
    }
}

/// A tree under construction: the root first, every node after its parent.
struct TreeBuilder {
    nodes: Vec<CallNode>,
    /// Positions of children by parent and function.
    children: HashMap<(usize, usize), usize>,
    functions: Vec<Arc<str>>,
    /// The lines of each location, outermost first.
    locations: Vec<Vec<CodeLine>>,
    /// The size of the values that go through each line.
    lines: HashMap<CodeLine, i128>,
}

/// A line of a function, which is a position among the functions.
#[derive(Clone, PartialEq, Eq, Hash)]
struct CodeLine {
    function: usize,
    file: Arc<str>,
    line: i64,
    is_inlined: bool,
}

impl TreeBuilder {
    fn new(profile: &Profile) -> Self {
        let mut functions = Vec::new();
        let mut known: HashMap<Arc<str>, usize> = HashMap::new();
        let mut position = |name: Arc<str>| {
            *known.entry(name).or_insert_with_key(|name| {
                functions.push(Arc::clone(name));
                functions.len() - 1
            })
        };
        let mut lines = |location: &Location| -> Vec<CodeLine> {
            let mut code_line = |line: Option<&Line>, is_inlined| {
                let function = line.and_then(|line| profile.functions.get(line.function.index()));
                let name = function.and_then(Function::shown_name).map(Arc::clone);
                CodeLine {
                    function: position(name.unwrap_or_else(|| address_name(profile, location))),
                    file: function.map_or_else(Arc::default, |f| Arc::clone(&f.file)),
                    line: line.map_or(0, |line| line.line),
                    is_inlined,
                }
            };
            let Some((outermost, inlined)) = location.lines.split_last() else {
                return vec![code_line(None, false)];
            };
            let outermost = code_line(Some(outermost), false);
            let inlined = inlined.iter().rev();
            let inlined = inlined.map(|line| code_line(Some(line), true));
            iter::once(outermost).chain(inlined).collect()
        };
        let locations = profile.locations.iter().map(&mut lines).collect();
        Self {
            nodes: vec![CallNode::default()],
            children: HashMap::new(),
            functions,
            locations,
            lines: HashMap::new(),
        }
    }

    fn add(&mut self, sample: &Sample, value: i64, estimate: Estimate) {
        // A base sample that cancels to 0 may still have an error.
        if value == 0 && estimate.standard_error <= 0.0 {
            return;
        }
        let value = i128::from(value);
        let mut at = 0;
        let locations = sample.locations.iter().rev();
        let locations = locations.filter_map(|id| self.locations.get(id.index()));
        for line in locations.flatten() {
            let nodes = &mut self.nodes;
            at = *self.children.entry((at, line.function)).or_insert_with(|| {
                nodes.push(CallNode {
                    parent: at,
                    call: CallKind::Of(line.function),
                    is_inlined: true,
                    ..CallNode::default()
                });
                nodes.len() - 1
            });
            if let Some(node) = self.nodes.get_mut(at) {
                node.is_inlined &= line.is_inlined;
            }
            *self.lines.entry(line.clone()).or_default() += value.abs();
        }
        if let Some(leaf) = self.nodes.get_mut(at) {
            leaf.flat += value;
            leaf.estimates.flat = leaf.estimates.flat + estimate;
            if sample.is_base() {
                leaf.base -= value;
            }
        }
    }

    /// Adds each node to its parent, from the leaves, which are last, to the root.
    fn sum_up(&mut self) {
        for at in (0..self.nodes.len()).rev() {
            let (before, rest) = self.nodes.split_at_mut(at);
            if let Some(node) = rest.first_mut() {
                node.cum += node.flat;
                node.width += node.flat.unsigned_abs();
                node.estimates.cum = node.estimates.cum + node.estimates.flat;
                node.count += usize::from(node.width > 0);
                if let Some(parent) = before.get_mut(node.parent) {
                    parent.absorb(node);
                }
            }
        }
    }

    /// The nodes that are wide enough, in order. The small ones are summed up in a child of their
    /// parent; the second value is their number.
    fn prune(&self, max_nodes: usize) -> (Vec<CallNode>, usize) {
        let smallest = self.smallest(max_nodes);
        let width = |at: usize| self.nodes.get(at).map_or(0, |node| node.width);
        let is_kept = |at: usize| at == 0 || (width(at) >= smallest && width(at) > 0);
        let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut small: HashMap<usize, CallNode> = HashMap::new();
        // A node below a small one is small too.
        for (at, node) in self.nodes.iter().enumerate().skip(1).rev() {
            if is_kept(at) {
                children.entry(node.parent).or_default().push(at);
            } else if is_kept(node.parent) {
                small.entry(node.parent).or_default().absorb(node);
            }
        }
        let (mut kept, mut folded) = (Vec::new(), 0);
        // Nodes still to be written, the next one last, with the positions of their parents.
        let mut next = vec![(0, 0)];
        while let Some((at, parent)) = next.pop()
            && let Some(node) = self.nodes.get(at)
        {
            let position = kept.len();
            kept.push(CallNode { parent, ..*node });
            if let Some(sum) = small.get(&at).filter(|sum| sum.width > 0) {
                folded += sum.count;
                let (parent, call) = (position, CallKind::Folded(sum.count));
                kept.push(CallNode {
                    parent,
                    call,
                    ..*sum
                });
            }
            let mut below = children.remove(&at).unwrap_or_default();
            let name = |at: usize| match self.nodes.get(at)?.call {
                CallKind::Of(function) => self.functions.get(function),
                CallKind::Root | CallKind::Folded(_) => None,
            };
            below.sort_by_key(|&at| Reverse((Reverse(width(at)), name(at))));
            next.extend(below.into_iter().map(|child| (child, position)));
        }
        (kept, folded)
    }

    /// The width below which a node is too small.
    fn smallest(&self, max_nodes: usize) -> u128 {
        let whole = self.nodes.first().map_or(0, |root| root.width);
        let mut widths: Vec<u128> = self.nodes.iter().map(|node| node.width).collect();
        widths.sort_unstable_by_key(|&width| Reverse(width));
        let widest_left_out = widths.get(max_nodes).map_or(0, |width| width + 1);
        whole.div_ceil(SMALLEST_PART).max(widest_left_out)
    }

    fn functions(&self) -> Vec<CallFunction> {
        let names = self.functions.iter().map(Arc::clone);
        let functions = names.map(|name| CallFunction {
            name,
            ..CallFunction::default()
        });
        let mut functions: Vec<CallFunction> = functions.collect();
        let mut lines: Vec<(&CodeLine, &i128)> = self.lines.iter().collect();
        // The last one stays: the line with the largest value, and of equal ones the first.
        lines.sort_by_key(|(of, value)| {
            (**value, Reverse(&of.file), Reverse(of.line), of.is_inlined)
        });
        for (of, _) in lines {
            if let Some(function) = functions.get_mut(of.function) {
                function.file = clean(&of.file);
                function.line = of.line;
            }
        }
        functions
    }
}

impl CallNode {
    /// Adds what a node below has in all.
    fn absorb(&mut self, below: &Self) {
        self.cum += below.cum;
        self.base += below.base;
        self.width += below.width;
        self.estimates.cum = self.estimates.cum + below.estimates.cum;
        self.count += below.count;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use heaptide_profile::testing::{arbitrary, example::profile};

    /// The tree as text: depth by dots, name, flat, cum, width.
    fn shown(tree: &CallTree) -> Vec<String> {
        let mut depths: Vec<usize> = Vec::new();
        let nodes = tree.nodes.iter().enumerate().map(|(at, node)| {
            depths.push(if at == 0 { 0 } else { depths[node.parent] + 1 });
            let name = match node.call {
                CallKind::Root => "all".into(),
                CallKind::Of(function) => tree.functions[function].name.to_string(),
                CallKind::Folded(count) => format!("({count} smaller)"),
            };
            let inlined = if node.is_inlined { " inlined" } else { "" };
            let dots = ".".repeat(depths[at]);
            format!(
                "{dots}{name} {} {} {}{inlined}",
                node.flat, node.cum, node.width
            )
        });
        nodes.collect()
    }

    #[test]
    fn stacks_are_merged_from_the_root_the_widest_first() {
        let text = "
            main / log = 1 1 1 10
            main / run / put // push = 1 1 1 70
            main / run / put / push = 1 1 1 5
            main / run / put // grow = 1 1 1 10
            main / run / run = 1 1 1 5";
        let tree = CallTree::new(profile(text, 0).sample_type_at(3).unwrap());
        let expected = [
            "all 0 100 100",
            ".main 0 100 100",
            "..run 0 90 90",
            "...put 0 85 85",
            "....push 75 75 75",
            "....grow 10 10 10 inlined",
            "...run 5 5 5",
            "..log 10 10 10",
        ];
        assert_eq!(shown(&tree), expected);
        assert_eq!(tree.folded, 0);
        let whole: Estimate = profile(text, 0)
            .sample_type_at(3)
            .unwrap()
            .estimates()
            .unwrap()
            .into_iter()
            .sum();
        let root = tree.nodes[0].estimates.cum;
        assert_eq!(root.value, 100.0);
        assert!((whole.standard_error - root.standard_error).abs() < 1e-9);
    }

    #[test]
    fn growth_and_shrinkage_both_have_width_and_the_base_is_reported() {
        let base = "main / a = 9 9 9 60\n main / b = 9 9 9 40\n main / same = 1 1 1 7";
        let new = "main / a = 9 9 9 90\n main / b = 9 9 9 15\n main / same = 1 1 1 7";
        let (base, new) = (profile(base, 0), profile(new, 0x1000));
        let kept = new.diff_keeping_base(&base).unwrap();
        let tree = CallTree::new(kept.sample_type_at(3).unwrap());
        let expected = [
            "all 0 5 55",
            ".main 0 5 55",
            "..a 30 30 30",
            "..b -25 -25 25",
        ];
        assert_eq!(shown(&tree), expected);
        let bases: Vec<i128> = tree.nodes.iter().map(|node| node.base).collect();
        assert_eq!(bases, [107, 107, 60, 40]);
        assert_eq!(tree.folded, 0);
    }

    #[test]
    fn small_nodes_are_summed_up_in_their_parent() {
        let text = "main / a = 9 9 9 99980\n main / b / c = 1 1 1 4\n main / d = 1 1 1 3";
        let tree = CallTree::new(profile(text, 0).sample_type_at(3).unwrap());
        let expected = [
            "all 0 99987 99987",
            ".main 0 99987 99987",
            "..(3 smaller) 0 7 7",
            "..a 99980 99980 99980",
        ];
        assert_eq!(
            (shown(&tree), tree.folded),
            (expected.map(String::from).to_vec(), 3)
        );
        let error = tree.nodes[2].estimates.cum.standard_error;
        assert!(error > 0.0, "{error}");
        // The number is bounded, however wide the nodes are; nodes of equal width are treated
        // alike.
        let text = "main / a = 9 9 9 90\n main / b = 1 1 1 50\n main / c = 1 1 1 50";
        let tree = CallTree::bounded(profile(text, 0).sample_type_at(3).unwrap(), 4);
        let expected = [
            "all 0 190 190",
            ".main 0 190 190",
            "..(2 smaller) 0 100 100",
            "..a 90 90 90",
        ];
        assert_eq!(shown(&tree), expected);
    }

    #[test]
    fn a_function_has_the_line_with_the_most_value() {
        let mut made = profile("main / a = 1 1 1 10\n main / b = 1 1 1 30", 0);
        for (location, line) in made.locations.iter_mut().zip(10..) {
            location.lines[0].line = line;
        }
        let files: Vec<(String, i64)> = {
            let tree = CallTree::new(made.sample_type_at(3).unwrap());
            tree.functions
                .into_iter()
                .map(|f| (f.file, f.line))
                .collect()
        };
        assert_eq!(files.len(), 3);
        let mut twice = made.clone();
        // `a` is called from line 12 too, with more.
        twice.locations[2].lines[0].function = twice.locations[1].lines[0].function;
        let tree = CallTree::new(twice.sample_type_at(3).unwrap());
        let a = tree.functions.iter().find(|f| &*f.name == "a").unwrap();
        assert_eq!(a.line, 12);
    }

    proptest! {
        #[test]
        fn the_parts_of_any_tree_add_up(profile in arbitrary::profile(), most in 1_usize..6) {
            for sample_type in profile.each_sample_type() {
                let tree = CallTree::bounded(sample_type, most);
                prop_assert!(tree.nodes.len() <= 2 * most + 1);
                let mut cums: Vec<i128> = tree.nodes.iter().map(|n| n.flat).collect();
                for (at, node) in tree.nodes.iter().enumerate().skip(1).rev() {
                    prop_assert!(node.parent < at);
                    if !matches!(node.call, CallKind::Folded(_)) {
                        prop_assert_eq!(cums[at], node.cum);
                    }
                    cums[node.parent] += node.cum;
                }
                prop_assert_eq!(cums[0], tree.nodes[0].cum);
            }
        }
    }
}
