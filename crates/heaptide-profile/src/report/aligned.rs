//! Tables of numbers, aligned to the right.
//!
//! Every table needs it.

use crate::text::units::Share;

/// Pads each cell to the widest of its column, with two spaces between columns.
///
/// Returns the rows and their width. A row may have fewer cells than others.
pub(super) fn aligned(rows: &[Vec<String>]) -> (Vec<String>, usize) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let widths = rows.iter().filter_map(|row| row.get(column));
        widths.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells = cells.map(|(cell, width)| format!("{cell:>width$}  "));
        cells.collect()
    };
    let indent = widths.iter().map(|width| width + 2).sum();
    (rows.iter().map(line).collect(), indent)
}

pub(super) fn share(part: i64, total: i64) -> Share {
    Share { part, total }
}

pub(super) fn clamped(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
