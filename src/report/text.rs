//! Reports as aligned text, and the choices one has: how many rows, which numbers, which names.
//!
//! The layout is `pprof`'s (flat, flat%, sum%, cum, cum%, name), which people and scripts know, with a
//! standard error behind each number where one is known.

use super::{
    names::shorten,
    top::{Inlined, Top, TopRow},
    value::Value,
};
use crate::{
    printable::printable,
    profile::Estimate,
    units::{Count, Share, clamp},
};

/// Rows shown unless told otherwise: a screenful with its header.
const DEFAULT_ROWS: usize = 20;

/// How a report is written.
///
/// # Examples
///
/// ```
/// use heaptide::report::Text;
///
/// let for_a_script = Text::default().rows(0).exact_numbers();
/// ```
#[derive(Clone, Debug)]
pub struct Text {
    rows: usize,
    exact: bool,
    short: bool,
    signs: bool,
    errors: bool,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            rows: DEFAULT_ROWS,
            exact: false,
            short: false,
            signs: false,
            errors: true,
        }
    }
}

impl Text {
    /// Shows the first `rows` functions, 20 unless set; 0 shows all.
    #[must_use]
    pub fn rows(mut self, rows: usize) -> Self {
        self.rows = rows;
        self
    }

    /// Writes plain integers, without unit and separators, in the unit the profile counts in.
    #[must_use]
    pub fn exact_numbers(mut self) -> Self {
        self.exact = true;
        self
    }

    /// Shortens function names with [`shorten`].
    #[must_use]
    pub fn short_names(mut self) -> Self {
        self.short = true;
        self
    }

    /// Leaves out the standard errors: the table is then exactly laid out as `pprof`'s.
    #[must_use]
    pub fn without_errors(mut self) -> Self {
        self.errors = false;
        self
    }

    /// Shows the sign of what has grown as well.
    pub(super) fn with_signs(&self) -> Self {
        Self {
            signs: true,
            ..self.clone()
        }
    }

    /// `lines`, then how much is shown, then the table.
    pub(super) fn render(&self, mut lines: Vec<String>, top: &Top) -> String {
        let shown = match self.rows {
            0 => &top.rows[..],
            rows => top.rows.get(..rows).unwrap_or(&top.rows),
        };
        let accounted = sum(shown);
        lines.push(format!(
            "Showing nodes accounting for {}, {} of {} total",
            self.number(top, accounted),
            share(accounted, top.total),
            self.plain(top, top.total),
        ));
        if shown.len() < top.rows.len() {
            lines.push(format!(
                "Showing top {} nodes out of {}",
                Count(clamped(shown.len())),
                Count(clamped(top.rows.len()))
            ));
        }
        if !shown.is_empty() {
            lines.extend(self.errors.then(|| self.legend(top)).flatten());
            lines.extend(self.table(top, shown));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// A value with its unit, and with its sign where signs are shown.
    pub(super) fn number(&self, top: &Top, value: i64) -> String {
        match (self.exact, self.signs) {
            (true, true) if value > 0 => format!("{value:+}"),
            (true, _) => value.to_string(),
            (false, true) => format!("{:+}", self.scaled(top, value)),
            (false, false) => self.scaled(top, value).to_string(),
        }
    }

    /// A value that is no difference.
    pub(super) fn plain(&self, top: &Top, value: i64) -> String {
        if self.exact {
            value.to_string()
        } else {
            self.scaled(top, value).to_string()
        }
    }

    /// What ± means, and that of the total.
    fn legend(&self, top: &Top) -> Option<String> {
        if let Some(reason) = &top.no_errors {
            return Some(format!(
                "Standard errors are not known: {}",
                printable(reason)
            ));
        }
        let error = self.error(top, top.estimate?);
        Some(format!(
            "± is one standard error of sampling; of all together {error}"
        ))
    }

    /// A standard error in the unit of the numbers; never rounded down to nothing.
    fn error(&self, top: &Top, estimate: Estimate) -> String {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounded, and saturating beyond the range"
        )]
        let error = estimate.standard_error.ceil() as i64;
        self.plain(top, error)
    }

