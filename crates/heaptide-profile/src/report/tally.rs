//! Sums under construction: from samples to nodes and the calls between them.
//!
//! Counting follows `go tool pprof` to the unit. A sample counts once for each node on its stack,
//! and once for each call between two of them, however often these recur. If only some nodes are
//! kept, everything between two of them is one call. The values of the nodes come from a tally that
//! keeps all. This module does not know what nodes are, their names or their order.

use std::collections::HashMap;

use super::{
    column::Amount,
    top::{Change, Inlined, RowEstimates},
};
use crate::{Estimate, Sample};

/// Sums under construction. Nodes are numbers.
pub(super) struct Tally<'a> {
    /// The nodes of each location's lines, innermost first.
    locations: &'a [Vec<usize>],
    /// Whether each node is kept; `None` keeps all.
    kept: Option<&'a [bool]>,
    samples: usize,
    /// The sums of each node.
    pub(super) nodes: Vec<Node>,
    /// The sums of each pair of caller and callee.
    pub(super) calls: HashMap<(usize, usize), CallSum>,
}

/// The sums of a node.
#[derive(Clone, Default)]
pub(super) struct Node {
    pub(super) flat: i128,
    pub(super) cum: i128,
    pub(super) estimates: RowEstimates,
    /// Whether it holds anything in a difference's base, and in the new profile.
    is_in_base: bool,
    is_in_new: bool,
    last_sample: Option<usize>,
}

/// The sums of a call.
pub(super) struct CallSum {
    pub(super) value: i128,
    pub(super) estimate: Estimate,
    /// Whether it is inlined wherever it occurs. Within a sample the outermost occurrence decides,
    /// as in `pprof`.
    pub(super) is_inlined: bool,
    /// Whether nodes that are not kept lie between, on some stack.
    pub(super) is_residual: bool,
    last_sample: Option<usize>,
}

impl<'a> Tally<'a> {
    /// Sums over `nodes` nodes. `locations` says which nodes each location has.
    pub(super) fn new(locations: &'a [Vec<usize>], nodes: usize) -> Self {
        Self {
            locations,
            kept: None,
            samples: 0,
            nodes: vec![Node::default(); nodes],
            calls: HashMap::new(),
        }
    }

    /// The same for some of the nodes only.
    pub(super) fn keeping(mut self, kept: &'a [bool]) -> Self {
        self.kept = Some(kept);
        self
    }

    pub(super) fn add(&mut self, sample: &Sample, amount: Amount) {
        let at = self.samples;
        self.samples += 1;
        let mut caller = None;
        let mut is_residual = false;
        for id in sample.locations.iter().rev() {
            let Some(lines) = self.locations.get(id.index()) else {
                continue;
            };
            for (depth, &node) in lines.iter().rev().enumerate() {
                let is_kept = |kept: &[bool]| kept.get(node).copied().unwrap_or(false);
                if !self.kept.is_none_or(is_kept) {
                    is_residual = true;
                    continue;
                }
                if let Some(sums) = self.nodes.get_mut(node)
                    && sums.last_sample != Some(at)
                {
                    sums.last_sample = Some(at);
                    sums.add_cum(amount);
                }
                if let Some(caller) = caller
                    && caller != node
                {
                    let call = self.calls.entry((caller, node)).or_default();
                    call.add(at, amount, depth > 0, is_residual);
                }
                caller = Some(node);
                is_residual = false;
            }
        }
        if let Some(leaf) = caller.and_then(|node| self.nodes.get_mut(node)) {
            leaf.add_flat(amount);
        }
    }

    /// Whether the calls of each node were inlined.
    pub(super) fn inlined(&self) -> Vec<Inlined> {
        let mut found = vec![(false, false); self.nodes.len()];
        #[expect(
            clippy::iter_over_hash_type,
            reason = "an `or` over all calls has no order"
        )]
        for ((_, callee), call) in &self.calls {
            if let Some((some, not_all)) = found.get_mut(*callee) {
                *some |= call.is_inlined;
                *not_all |= !call.is_inlined;
            }
        }
        let found = found.into_iter().map(|found| match found {
            (false, _) => Inlined::Nowhere,
            (true, true) => Inlined::Partly,
            (true, false) => Inlined::Everywhere,
        });
        found.collect()
    }
}

impl Node {
    /// Whether it is new or gone. It has a meaning in a difference only.
    pub(super) fn change(&self) -> Change {
        match (self.is_in_base, self.is_in_new) {
            (false, true) => Change::Came,
            (true, false) => Change::Went,
            _ => Change::None,
        }
    }

    pub(super) fn add_cum(&mut self, amount: Amount) {
        self.cum += amount.value;
        self.estimates.cum = self.estimates.cum + amount.estimate;
        if amount.value != 0 {
            self.is_in_base |= amount.is_base;
            self.is_in_new |= !amount.is_base;
        }
    }

    pub(super) fn add_flat(&mut self, amount: Amount) {
        self.flat += amount.value;
        self.estimates.flat = self.estimates.flat + amount.estimate;
    }
}

impl CallSum {
    fn add(&mut self, at: usize, amount: Amount, is_inlined: bool, is_residual: bool) {
        if self.last_sample == Some(at) {
            return;
        }
        self.last_sample = Some(at);
        self.value += amount.value;
        self.estimate = self.estimate + amount.estimate;
        self.is_inlined &= is_inlined;
        self.is_residual |= is_residual;
    }
}

/// A call before its first sample. Nothing shows yet that it is not inlined.
impl Default for CallSum {
    fn default() -> Self {
        Self {
            value: 0,
            estimate: Estimate::default(),
            is_inlined: true,
            is_residual: false,
            last_sample: None,
        }
    }
}
