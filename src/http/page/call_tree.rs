//! [`CallTree`]: a profile's stacks merged from the root, as a flame graph shows them.
//!
//! Apart from `folded`, which keeps whole stacks as text, because a picture that answers questions needs the
//! numbers of every node with their errors, and a bound on how many nodes there are. It draws nothing and
//! writes nothing.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use crate::{
    Result,
    profile::{Estimate, Function, Location, Profile, Sample},
    report::{Column, RowEstimates, address_name, clean},
    units::clamp,
};

/// Nodes narrower than this part of the whole are less than a tenth of a pixel wide on a large screen.
const SMALLEST_PART: u128 = 20_000;

/// What a browser draws without a pause, however wide the nodes are.
const MAX_NODES: usize = 20_000;

/// The stacks of a profile, merged by function from the root. Inlined calls are nodes of their own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CallTree {
    /// The functions that nodes are calls of.
    pub(super) functions: Vec<CallFunction>,
    /// Each behind its parent, siblings by falling width, then by name, before them what is summed up; the
    /// first is the root, which is no function.
    pub(super) nodes: Vec<CallNode>,
    /// How many nodes were too small and are summed up in others.
    pub(super) folded: usize,
}

/// A function, or an address without a name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CallFunction {
    pub(super) name: Arc<str>,
    /// Its source file; empty where it is not known.
    pub(super) file: String,
    /// The line that most of its value goes through; 0 where it is not known.
    pub(super) line: i64,
}

/// A function called from a stack.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct CallNode {
    /// A position among the nodes.
    pub(super) parent: usize,
    pub(super) call: CallKind,
    pub(super) flat: i64,
    pub(super) cum: i64,
    /// What the base of a difference has of `cum`.
    pub(super) base: i64,
    /// The sizes of all flat values at and below it. In a difference that is growth plus shrinkage, so a
    /// part that grew beside one that shrank has its width.
    pub(super) width: i64,
    /// Exact zeros where no sampling error is known.
    pub(super) estimates: RowEstimates,
    /// Whether it is inlined into its parent wherever it is called from there.
    pub(super) is_inlined: bool,
}

/// What a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CallKind {
    /// All stacks.
    #[default]
    Root,
    /// Of a function, by position in [`CallTree::functions`].
    Of(usize),
    /// So many nodes that were too small.
    Folded(usize),
}

impl CallTree {
    /// Merges the samples' values at `sample_index`, a position in [`Profile::sample_types`].
    ///
    /// # Errors
    ///
    /// A mismatch if the profile has no such sample type.
    pub(super) fn new(profile: &Profile, sample_index: usize) -> Result<Self> {
        Self::bounded(profile, sample_index, MAX_NODES)
    }

    fn bounded(profile: &Profile, sample_index: usize, max_nodes: usize) -> Result<Self> {
        let column = Column::of(profile, sample_index)?;
        let mut growing = Growing::new(profile);
        for (sample, value, estimate) in column.samples() {
            growing.add(sample, value, estimate);
        }
        growing.sum_up();
        let (nodes, folded) = growing.prune(max_nodes);
        Ok(Self {
            functions: growing.functions(),
            nodes,
            folded,
        })
    }
}

/// A tree under construction: nodes stand behind their parents, the root first.
struct Growing {
    nodes: Vec<Node>,
    /// Positions of children by parent and function.
    children: HashMap<(usize, usize), usize>,
    functions: Vec<Arc<str>>,
    /// The frames of each location, outermost first.
    locations: Vec<Vec<Place>>,
    /// Where the functions' values go through.
    lines: HashMap<Place, i128>,
}

#[derive(Default)]
struct Node {
    parent: usize,
    function: usize,
    flat: i128,
    cum: i128,
    base: i128,
    width: u128,
    estimates: RowEstimates,
    is_called: bool,
}

/// A line of a function; the file by its name's position among the functions' files.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    function: usize,
    file: Arc<str>,
    line: i64,
    is_inlined: bool,
}

