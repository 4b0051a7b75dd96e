//! A [`CallGraph`] as text: each function between its callers and callees.
//!
//! It shows `pprof -tree` in the columns of a table of functions. The value of a call stands below
//! `cum`, with its share of the function's `cum`.

use super::{
    aligned::{aligned, clamped, share},
    graph::{Call, CallGraph},
    text::{BOLD, PLAIN, Text},
    view::Granularity,
};
use crate::{
    Estimate,
    text::printable::printable,
    text::units::{Count, clamp},
};

/// A line of the table: its cells, the text behind them, and whether it is the line of a function.
struct TreeLine {
    cells: Vec<String>,
    name: String,
    is_node: bool,
}

impl Text {
    /// The whole report.
    pub(super) fn tree(&self, graph: &CallGraph) -> String {
        let mut lines = graph.header.lines();
        lines.push(format!("Type: {}", printable(&graph.value_type.kind)));
        lines.extend(graph.header.time_line());
        lines.extend(graph.header.duration_line());
        let flat = graph.nodes.iter().map(|node| i128::from(node.row.flat));
        let accounted = clamp(flat.sum());
        lines.push(format!(
            "Showing nodes accounting for {}, {} of {} total",
            self.number(&graph.value_type, accounted),
            share(accounted, graph.total),
            self.plain(&graph.value_type, graph.total),
        ));
        lines.extend(self.dropped(graph));
        if !graph.nodes.is_empty() {
            lines.extend(self.legend(
                &graph.value_type,
                graph.estimate,
                graph.no_errors.as_deref(),
            ));
            lines.push(
                "from a caller, to a callee: what the call carries, and its share of cum"
                    .to_owned(),
            );
            lines.extend(self.blocks(graph));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// What was left out, a line for each kind.
    fn dropped(&self, graph: &CallGraph) -> Vec<String> {
        let dropped = &graph.dropped;
        let mut lines = Vec::new();
        let plural = |count: usize, one: &str| {
            let end = if count == 1 { "" } else { "s" };
            format!("{} {one}{end}", Count(clamped(count)))
        };
        if dropped.small_nodes > 0 {
            lines.push(format!(
                "Left out: {} (cum below {})",
                plural(dropped.small_nodes, "node"),
                self.plain(&graph.value_type, dropped.least_node)
            ));
        }
        if dropped.small_calls > 0 {
            lines.push(format!(
                "Left out: {} (below {})",
                plural(dropped.small_calls, "call"),
                self.plain(&graph.value_type, dropped.least_call)
            ));
        }
        if dropped.nodes_beyond > 0 {
            lines.push(format!(
                "Left out: {} behind the first ones",
                plural(dropped.nodes_beyond, "node")
            ));
        }
        let calls = graph.nodes.iter().flat_map(|node| &node.callees);
        if calls.into_iter().any(|call| call.is_indirect) {
            lines.push("(indirect): nodes that were left out lie between".into());
        }
        lines
    }

    fn blocks(&self, graph: &CallGraph) -> Vec<String> {
        let with_errors = self.errors && graph.estimate.is_some();
        let columns: &[&str] = if with_errors {
            &["flat", "±", "flat%", "sum%", "cum", "±", "cum%"]
        } else {
            &["flat", "flat%", "sum%", "cum", "cum%"]
        };
        let heading = match graph.granularity {
            Granularity::Functions | Granularity::Stacks => "function",
            Granularity::Lines => "line",
        };
        let mut blocks = Vec::with_capacity(graph.nodes.len());
        let mut running: i128 = 0;
        for node in &graph.nodes {
            let row = &node.row;
            running += i128::from(row.flat);
            let estimates = row.estimates.filter(|_| with_errors);
            let error = |estimate: Option<Estimate>| {
                estimate.map(|estimate| self.error(&graph.value_type, estimate))
            };
            let mut cells = vec![self.number(&graph.value_type, row.flat)];
            cells.extend(error(estimates.map(|e| e.flat)));
            cells.push(share(row.flat, graph.total).to_string());
            cells.push(share(clamp(running), graph.total).to_string());
            cells.push(self.number(&graph.value_type, row.cum));
            cells.extend(error(estimates.map(|e| e.cum)));
            cells.push(share(row.cum, graph.total).to_string());
            let call = |way: &str, call: &Call| {
                // The cells before the numbers of the whole are empty.
                let mut cells = vec![String::new(); if with_errors { 4 } else { 3 }];
                cells.push(self.number(&graph.value_type, call.value));
                cells.extend(error(call.estimate.filter(|_| with_errors)));
                cells.push(share(call.value, row.cum).to_string());
                let inlined = if call.is_inlined { " (inline)" } else { "" };
                let indirect = if call.is_indirect { " (indirect)" } else { "" };
                TreeLine {
                    cells,
                    name: format!("  {way} {}{inlined}{indirect}", self.shown_name(&call.name)),
                    is_node: false,
                }
            };
            let mut block: Vec<TreeLine> = node.callers.iter().map(|c| call("from", c)).collect();
            block.push(TreeLine {
                cells,
                name: self.changed_name(row),
                is_node: true,
            });
            block.extend(node.callees.iter().map(|c| call("to", c)));
            blocks.push(block);
        }
        let headings = columns.iter().copied().map(String::from).collect();
        let mut cells: Vec<Vec<String>> = vec![headings];
        let all = || blocks.iter().flatten();
        cells.extend(all().map(|line| line.cells.clone()));
        let (aligned, width) = aligned(&cells);
        let mut aligned = aligned.into_iter();
        let rule = "-".repeat(width + heading.len());
        let head = format!("{}{heading}", aligned.next().unwrap_or_default());
        let mut lines = vec![if self.colors {
            format!("{BOLD}{head}{PLAIN}")
        } else {
            head
        }];
        for block in &blocks {
            lines.push(rule.clone());
            for (line, cells) in block.iter().zip(&mut aligned) {
                let line_text = format!("{cells}{}", line.name);
                lines.push(if self.colors && line.is_node {
                    format!("{BOLD}{line_text}{PLAIN}")
                } else {
                    line_text
                });
            }
        }
        lines
    }
}
