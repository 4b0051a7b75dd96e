//! Sums under construction: from samples to the rows of a report, before any of it is text.
//!
//! Counting follows `go tool pprof -top` to the unit: a sample counts once for each node on its stack,
//! however often that recurs, and the order is `pprof`'s. What the numbers are of, and of what they are
//! a share, is `top`'s business.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use super::{
    top::{Change, Inlined, RowEstimates, TopRow},
    view::{Granularity, View},
};
use crate::{
    profile::{Estimate, Function, Line, Location, Profile, Sample},
    units::clamp,
};

/// Sums under construction. Nodes are functions, lines or stacks, by position in `nodes`.
pub(super) struct Tally {
    nodes: Vec<Node>,
    /// The names of each location's lines, innermost first: positions in `names`, which are those of the
    /// nodes unless stacks are the nodes.
    locations: Vec<Vec<usize>>,
    names: Vec<Arc<str>>,
    /// The nodes of whole stacks, by their names, innermost first.
    stacks: HashMap<Vec<usize>, usize>,
    /// Caller and callee, and how the calls were made.
    calls: HashMap<(usize, usize), Call>,
    view: View,
}

#[derive(Default)]
struct Node {
    name: Arc<str>,
    callers: Vec<Arc<str>>,
    flat: i128,
    cum: i128,
    estimates: RowEstimates,
    /// Whether it holds anything in a difference's base, and in what is compared with it.
    is_in_base: bool,
    is_in_new: bool,
    last_sample: Option<usize>,
}

struct Call {
    all_inlined: bool,
    last_sample: usize,
}

impl Tally {
    pub(super) fn new(profile: &Profile, view: View) -> Self {
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut known: HashMap<Arc<str>, usize> = HashMap::new();
        let mut position = |name: Arc<str>| {
            *known.entry(name).or_insert_with_key(|name| {
                names.push(Arc::clone(name));
                names.len() - 1
            })
        };
        let locations = profile
            .locations
            .iter()
            .map(|location| {
                if location.lines.is_empty() {
                    return vec![position(address_name(profile, location))];
                }
                let lines = location.lines.iter();
                lines
                    .map(|line| {
                        position(match view.granularity {
                            Granularity::Functions => function_name(profile, location, line),
                            Granularity::Lines | Granularity::Stacks => {
                                line_name(profile, location, line)
                            }
                        })
                    })
                    .collect()
            })
            .collect();
        let nodes = match view.granularity {
            Granularity::Stacks => Vec::new(),
            Granularity::Functions | Granularity::Lines => names.iter().map(Node::named).collect(),
        };
        Self {
            nodes,
            locations,
            names,
            stacks: HashMap::new(),
            calls: HashMap::new(),
            view,
        }
    }

    pub(super) fn add(&mut self, at: usize, sample: &Sample, value: i64, estimate: Estimate) {
        let amount = Amount {
            value: i128::from(value),
            estimate,
            is_base: sample.is_base(),
        };
        if self.view.granularity == Granularity::Stacks {
            if let Some(node) = self.stack(sample) {
                node.add_cum(amount);
                node.add_flat(amount);
            }
            return;
        }
        let mut caller = None;
        for id in sample.locations.iter().rev() {
            let Some(lines) = self.locations.get(id.index()) else {
                continue;
            };
            for (depth, &index) in lines.iter().rev().enumerate() {
                if let Some(node) = self.nodes.get_mut(index)
                    && node.last_sample != Some(at)
                {
                    node.last_sample = Some(at);
                    node.add_cum(amount);
                }
                if let Some(caller) = caller
                    && caller != index
                {
                    note_call(&mut self.calls, (caller, index), depth > 0, at);
                }
                caller = Some(index);
            }
        }
        if let Some(leaf) = caller.and_then(|index| self.nodes.get_mut(index)) {
            leaf.add_flat(amount);
        }
    }

    /// The node of a sample's whole stack; a sample without one has none.
    fn stack(&mut self, sample: &Sample) -> Option<&mut Node> {
        let lines = sample.locations.iter();
        let lines = lines.filter_map(|id| self.locations.get(id.index()));
        let stack: Vec<usize> = lines.flatten().copied().collect();
        let (names, nodes) = (&self.names, &mut self.nodes);
        let mut named = stack.iter().filter_map(|&name| names.get(name));
        let mut node = Node::named(named.next()?);
        node.callers = named.cloned().collect();
        let index = *self.stacks.entry(stack).or_insert_with(|| {
            nodes.push(node);
            nodes.len() - 1
        });
        nodes.get_mut(index)
    }