impl Growing {
    fn new(profile: &Profile) -> Self {
        let mut functions = Vec::new();
        let mut known: HashMap<Arc<str>, usize> = HashMap::new();
        let mut position = |name: Arc<str>| {
            *known.entry(name).or_insert_with_key(|name| {
                functions.push(Arc::clone(name));
                functions.len() - 1
            })
        };
        let mut places = |location: &Location| -> Vec<Place> {
            if location.lines.is_empty() {
                let function = position(address_name(profile, location));
                return vec![Place {
                    function,
                    file: Arc::default(),
                    line: 0,
                    is_inlined: false,
                }];
            }
            let last = location.lines.len() - 1;
            let lines = location.lines.iter().enumerate().rev();
            lines
                .map(|(at, line)| {
                    let function = profile.functions.get(line.function.index());
                    let name = function.and_then(Function::shown_name).map(Arc::clone);
                    Place {
                        function: position(name.unwrap_or_else(|| address_name(profile, location))),
                        file: function.map_or_else(Arc::default, |f| Arc::clone(&f.file)),
                        line: line.line,
                        is_inlined: at < last,
                    }
                })
                .collect()
        };
        let locations = profile.locations.iter().map(&mut places).collect();
        Self {
            nodes: vec![Node::default()],
            children: HashMap::new(),
            functions,
            locations,
            lines: HashMap::new(),
        }
    }

    fn add(&mut self, sample: &Sample, value: i64, estimate: Estimate) {
        // The counterpart of a sample of nothing may have the error of both.
        if value == 0 && estimate.standard_error <= 0.0 {
            return;
        }
        let mut at = 0;
        let frames = sample.locations.iter().rev();
        for place in frames
            .filter_map(|id| self.locations.get(id.index()))
            .flatten()
        {
            let nodes = &mut self.nodes;
            at = *self
                .children
                .entry((at, place.function))
                .or_insert_with(|| {
                    nodes.push(Node {
                        parent: at,
                        function: place.function,
                        ..Node::default()
                    });
                    nodes.len() - 1
                });
            if let Some(node) = self.nodes.get_mut(at) {
                node.is_called |= !place.is_inlined;
            }
            let through = self.lines.entry(place.clone()).or_default();
            *through += i128::from(value).abs();
        }
        if let Some(leaf) = self.nodes.get_mut(at) {
            leaf.flat += i128::from(value);
            leaf.estimates.flat = leaf.estimates.flat + estimate;
            if sample.is_base() {
                leaf.base -= i128::from(value);
            }
        }
    }

    /// From the leaves up, which stand last.
    fn sum_up(&mut self) {
        for at in (0..self.nodes.len()).rev() {
            let Some(node) = self.nodes.get_mut(at) else {
                continue;
            };
            node.cum += node.flat;
            node.width += node.flat.unsigned_abs();
            node.estimates.cum = node.estimates.cum + node.estimates.flat;
            let (parent, cum, base, width) = (node.parent, node.cum, node.base, node.width);
            let estimate = node.estimates.cum;
            if at > 0
                && let Some(parent) = self.nodes.get_mut(parent)
            {
                parent.cum += cum;
                parent.base += base;
                parent.width += width;
                parent.estimates.cum = parent.estimates.cum + estimate;
            }
        }
    }

