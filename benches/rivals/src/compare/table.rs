//! Writes the tables of docs/overhead.md between their marks.

use super::{clock::Timed, count::Counted};
use std::{fmt::Write as _, fs, path::Path};

const BEGIN: &str = "<!-- begin: written by compare -->\n";
const END: &str = "<!-- end -->\n";

/// A Markdown table with a row for each contender and a column for each workload.
///
/// `cells` are ordered by workload, with `rows` cells for each, the baseline first.
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

/// Writes tables, each with its title, between the marks of a file. Other tables there stay as they
/// are.
///
/// # Errors
///
/// When the file cannot be read or written, or has no marks.
pub fn put(tables: &[(&str, String)], file: &Path) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(failed)?;
    let parts = text.split_once(BEGIN);
    let parts = parts.and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
    let Some((before, (old, after))) = parts else {
        return Err(format!("{} has no place for the tables", file.display()));
    };
    let inside = replaced(old, tables);
    fs::write(file, [before, BEGIN, &inside, END, after].concat()).map_err(failed)
}

/// The sections of `old`, with those of the same title replaced and new ones appended.
fn replaced(old: &str, tables: &[(&str, String)]) -> String {
    let old = old.split("### ").skip(1);
    let mut sections: Vec<(&str, &str)> = old
        .filter_map(|section| section.split_once("\n\n"))
        .collect();
    for (title, table) in tables {
        match sections.iter_mut().find(|(old, _)| old == title) {
            Some((_, section)) => *section = table,
            None => sections.push((title, table)),
        }
    }
    let section = |(title, table): &(&str, &str)| format!("### {title}\n\n{}\n", table.trim_end());
    let sections: Vec<String> = sections.iter().map(section).collect();
    sections.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_table_replaces_its_own_and_no_other() {
        let old = "### Instructions\n\n| 1 |\n\n### Time\n\n| 2 |\n";
        let new = [
            ("Time", "| 3 |\n".to_owned()),
            ("Peak", "| 4 |\n".to_owned()),
        ];
        let inside = replaced(old, &new);
        assert_eq!(
            inside,
            "### Instructions\n\n| 1 |\n\n### Time\n\n| 3 |\n\n### Peak\n\n| 4 |\n"
        );
        assert_eq!(replaced(&inside, &new), inside, "the same again");
        assert_eq!(replaced("", &new[..1]), "### Time\n\n| 3 |\n");
    }
}
