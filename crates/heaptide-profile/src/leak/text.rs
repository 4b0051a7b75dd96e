//! The verdict as text for people.
//!
//! Separate from `verdict`, which is for programs: this text may change.

use std::fmt;
use std::ops::RangeInclusive;

use super::verdict::{Leak, NotAccused, NotAccusedReason, Verdict};
use crate::Estimate;
use crate::text::printable::printable;
use crate::text::units::{Bytes, PlusMinus};

/// How many stacks that are not accused the text lists: those with most live bytes, then those that
/// allocated most.
const LISTED: usize = 6;

/// How many frames of a leak's stack the text shows, from the leaf on. They usually reach the
/// handler of a request.
const SHOWN_FRAMES: usize = 8;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for leak in &self.leaks {
            writeln!(f, "leak: {leak}")?;
            leak.write_stack(f)?;
            writeln!(f)?;
        }
        if self.leaks.is_empty() {
            writeln!(
                f,
                "no leak found: one of {} or more on a call stack of its own would have stood out \
                 nine times out of ten\n",
                per_time(self.smallest_leak, self.smallest_leak)
            )?;
        }
        if !self.not_accused.is_empty() {
            writeln!(f, "not accused:")?;
            for stack in self.not_accused.iter().take(LISTED) {
                writeln!(f, "    {stack}")?;
            }
            let more = self.not_accused.len().saturating_sub(LISTED);
            if more > 0 {
                let hold = if more == 1 { "holds" } else { "hold" };
                writeln!(f, "    and {more} more that {hold} less")?;
            }
            writeln!(f)?;
        }
        write!(
            f,
            "{} call stack{} tried, false discovery rate {} %, {} snapshots over {:.1} s; ± is \
             one standard error",
            self.stacks_tried,
            end(self.stacks_tried),
            self.false_discovery_rate * 100.0,
            self.snapshots,
            self.span.as_secs_f64(),
        )?;
        if self.snapshots == 2 {
            f.write_str("; two snapshots cannot tell a leak from what is still filling up")?;
        }
        writeln!(f)?;
        for note in &self.notes {
            writeln!(f, "note: {}", printable(note))?;
        }
        Ok(())
    }
}

impl Leak {
    /// Writes the stack from the leaf on: its innermost frames, or all of them with `{:#}`.
    fn write_stack(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stack = &self.trend.stack;
        let shown = if f.alternate() {
            stack.len()
        } else {
            SHOWN_FRAMES
        };
        for frame in stack.iter().take(shown) {
            writeln!(f, "    {frame}")?;
        }
        let more = stack.len().saturating_sub(shown);
        match stack.last() {
            Some(root) if more > 0 => {
                writeln!(f, "    and {more} more, up to {}", printable(&root.name))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trend = &self.trend;
        let intervals = trend.steadiness.intervals;
        write!(
            f,
            "{} grows {} ({} in all, {} live, {:.0} % of what it allocated; grew in {} of \
             {intervals} interval{})",
            self.blamed,
            slope(trend.rates.slope, &trend.rates.slope_95),
            amount(trend.growth),
            amount(trend.live),
            trend.turnover.retention * 100.0,
            trend.steadiness.intervals_grown,
            end(intervals),
        )?;
        let doublings = &trend.doublings;
        if doublings.keeps_doubling {
            write!(f, ", a list that doubled {} times", doublings.count)?;
        }
        if trend.site != self.blamed {
            write!(f, ", allocated by {}", trend.site)?;
        }
        Ok(())
    }
}

impl fmt::Display for NotAccused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trend = &self.trend;
        let growth = amount(trend.growth);
        write!(f, "{}, {} live: ", trend.site, amount(trend.live))?;
        match self.reason {
            NotAccusedReason::Shrinks => write!(f, "shrinking, {growth:+}"),
            NotAccusedReason::WithinNoise => write!(f, "within noise, {growth:+}"),
            NotAccusedReason::Churns => write!(
                f,
                "churns, {growth:+} while allocating {}",
                Bytes::nearest(trend.turnover.allocated)
            ),
            NotAccusedReason::LevelsOff | NotAccusedReason::WarmsUp => write!(
                f,
                "{}, {} at last against {} over the span",
                if self.reason == NotAccusedReason::WarmsUp {
                    "warm-up"
                } else {
                    "levels off"
                },
                per_time(trend.rates.last, trend.rates.mean.value),
                rate(trend.rates.mean)
            ),
            NotAccusedReason::Unproven => write!(
                f,
                "unproven, {growth:+}, but {}: watch longer",
                if trend.doublings.is_recent {
                    "by a doubling that may be the last"
                } else {
                    "within noise in the later half"
                }
            ),
            NotAccusedReason::Sawtooth => write!(
                f,
                "sawtooth, rises and gave back {} at once or in steps, {growth:+} in all",
                Bytes::nearest(trend.swings.largest_fall)
            ),
            NotAccusedReason::Unsteady => write!(
                f,
                "unsteady, {growth:+} in {} of {} part{} of the span",
                trend.steadiness.parts_grown,
                trend.steadiness.parts,
                end(trend.steadiness.parts)
            ),
        }
    }
}

/// The ending of a noun after a number of things.
fn end(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn amount(estimate: Estimate) -> PlusMinus {
    PlusMinus {
        bytes: estimate.value,
        error: estimate.standard_error,
    }
}

/// An estimated rate with its error, per second, or per hour where it is less than 1 KiB per
/// second.
fn rate(per_second: Estimate) -> String {
    let (factor, unit) = time_unit(per_second.value);
    let rate = PlusMinus {
        bytes: per_second.value * factor,
        error: per_second.standard_error * factor,
    };
    format!("{rate}/{unit}")
}

/// A slope with its 95 % interval, in one unit.
fn slope(slope: f64, reach: &RangeInclusive<f64>) -> String {
    let largest = slope.abs().max(reach.end().abs());
    let (factor, unit) = time_unit(largest);
    let bytes = |value: f64| Bytes::nearest(value * factor);
    format!(
        "{}/{unit}, 95 % interval {}/{unit} to {}/{unit}",
        bytes(slope),
        bytes(*reach.start()),
        bytes(*reach.end())
    )
}

/// A rate in the unit of time that suits `typical`, so that rates that are compared have the same
/// unit.
fn per_time(bytes_per_second: f64, typical: f64) -> String {
    let (factor, unit) = time_unit(typical);
    format!("{}/{unit}", Bytes::nearest(bytes_per_second * factor))
}

fn time_unit(bytes_per_second: f64) -> (f64, char) {
    if bytes_per_second.abs() < 1024.0 {
        (3600.0, 'h')
    } else {
        (1.0, 's')
    }
}