    /// The nodes wide enough, in order, with what is too small summed up in one child of its parent.
    fn prune(&self, max_nodes: usize) -> (Vec<CallNode>, usize) {
        let smallest = self.smallest(max_nodes);
        let is_kept =
            |at: usize, node: &Node| at == 0 || (node.width >= smallest && node.width > 0);
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        let mut small: HashMap<usize, (usize, Node)> = HashMap::new();
        // How many nodes are at and below each one that is not kept. What has not changed in a difference
        // has no width and is no node of it.
        let is_seen = |node: &Node| usize::from(node.width > 0);
        let mut below: Vec<usize> = self.nodes.iter().map(is_seen).collect();
        for (at, node) in self.nodes.iter().enumerate().skip(1).rev() {
            if is_kept(at, node) {
                if let Some(siblings) = children.get_mut(node.parent) {
                    siblings.push(at);
                }
                continue;
            }
            let count = below.get(at).copied().unwrap_or(0);
            if self
                .nodes
                .get(node.parent)
                .is_some_and(|p| is_kept(node.parent, p))
            {
                let (folded, sum) = small.entry(node.parent).or_default();
                *folded += count;
                sum.cum += node.cum;
                sum.base += node.base;
                sum.width += node.width;
                sum.estimates.cum = sum.estimates.cum + node.estimates.cum;
            } else if let Some(parent) = below.get_mut(node.parent) {
                *parent += count;
            }
        }
        let (mut kept, mut folded) = (Vec::new(), 0);
        // Nodes still to be written, the next one last, with the positions their parents got.
        let mut next = vec![(0, 0)];
        while let Some((at, parent)) = next.pop() {
            let (Some(node), Some(below)) = (self.nodes.get(at), children.get_mut(at)) else {
                continue;
            };
            let position = kept.len();
            let call = if at == 0 {
                CallKind::Root
            } else {
                CallKind::Of(node.function)
            };
            kept.push(node.finish(parent, call));
            if let Some((count, sum)) = small.get(&at) {
                folded += count;
                if sum.width > 0 {
                    kept.push(sum.finish(position, CallKind::Folded(*count)));
                }
            }
            let by_width = |at: &usize| {
                let node = self.nodes.get(*at);
                let name = node.and_then(|node| self.functions.get(node.function));
                (Reverse(node.map_or(0, |node| node.width)), name)
            };
            below.sort_by(|a, b| by_width(b).cmp(&by_width(a)));
            next.extend(below.iter().map(|&child| (child, position)));
        }
        (kept, folded)
    }

    /// The width below which a node is too small.
    fn smallest(&self, max_nodes: usize) -> u128 {
        let whole = self.nodes.first().map_or(0, |root| root.width);
        let by_part = whole.div_ceil(SMALLEST_PART);
        let mut widths: Vec<u128> = self.nodes.iter().map(|node| node.width).collect();
        if widths.len() <= max_nodes {
            return by_part;
        }
        widths.sort_unstable_by_key(|&width| Reverse(width));
        let widest_left_out = widths.get(max_nodes).copied().unwrap_or(0);
        by_part.max(widest_left_out + 1)
    }

    fn functions(&self) -> Vec<CallFunction> {
        let mut functions: Vec<CallFunction> = self
            .functions
            .iter()
            .map(|name| CallFunction {
                name: Arc::clone(name),
                ..CallFunction::default()
            })
            .collect();
        let mut lines: Vec<(&Place, &i128)> = self.lines.iter().collect();
        // The last one stays: the line of most value, of equal ones the first.
        lines.sort_by_key(|(place, value)| {
            (
                **value,
                Reverse(&place.file),
                Reverse(place.line),
                place.is_inlined,
            )
        });
        for (place, _) in lines {
            if let Some(function) = functions.get_mut(place.function) {
                function.file = clean(&place.file);
                function.line = place.line;
            }
        }
        functions
    }
}

