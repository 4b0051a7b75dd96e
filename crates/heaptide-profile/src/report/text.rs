//! How a report is written: how many rows, which numbers, which names.
//!
//! Numbers, errors and names look the same in every report because they are written here. Each
//! report has a file for its layout.

use super::{names::shorten, unit::Unit, value::ShownValue};
use crate::{Estimate, ValueType, text::printable::printable};

/// Rows that are shown by default: a screenful with its header.
const DEFAULT_ROWS: usize = 20;

/// Control sequences for a terminal: ECMA-48, select graphic rendition.
pub(super) const BOLD: &str = "\x1b[1m";
pub(super) const RED: &str = "\x1b[31m";
pub(super) const GREEN: &str = "\x1b[32m";
pub(super) const PLAIN: &str = "\x1b[0m";

/// How a report is written.
///
/// # Examples
///
/// ```
/// use heaptide_profile::report::Text;
///
/// let for_a_script = Text::default().rows(0).exact_numbers();
/// ```
#[derive(Clone, Debug)]
pub struct Text {
    pub(super) rows: usize,
    pub(super) exact: bool,
    short: bool,
    pub(super) signs: bool,
    pub(super) errors: bool,
    pub(super) colors: bool,
    pub(super) whole_stacks: bool,
    pub(super) unit: Unit,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            rows: DEFAULT_ROWS,
            exact: false,
            short: false,
            signs: false,
            errors: true,
            colors: false,
            whole_stacks: false,
            unit: Unit::Fitting,
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

    /// Writes plain integers in the profile's own unit, without separators.
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

    /// Leaves out the standard errors. The table has exactly `pprof`'s layout then.
    #[must_use]
    pub fn without_errors(mut self) -> Self {
        self.errors = false;
        self
    }

    /// Writes all bytes in one unit.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// Shows all callers of a stack. The default is the 7 innermost.
    #[must_use]
    pub fn whole_stacks(mut self) -> Self {
        self.whole_stacks = true;
        self
    }

    /// Adds colors for a terminal: headings in bold, and in a difference growth in red and
    /// shrinkage in green.
    #[must_use]
    pub fn colored(mut self) -> Self {
        self.colors = true;
        self
    }

    /// Shows the sign of growth too.
    pub(super) fn with_signs(&self) -> Self {
        Self {
            signs: true,
            ..self.clone()
        }
    }

    /// A value with its unit, and with its sign where signs are shown.
    pub(super) fn number(&self, value_type: &ValueType, value: i64) -> String {
        match (self.exact, self.signs) {
            (true, true) if value > 0 => format!("{value:+}"),
            (true, _) => value.to_string(),
            (false, true) => format!("{:+}", self.scaled(value_type, value)),
            (false, false) => self.scaled(value_type, value).to_string(),
        }
    }

    /// A value that is not a difference.
    pub(super) fn plain(&self, value_type: &ValueType, value: i64) -> String {
        if self.exact {
            value.to_string()
        } else {
            self.scaled(value_type, value).to_string()
        }
    }

    /// Explains ± and gives that of the total.
    pub(super) fn legend(
        &self,
        value_type: &ValueType,
        estimate: Option<Estimate>,
        no_errors: Option<&str>,
    ) -> Option<String> {
        if !self.errors {
            return None;
        }
        if let Some(reason) = no_errors {
            return Some(format!(
                "Standard errors are not known: {}",
                printable(reason)
            ));
        }
        let error = self.error(value_type, estimate?);
        Some(format!(
            "± is one standard error of sampling; of all together {error}"
        ))
    }

    /// A standard error in the unit of the numbers. It is never rounded down to nothing.
    pub(super) fn error(&self, value_type: &ValueType, estimate: Estimate) -> String {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounded, and saturating beyond the range"
        )]
        let error = estimate.standard_error.ceil() as i64;
        self.plain(value_type, error)
    }

    fn scaled<'a>(&self, value_type: &'a ValueType, value: i64) -> ShownValue<'a> {
        ShownValue {
            value,
            value_type,
            unit: self.unit,
        }
    }

    /// The name of a function or a line, made fit for a terminal.
    pub(super) fn shown_name(&self, name: &str) -> String {
        if !self.short {
            return printable(name);
        }
        // Only the function of a line is shortened. A function's name may have spaces too.
        let place = name.rsplit_once(' ').filter(|(_, end)| {
            let line = end.rsplit_once(':').map_or("", |(_, line)| line);
            !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit())
        });
        printable(&match place {
            Some((function, place)) => format!("{} {place}", shorten(function)),
            None => shorten(name),
        })
    }
}
