//! The rows of a table: named and sorted as `pprof` does, without those that hold nothing.
//!
//! Whole stacks are summed up here too, since they only need a name each.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use super::{
    column::ReportColumn,
    places::Places,
    tally::{Node, Tally},
    top::{Change, Inlined, TopRow},
    view::View,
};
use crate::text::units::clamp;

/// What the rows of a table are made of.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) view: View,
    pub(super) has_errors: bool,
    pub(super) is_difference: bool,
}

impl Rows {
    /// The rows of functions or lines, each with its node's number.
    pub(super) fn of_nodes(self, tally: &Tally<'_>, names: &[Arc<str>]) -> Vec<(usize, TopRow)> {
        let nodes = tally.nodes.iter().zip(tally.inlined()).zip(names);
        let rows = nodes
            .enumerate()
            .filter_map(|(at, ((node, inlined), name))| {
                let row = self.row(node, name, Vec::new(), inlined)?;
                Some((at, row))
            });
        self.sorted(rows.collect())
    }

    /// The rows of whole stacks. A sample without a stack has no row.
    pub(super) fn of_stacks(
        self,
        column: &ReportColumn<'_>,
        places: &Places<Arc<str>>,
    ) -> Vec<TopRow> {
        let mut stacks: Vec<(Vec<usize>, Node)> = Vec::new();
        let mut known: HashMap<Vec<usize>, usize> = HashMap::new();
        for (sample, amount) in column.amounts() {
            let lines = sample.locations.iter();
            let lines = lines.filter_map(|id| places.locations.get(id.index()));
            let stack: Vec<usize> = lines.flatten().copied().collect();
            let at = *known.entry(stack).or_insert_with_key(|stack| {
                stacks.push((stack.clone(), Node::default()));
                stacks.len() - 1
            });
            if let Some((_, node)) = stacks.get_mut(at) {
                node.add_cum(amount);
                node.add_flat(amount);
            }
        }
        let rows = stacks.iter().filter_map(|(stack, node)| {
            let mut names = stack.iter().filter_map(|&at| places.keys.get(at)).cloned();
            let name = names.next()?;
            let row = self.row(node, &name, names.collect(), Inlined::Nowhere)?;
            Some((0, row))
        });
        let rows = self.sorted(rows.collect());
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn row(
        self,
        node: &Node,
        name: &Arc<str>,
        callers: Vec<Arc<str>>,
        inlined: Inlined,
    ) -> Option<TopRow> {
        let holds_something = node.flat != 0 || node.cum != 0;
        holds_something.then(|| TopRow {
            name: Arc::clone(name),
            callers,
            flat: clamp(node.flat),
            cum: clamp(node.cum),
            inlined,
            change: if self.is_difference {
                node.change()
            } else {
                Change::None
            },
            estimates: self.has_errors.then_some(node.estimates),
        })
    }

    fn sorted(self, mut rows: Vec<(usize, TopRow)>) -> Vec<(usize, TopRow)> {
        rows.sort_by(|(_, a), (_, b)| {
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
