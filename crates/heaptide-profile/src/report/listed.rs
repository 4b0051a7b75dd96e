//! A [`Listing`] as text: a table of lines for each function.

use super::{
    aligned::{aligned, share},
    listing::Listing,
    routine::{ListedLine, Routine},
    text::{BOLD, PLAIN, Text},
};
use crate::{ValueType, text::printable::printable};

impl Text {
    /// The whole report.
    pub(super) fn listing(&self, listing: &Listing) -> String {
        let mut lines = listing.header.lines();
        lines.push(format!("Type: {}", printable(&listing.value_type.kind)));
        lines.extend(listing.header.time_line());
        lines.extend(listing.header.duration_line());
        lines.push(format!(
            "Total: {}",
            self.plain(&listing.value_type, listing.total)
        ));
        let no_errors = listing.no_errors.as_deref();
        lines.extend(self.legend(&listing.value_type, listing.estimate, no_errors));
        for routine in &listing.routines {
            lines.push(String::new());
            lines.extend(self.routine(listing, routine));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn routine(&self, listing: &Listing, routine: &Routine) -> Vec<String> {
        let value_type = &listing.value_type;
        let name = self.shown_name(&routine.name);
        let place = match &*routine.file {
            "" => String::new(),
            file => format!(" in {}", printable(file)),
        };
        let title = format!("{name}{place}");
        let estimates = routine.estimates.filter(|_| self.errors);
        let number = |value, estimate: Option<_>| {
            let value = self.number(value_type, value);
            match estimate {
                Some(estimate) => format!("{value} ± {}", self.error(value_type, estimate)),
                None => value,
            }
        };
        let mut lines = vec![
            if self.colors {
                format!("{BOLD}{title}{PLAIN}")
            } else {
                title
            },
            format!(
                "flat {}, cum {}, {} of the total",
                number(routine.flat, estimates.map(|e| e.flat)),
                number(routine.cum, estimates.map(|e| e.cum)),
                share(routine.cum, listing.total)
            ),
        ];
        if let Some(reason) = &routine.missing {
            lines.push(format!("Source: {}", printable(reason)));
        }
        let with_errors = self.errors && listing.estimate.is_some();
        let headings: &[&str] = if with_errors {
            &["flat", "±", "cum", "±", "line"]
        } else {
            &["flat", "cum", "line"]
        };
        let mut cells: Vec<Vec<String>> =
            vec![headings.iter().copied().map(String::from).collect()];
        let rows = routine.lines.iter();
        cells.extend(rows.map(|line| self.line_cells(value_type, line, with_errors)));
        let (aligned, _) = aligned(&cells);
        let texts = routine.lines.iter().map(|line| {
            let text = line.text.as_deref().unwrap_or_default();
            printable(&text.replace('\t', "    "))
        });
        let texts = std::iter::once("source".to_owned()).chain(texts);
        let table = aligned.iter().zip(texts);
        lines.extend(table.map(|(cells, text)| format!("{cells}{text}").trim_end().to_owned()));
        lines
    }

    fn line_cells(
        &self,
        value_type: &ValueType,
        line: &ListedLine,
        with_errors: bool,
    ) -> Vec<String> {
        let number = |value| match value {
            0 => ".".to_owned(),
            value => self.number(value_type, value),
        };
        let estimates = line.estimates;
        let error = |value, estimate: Option<_>| {
            let estimate = estimate.filter(|_| value != 0);
            with_errors.then(|| estimate.map_or_else(String::new, |e| self.error(value_type, e)))
        };
        let mut cells = vec![number(line.flat)];
        cells.extend(error(line.flat, estimates.map(|e| e.flat)));
        cells.push(number(line.cum));
        cells.extend(error(line.cum, estimates.map(|e| e.cum)));
        cells.push(match line.number {
            0 => "?".to_owned(),
            number => number.to_string(),
        });
        cells
    }
}
