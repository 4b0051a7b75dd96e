//! The tables of docs/overhead.md, and their place in it.

use super::{clock::Timed, count::Counted};
use std::{fmt::Write as _, fs, path::Path};

const BEGIN: &str = "<!-- begin: written by compare -->\n";
const END: &str = "<!-- end -->\n";

/// A Markdown table with a row for each contender and a column for each workload. `cells` come a workload
/// after the other, `rows` to each, the baseline first.
#[must_use]
fn table<C>(
    cells: &[C],
    rows: usize,
    names: impl Fn(&C) -> (&'static str, &'static str),
    unit: &str,
    own: impl Fn(&C) -> String,
    against: impl Fn(&C, &C) -> String,
) -> String {
    let mut text = String::from("| |");
    let columns: Vec<&[C]> = cells.chunks_exact(rows).collect();
    for column in &columns {
        let _ = write!(text, " {} |", names(&column[0]).1);
    }
    let _ = write!(text, "\n|---|{}\n| {unit} |", "---|".repeat(columns.len()));
    for column in &columns {
        let _ = write!(text, " {} |", own(&column[0]));
    }
    for row in 1..rows {
        let _ = write!(text, "\n| {} |", names(&columns[0][row]).0);
        for column in &columns {
            let _ = write!(text, " {} |", against(&column[row], &column[0]));
        }
    }
    text.push('\n');
    text
}

/// Instructions.
#[must_use]
pub fn counts(cells: &[Counted], rows: usize) -> String {
    table(
        cells,
        rows,
        |cell| (cell.contender.title, cell.workload.title()),
        "jemalloc, instructions per operation",
        |cell| format!("{:.0}", cell.mean()),
        |cell, base| {
            let [ratio, ..] = cell.over(base);
            format!("{ratio:.3}")
        },
    )
}

/// Seconds.
#[must_use]
pub fn times(cells: &[Timed], rows: usize) -> String {
    table(
        cells,
        rows,
        |cell| (cell.contender.title, cell.workload.title()),
        "jemalloc, ns per operation",
        |cell| format!("{:.0}", cell.least_nanoseconds()),
        |cell, base| {
            let [median, low, high] = cell.over(base);
            format!("{median:.2} ({low:.2} to {high:.2})")
        },
    )
}

/// Peak memory.
#[must_use]
pub fn peaks(cells: &[Timed], rows: usize) -> String {
    let mib = |cell: &Timed| format!("{:.1}", cell.peak_mib);
    table(
        cells,
        rows,
        |cell| (cell.contender.title, cell.workload.title()),
        "jemalloc, MiB",
        mib,
        |cell, _| mib(cell),
    )
}

/// Puts the tables between the marks of a file.
///
/// # Errors
///
/// When the file cannot be read or written, or has no marks.
pub fn put(tables: &str, file: &Path) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(failed)?;
    let parts = text.split_once(BEGIN);
    let parts = parts.and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else {
        return Err(format!("{} has no place for the tables", file.display()));
    };
    let text = [before, BEGIN, "\n", tables, "\n", END, after].concat();
    fs::write(file, text).map_err(failed)
}