    /// The rows, sorted. What has come and what has gone is said of a difference only.
    pub(super) fn into_rows(self, has_errors: bool, is_difference: bool) -> Vec<TopRow> {
        let mut inlined = vec![(false, false); self.nodes.len()];
        #[expect(
            clippy::iter_over_hash_type,
            reason = "an `or` over all calls has no order"
        )]
        for ((_, callee), call) in &self.calls {
            if let Some((some, not_all)) = inlined.get_mut(*callee) {
                *some |= call.all_inlined;
                *not_all |= !call.all_inlined;
            }
        }
        let mut rows: Vec<TopRow> = self
            .nodes
            .into_iter()
            .zip(inlined)
            .filter(|(node, _)| node.flat != 0 || node.cum != 0)
            .map(|(node, inlined)| TopRow {
                change: match (is_difference, node.is_in_base, node.is_in_new) {
                    (true, false, true) => Change::Came,
                    (true, true, false) => Change::Went,
                    _ => Change::None,
                },
                name: node.name,
                callers: node.callers,
                flat: clamp(node.flat),
                cum: clamp(node.cum),
                estimates: has_errors.then_some(node.estimates),
                inlined: match inlined {
                    (false, _) => Inlined::Nowhere,
                    (true, true) => Inlined::Partly,
                    (true, false) => Inlined::Everywhere,
                },
            })
            .collect();
        rows.sort_by(|a, b| {
            let (flat, cum) = (
                |row: &TopRow| Reverse(row.flat.unsigned_abs()),
                |row: &TopRow| Reverse(row.cum.unsigned_abs()),
            );
            let by_flat = || flat(a).cmp(&flat(b));
            let by_cum = || cum(a).cmp(&cum(b));
            let by_name = || (&a.name, &a.callers).cmp(&(&b.name, &b.callers));
            if self.view.by_cum {
                by_cum().then_with(by_name).then_with(by_flat)
            } else {
                by_flat().then_with(by_name).then_with(by_cum)
            }
        });
        rows
    }
}

/// What a sample adds to a node.
#[derive(Clone, Copy)]
struct Amount {
    value: i128,
    estimate: Estimate,
    is_base: bool,
}

impl Node {
    fn named(name: &Arc<str>) -> Self {
        Self {
            name: Arc::clone(name),
            ..Self::default()
        }
    }

    fn add_cum(&mut self, amount: Amount) {
        self.cum += amount.value;
        self.estimates.cum = self.estimates.cum + amount.estimate;
        if amount.value != 0 {
            self.is_in_base |= amount.is_base;
            self.is_in_new |= !amount.is_base;
        }
    }

    fn add_flat(&mut self, amount: Amount) {
        self.flat += amount.value;
        self.estimates.flat = self.estimates.flat + amount.estimate;
    }
}

/// A call counts as inlined if it is so wherever it occurs; within one sample its outermost occurrence
/// decides, as in `pprof`.
fn note_call(
    calls: &mut HashMap<(usize, usize), Call>,
    pair: (usize, usize),
    inlined: bool,
    at: usize,
) {
    let call = calls.entry(pair).or_insert(Call {
        all_inlined: inlined,
        last_sample: at,
    });
    if call.last_sample != at {
        call.last_sample = at;
        call.all_inlined &= inlined;
    }
}

fn function_name(profile: &Profile, location: &Location, line: &Line) -> Arc<str> {
    let function: Option<&Function> = profile.functions.get(line.function.index());
    function
        .and_then(Function::shown_name)
        .map_or_else(|| address_name(profile, location), Arc::clone)
}

/// `pprof`'s name for a line: the function, and what is known of its place.
fn line_name(profile: &Profile, location: &Location, line: &Line) -> Arc<str> {
    let name = function_name(profile, location, line);
    let file = profile.functions.get(line.function.index());
    let file = file.map_or_else(String::new, |function| clean(&function.file));
    match (&*file, line.line) {
        ("", 0) => name,
        (file, 0) => format!("{name} {file}").into(),
        (file, line) => format!("{name} {file}:{line}").into(),
    }
}

pub(super) fn address_name(profile: &Profile, location: &Location) -> Arc<str> {
    let mapping = location
        .mapping
        .and_then(|id| profile.mappings.get(id.index()));
    let file = mapping.map_or("", |mapping| super::header::file_name(&mapping.file));
    let file = if file.is_empty() { "unknown" } else { file };
    format!("{:#x} [{file}]", location.address).into()
}

/// A path without `.`, `..` and doubled slashes, as Go's `path.Clean` writes it: a source file that was
/// included by `#[path = "../src/..."]` has one name then.
pub(super) fn clean(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_rooted => {}
            part => parts.push(part),
        }
    }
    let root = if is_rooted { "/" } else { "" };
    match (path, parts.is_empty(), is_rooted) {
        ("", ..) => String::new(),
        (_, true, false) => ".".into(),
        _ => format!("{root}{}", parts.join("/")),
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn paths_are_cleaned_as_in_go() {
        let cases = [
            ("/src/tests/../a.rs", "/src/a.rs"),
            ("src//./a.rs", "src/a.rs"),
            ("../../a/../b.rs", "../../b.rs"),
            ("/../a.rs", "/a.rs"),
            ("a/..", "."),
            ("/", "/"),
            ("", ""),
            ("<autogenerated>", "<autogenerated>"),
        ];
        for (path, cleaned) in cases {
            assert_eq!(clean(path), cleaned, "{path}");
        }
    }
}