    fn scaled<'a>(&self, top: &'a Top, value: i64) -> Value<'a> {
        let value_type = &top.value_type;
        Value { value, value_type }
    }

    fn table(&self, top: &Top, rows: &[TopRow]) -> Vec<String> {
        let with_errors = self.errors && top.estimate.is_some();
        let columns: &[&str] = if with_errors {
            &["flat", "±", "flat%", "sum%", "cum", "±", "cum%"]
        } else {
            &["flat", "flat%", "sum%", "cum", "cum%"]
        };
        let mut cells = vec![
            columns
                .iter()
                .copied()
                .map(String::from)
                .collect::<Vec<_>>(),
        ];
        let mut running: i128 = 0;
        for row in rows {
            running += i128::from(row.flat);
            let estimates = row.estimates.filter(|_| with_errors);
            let error = |estimate: Option<Estimate>| estimate.map(|e| self.error(top, e));
            let mut line = vec![self.number(top, row.flat)];
            line.extend(error(estimates.map(|e| e.flat)));
            line.push(share(row.flat, top.total).to_string());
            line.push(share(clamp(running), top.total).to_string());
            line.push(self.number(top, row.cum));
            line.extend(error(estimates.map(|e| e.cum)));
            line.push(share(row.cum, top.total).to_string());
            cells.push(line);
        }
        let width = |column: usize| {
            let widths = cells.iter().filter_map(|row| row.get(column));
            widths.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns.len()).map(width).collect();
        let names = std::iter::once("function".into()).chain(rows.iter().map(|row| self.name(row)));
        cells
            .iter()
            .zip(names)
            .map(|(row, name): (_, String)| {
                let cells = row.iter().zip(&widths);
                let cells: String = cells
                    .map(|(cell, width)| format!("{cell:>width$}  "))
                    .collect();
                format!("{cells}{name}")
            })
            .collect()
    }

    fn name(&self, row: &TopRow) -> String {
        let mark = match row.inlined {
            Inlined::Nowhere => "",
            Inlined::Partly => " (partial-inline)",
            Inlined::Everywhere => " (inline)",
        };
        let name = if self.short {
            shorten(&row.name)
        } else {
            row.name.to_string()
        };
        format!("{}{mark}", printable(&name))
    }
}

fn share(part: i64, total: i64) -> Share {
    Share { part, total }
}

fn sum(rows: &[TopRow]) -> i64 {
    clamp(rows.iter().map(|row| i128::from(row.flat)).sum())
}

fn clamped(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Profile, profile::example::profile};

    fn top(text: &str) -> Top {
        Top::new(&profile(text, 0), 3).expect("four sample types")
    }

    #[test]
    fn the_table_is_aligned() {
        let top = top("main / a // b = 1 1 1 1536\n main / c = 1 1 1 512");
        let expected = "\
File: server
Build ID: BUILD
Type: inuse_space
Time: 2023-11-14 22:13:20 UTC
Showing nodes accounting for 2.00 KiB, 100.00% of 2.00 KiB total
± is one standard error of sampling; of all together 31.98 KiB
    flat          ±   flat%     sum%       cum          ±     cum%  function
1.50 KiB  27.69 KiB  75.00%   75.00%  1.50 KiB  27.69 KiB   75.00%  b (inline)
   512 B  16.00 KiB  25.00%  100.00%     512 B  16.00 KiB   25.00%  c
     0 B        0 B      0%  100.00%  2.00 KiB  31.98 KiB  100.00%  main
     0 B        0 B      0%  100.00%  1.50 KiB  27.69 KiB   75.00%  a
";
        let text = top.text(&Text::default());
        let build_id = text
            .lines()
            .find_map(|line| line.strip_prefix("Build ID: "));
        assert_eq!(
            text.replace(build_id.expect("it has one"), "BUILD"),
            expected
        );
    }

    #[test]
    fn rows_and_numbers_can_be_chosen() {
        let top = top("main / a::b::c = 1 1 1 1536\n main / c = 1 1 1 512");
        let choices = Text::default().rows(1).exact_numbers().short_names();
        let text = top.text(&choices);
        assert!(text.ends_with(
            "flat      ±   flat%    sum%   cum      ±    cum%  function\n\
             1536  28358  75.00%  75.00%  1536  28358  75.00%  b::c\n"
        ));
        let text = top.text(&choices.without_errors());
        let tail: Vec<&str> = text.lines().skip(4).collect();
        let expected = [
            "Showing nodes accounting for 1536, 75.00% of 2048 total",
            "Showing top 1 nodes out of 3",
            "flat   flat%    sum%   cum    cum%  function",
            "1536  75.00%  75.00%  1536  75.00%  b::c",
        ];
        assert_eq!(tail, expected);
        assert_eq!(top.text(&Text::default().rows(0)).lines().count(), 10);
    }

    #[test]
    fn an_error_that_is_not_known_is_said_to_be_so_where_one_would_be_expected() {
        let mut unstated = profile("main / a = 1 1 1 1536", 0);
        unstated.period = 0;
        let text = |profile: &Profile| Top::new(profile, 3).unwrap().text(&Text::default());
        assert!(text(&unstated).contains(
            "\nStandard errors are not known: the sample interval is given as 0 bytes, so"
        ));
        assert!(!text(&unstated).contains('±'));
        unstated.sample_types[3].kind = "cpu".into();
        assert!(!text(&unstated).contains("tandard error"));
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        let text = top("").text(&Text::default());
        assert!(
            text.ends_with("\nShowing nodes accounting for 0 B, 0% of 0 B total\n"),
            "{text}"
        );
    }

    #[test]
    fn names_cannot_write_lines_or_commands() {
        let mut hostile = profile("main = 1 1 1 1", 0);
        hostile.functions[0].name = "x\ny".into();
        hostile.comments = vec!["note\r".into(), "#machine".into()];
        let text = Top::new(&hostile, 3)
            .expect("four sample types")
            .text(&Text::default());
        assert!(
            text.contains("\nnote\\r\n") && text.ends_with("  x\\ny\n"),
            "{text}"
        );
        assert!(!text.contains("machine"), "{text}");
    }
}
