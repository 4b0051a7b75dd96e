//! The table of a [`Top`] as text.
//!
//! The layout is `pprof`'s: flat, flat%, sum%, cum, cum%, name. People and scripts know it. A
//! standard error stands behind each number where one is known.

use super::{
    aligned::{aligned, clamped, share},
    text::{BOLD, GREEN, PLAIN, RED, Text},
    top::{Change, Inlined, Top, TopRow},
    view::Granularity,
};
use crate::{
    Estimate,
    text::units::{Count, clamp},
};

/// Callers of a stack that are shown by default.
const SHOWN_CALLERS: usize = 7;

impl Text {
    /// The header lines, then how much is shown, then the table.
    pub(super) fn render(&self, mut lines: Vec<String>, top: &Top) -> String {
        let shown = match self.rows {
            0 => &top.rows[..],
            rows => top.rows.get(..rows).unwrap_or(&top.rows),
        };
        let accounted = sum(shown);
        lines.push(format!(
            "Showing nodes accounting for {}, {} of {} total",
            self.number(&top.value_type, accounted),
            share(accounted, top.total),
            self.plain(&top.value_type, top.total),
        ));
        if shown.len() < top.rows.len() {
            lines.push(format!(
                "Showing top {} nodes out of {}",
                Count(clamped(shown.len())),
                Count(clamped(top.rows.len()))
            ));
        }
        if !shown.is_empty() {
            lines.extend(self.legend(&top.value_type, top.estimate, top.no_errors.as_deref()));
            lines.extend(self.table(top, shown));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn table(&self, top: &Top, rows: &[TopRow]) -> Vec<String> {
        let with_errors = self.errors && top.estimate.is_some();
        // Flat and cum of a whole stack are the same.
        let with_cum = top.granularity != Granularity::Stacks;
        let columns: &[&str] = match (with_errors, with_cum) {
            (true, true) => &["flat", "±", "flat%", "sum%", "cum", "±", "cum%"],
            (false, true) => &["flat", "flat%", "sum%", "cum", "cum%"],
            (true, false) => &["flat", "±", "flat%", "sum%"],
            (false, false) => &["flat", "flat%", "sum%"],
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
            let error =
                |estimate: Option<Estimate>| estimate.map(|e| self.error(&top.value_type, e));
            let mut line = vec![self.number(&top.value_type, row.flat)];
            line.extend(error(estimates.map(|e| e.flat)));
            line.push(share(row.flat, top.total).to_string());
            line.push(share(clamp(running), top.total).to_string());
            if with_cum {
                line.push(self.number(&top.value_type, row.cum));
                line.extend(error(estimates.map(|e| e.cum)));
                line.push(share(row.cum, top.total).to_string());
            }
            cells.push(line);
        }
        let (aligned, indent) = aligned(&cells);
        let heading = match top.granularity {
            Granularity::Functions => "function",
            Granularity::Lines => "line",
            Granularity::Stacks => "stack",
        };
        let mut lines = Vec::with_capacity(cells.len());
        for (at, cells) in aligned.iter().enumerate() {
            let row = at.checked_sub(1).and_then(|at| rows.get(at));
            let name = row.map_or_else(|| heading.to_owned(), |row| self.name(row));
            lines.push(
                match (self.colors, self.signs, row.map(|row| row.flat.signum())) {
                    (true, _, None) => format!("{BOLD}{cells}{name}{PLAIN}"),
                    (true, true, Some(1)) => format!("{RED}{cells}{PLAIN}{name}"),
                    (true, true, Some(-1)) => format!("{GREEN}{cells}{PLAIN}{name}"),
                    _ => format!("{cells}{name}"),
                },
            );
            lines.extend(row.into_iter().flat_map(|row| self.callers(row, indent)));
        }
        lines
    }

    /// The callers of a stack, a line each, below the function that they call.
    fn callers(&self, row: &TopRow, indent: usize) -> Vec<String> {
        let shown = match row.callers.get(..SHOWN_CALLERS) {
            // The line "and 1 more" would save nothing.
            Some(few) if !self.whole_stacks && row.callers.len() > SHOWN_CALLERS + 1 => few,
            _ => &row.callers[..],
        };
        let indent = " ".repeat(indent);
        let names = shown.iter().map(|name| self.shown_name(name));
        let mut lines: Vec<String> = names.map(|name| format!("{indent}  {name}")).collect();
        let more = row.callers.len() - shown.len();
        if let (1.., Some(root)) = (more, row.callers.last()) {
            let root = self.shown_name(root);
            lines.push(format!("{indent}  and {more} more, up to {root}"));
        }
        lines
    }

    fn name(&self, row: &TopRow) -> String {
        let mark = match row.inlined {
            Inlined::Nowhere => "",
            Inlined::Partly => " (partial-inline)",
            Inlined::Everywhere => " (inline)",
        };
        format!("{}{mark}{}", self.shown_name(&row.name), change(row))
    }

    /// A function's name, and whether it is new or gone.
    pub(super) fn changed_name(&self, row: &TopRow) -> String {
        format!("{}{}", self.shown_name(&row.name), change(row))
    }
}

fn change(row: &TopRow) -> &'static str {
    match row.change {
        Change::None => "",
        Change::Came => " (new)",
        Change::Went => " (gone)",
    }
}

fn sum(rows: &[TopRow]) -> i64 {
    clamp(rows.iter().map(|row| i128::from(row.flat)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Unit, View};
    use crate::{Profile, testing::example::profile};

    fn top(text: &str) -> Top {
        Top::new(
            profile(text, 0)
                .sample_type_at(3)
                .expect("four sample types"),
        )
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
     0 B        0 B      0%  100.00%  1.50 KiB  27.69 KiB   75.00%  a
     0 B        0 B      0%  100.00%  2.00 KiB  31.98 KiB  100.00%  main
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
    fn stacks_show_callers_and_the_number_of_others() {
        let callers: Vec<String> = (0..12).map(|at| format!("a::b::f{at}<T>")).collect();
        let stack = format!("{} / x::y::leaf = 1 1 1 1536", callers.join(" / "));
        let view = View::default().granularity(Granularity::Stacks);
        let top = Top::with(
            profile(&stack, 0)
                .sample_type_at(3)
                .expect("four sample types"),
            &view,
        );
        let text = top.text(&Text::default().short_names());
        let table: Vec<&str> = text.lines().skip(6).collect();
        assert_eq!(table.len(), 10, "{text}");
        assert!(table[0].ends_with("flat%     sum%  stack"), "{text}");
        let start = table[1].find("y::leaf /src/").expect("the leaf");
        // The sign ± takes two bytes, and is in the heading only.
        assert_eq!(table[2].find("b::f11 /src/"), Some(start + 2), "{text}");
        assert_eq!(table[8].find("b::f5 /src/"), Some(start + 2), "{text}");
        assert!(
            table[9].contains("  and 5 more, up to b::f0 /src/"),
            "{text}"
        );
        let whole = top.text(&Text::default().whole_stacks());
        assert_eq!(whole.lines().count(), 6 + 14, "{whole}");
        assert!(whole.contains("  a::b::f0<T> /src/"), "{whole}");
    }

    #[test]
    fn colors_are_around_cells_and_nothing_else_changes() {
        let new = profile("main / a = 1 1 1 1536\n main / b = 1 1 1 12", 0);
        let base = profile("main / a = 1 1 1 512\n main / b = 1 1 1 512", 0);
        let diff = crate::report::Diff::new(&base, new.sample_type_at(3).expect("same types"))
            .expect("same types");
        let plain = diff.text(&Text::default());
        let colored = diff.text(&Text::default().colored());
        for (color, part) in [(BOLD, "flat"), (RED, "+1.00 KiB"), (GREEN, "-500 B")] {
            let line = colored.lines().find(|line| line.starts_with(color));
            assert!(line.is_some_and(|line| line.contains(part)), "{colored}");
        }
        let stripped = [BOLD, RED, GREEN, PLAIN]
            .iter()
            .fold(colored, |text, code| text.replace(code, ""));
        assert_eq!(stripped, plain);
        // Numbers that are not growth have no color.
        let top = Top::new(new.sample_type_at(3).expect("four sample types"));
        assert!(!top.text(&Text::default().colored()).contains(RED));
    }

    #[test]
    fn one_unit_can_be_asked_for() {
        let top = top("main / a = 1 1 1 1536");
        let text = top.text(&Text::default().unit(Unit::KibiBytes).without_errors());
        assert!(text.contains("\n1.50 KiB  100.00%"), "{text}");
        assert!(text.contains("0.00 KiB"), "{text}");
    }

    #[test]
    fn unknown_errors_of_sampled_values_are_mentioned() {
        let mut unstated = profile("main / a = 1 1 1 1536", 0);
        unstated.period = 0;
        let text =
            |profile: &Profile| Top::new(profile.sample_type_at(3).unwrap()).text(&Text::default());
        assert!(text(&unstated).contains(
            "\nStandard errors are not known: the sample interval is given as 0 bytes, so"
        ));
        assert!(!text(&unstated).contains('±'));
        unstated.sample_types[3].kind = "cpu".into();
        assert!(!text(&unstated).contains("tandard error"));
    }

    #[test]
    fn an_empty_report_has_no_table() {
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
        let text =
            Top::new(hostile.sample_type_at(3).expect("four sample types")).text(&Text::default());
        assert!(
            text.contains("\nnote\\r\n") && text.ends_with("  x\\ny\n"),
            "{text}"
        );
        assert!(!text.contains("machine"), "{text}");
    }
}