impl Node {
    fn finish(&self, parent: usize, call: CallKind) -> CallNode {
        CallNode {
            parent,
            call,
            flat: clamp(self.flat),
            cum: clamp(self.cum),
            base: clamp(self.base),
            width: i64::try_from(self.width).unwrap_or(i64::MAX),
            estimates: self.estimates,
            is_inlined: matches!(call, CallKind::Of(_)) && !self.is_called,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::profile::{arbitrary, example::profile};

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
        let tree = CallTree::new(&profile(text, 0), 3).unwrap();
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
        let whole: Estimate = profile(text, 0).estimates(3).unwrap().into_iter().sum();
        let root = tree.nodes[0].estimates.cum;
        assert_eq!(root.value, 100.0);
        assert!((whole.standard_error - root.standard_error).abs() < 1e-9);
    }

    #[test]
    fn growth_and_shrinkage_both_have_width_and_the_base_is_told() {
        let base = "main / a = 9 9 9 60\n main / b = 9 9 9 40\n main / same = 1 1 1 7";
        let new = "main / a = 9 9 9 90\n main / b = 9 9 9 15\n main / same = 1 1 1 7";
        let (base, new) = (profile(base, 0), profile(new, 0x1000));
        let kept = new.diff_keeping_base(&base).unwrap();
        let tree = CallTree::new(&kept, 3).unwrap();
        let expected = [
            "all 0 5 55",
            ".main 0 5 55",
            "..a 30 30 30",
            "..b -25 -25 25",
        ];
        assert_eq!(shown(&tree), expected);
        let bases: Vec<i64> = tree.nodes.iter().map(|node| node.base).collect();
        assert_eq!(bases, [107, 107, 60, 40]);
        assert_eq!(tree.folded, 0);
    }

    #[test]
    fn what_is_too_small_is_summed_up_in_its_parent() {
        let text = "main / a = 9 9 9 99980\n main / b / c = 1 1 1 4\n main / d = 1 1 1 3";
        let tree = CallTree::new(&profile(text, 0), 3).unwrap();
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
        // However wide they are, not more than asked for, and those of one width together.
        let text = "main / a = 9 9 9 90\n main / b = 1 1 1 50\n main / c = 1 1 1 50";
        let tree = CallTree::bounded(&profile(text, 0), 3, 4).unwrap();
        let expected = [
            "all 0 190 190",
            ".main 0 190 190",
            "..(2 smaller) 0 100 100",
            "..a 90 90 90",
        ];
        assert_eq!(shown(&tree), expected);
    }

    #[test]
    fn a_function_is_at_the_line_that_most_goes_through() {
        let mut made = profile("main / a = 1 1 1 10\n main / b = 1 1 1 30", 0);
        for (location, line) in made.locations.iter_mut().zip(10..) {
            location.lines[0].line = line;
        }
        let files: Vec<(String, i64)> = {
            let tree = CallTree::new(&made, 3).unwrap();
            tree.functions
                .into_iter()
                .map(|f| (f.file, f.line))
                .collect()
        };
        assert_eq!(files.len(), 3);
        let mut twice = made.clone();
        // `a` is called from line 12 too, with more.
        twice.locations[2].lines[0].function = twice.locations[1].lines[0].function;
        let tree = CallTree::new(&twice, 3).unwrap();
        let a = tree.functions.iter().find(|f| &*f.name == "a").unwrap();
        assert_eq!(a.line, 12);
    }

    #[test]
    fn an_unknown_sample_type_is_an_error() {
        let error = CallTree::new(&profile("main = 1 1 1 1", 0), 4).unwrap_err();
        assert!(error.is_mismatch(), "{error}");
    }

    proptest! {
        #[test]
        fn any_profile_is_a_tree_whose_parts_add_up(profile in arbitrary::profile(), most in 1_usize..6) {
            for index in 0..profile.sample_types.len() {
                let tree = CallTree::bounded(&profile, index, most)?;
                prop_assert!(tree.nodes.len() <= 2 * most + 1);
                let mut cums: Vec<i128> = tree.nodes.iter().map(|n| i128::from(n.flat)).collect();
                for (at, node) in tree.nodes.iter().enumerate().skip(1).rev() {
                    prop_assert!(node.parent < at);
                    if !matches!(node.call, CallKind::Folded(_)) && node.width < i64::MAX {
                        prop_assert_eq!(cums[at], i128::from(node.cum));
                    }
                    cums[node.parent] += i128::from(node.cum);
                }
                let is_exact = tree.nodes.iter().all(|n| n.width < i64::MAX);
                prop_assert!(!is_exact || cums[0] == i128::from(tree.nodes[0].cum));
            }
        }
    }
}
