//! The verdict as people read it.
//!
//! Separate from `verdict`, which is for programs: this text may change.

use std::fmt;
use std::ops::RangeInclusive;

use super::verdict::{Acquitted, Reason, Suspect, Verdict};
use crate::printable::printable;
use crate::profile::Estimate;
use crate::units::{Bytes, PlusMinus};

/// How many acquitted stacks the text lists: those with most live bytes, then those that allocated most.
const LISTED: usize = 6;

/// How many frames of a suspect's stack the text shows: what leads from the handler to the leaf.
const SHOWN_FRAMES: usize = 8;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for suspect in &self.suspects {
            writeln!(f, "leak: {suspect}")?;
            suspect.write_stack(f)?;
            writeln!(f)?;
        }
        if self.suspects.is_empty() {
            writeln!(
                f,
                "no leak found: one of {} or more on a call stack of its own would have stood out \
                 nine times out of ten\n",
                per_time(self.smallest_leak, self.smallest_leak)
            )?;
        }
        if !self.acquitted.is_empty() {
            writeln!(f, "not accused:")?;
            for acquitted in self.acquitted.iter().take(LISTED) {
                writeln!(f, "    {acquitted}")?;
            }
            let more = self.acquitted.len().saturating_sub(LISTED);
            if more > 0 {
                writeln!(f, "    and {more} more that hold less")?;
            }
            writeln!(f)?;
        }
        write!(
            f,
            "{} call {} tried, false discovery rate {} %, {} snapshots over {:.1} s; ± is one \
             standard error",
            self.stacks_tried,
            if self.stacks_tried == 1 {
                "stack"
            } else {
                "stacks"
            },
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

impl Suspect {
    /// The stack from the leaf on, as far as it tells people something; whole with `{:#}`.
    fn write_stack(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if f.alternate() {
            self.stack.len()
        } else {
            SHOWN_FRAMES
        };
        for frame in self.stack.iter().take(shown) {
            writeln!(f, "    {frame}")?;
        }
        let more = self.stack.len().saturating_sub(shown);
        match self.stack.last() {
            Some(root) if more > 0 => {
                writeln!(f, "    and {more} more, up to {}", printable(&root.name))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} grows {} ({} in all, {} live, {:.0} % of what it allocated; grew in {} of {} \
             intervals)",
            self.function,
            trend(self.slope, &self.slope_95),
            amount(self.growth),
            amount(self.live),
            self.retention * 100.0,
            self.intervals_grown,
            self.inuse_space.len().saturating_sub(1),
        )?;
        if self.keeps_doubling {
            write!(f, ", a list that doubled {} times", self.doublings)?;
        }
        if self.site != self.function {
            write!(f, ", allocated by {}", self.site)?;
        }
        Ok(())
    }
}

impl fmt::Display for Acquitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trend = &self.trend;
        let growth = amount(trend.growth);
        write!(f, "{}, {} live: ", trend.function, amount(trend.live))?;
        match self.reason {
            Reason::Shrinks => write!(f, "shrinking, {growth:+}"),
            Reason::WithinNoise => write!(f, "within noise, {growth:+}"),
            Reason::Churns => write!(
                f,
                "churns, {growth:+} while allocating {}",
                Bytes::nearest(trend.allocated)
            ),
            Reason::LevelsOff | Reason::WarmsUp => write!(
                f,
                "{}, {} at last against {} over the span",
                if self.reason == Reason::WarmsUp {
                    "warm-up"
                } else {
                    "levels off"
                },
                per_time(trend.last_rate, trend.rate.value),
                rate(trend.rate)
            ),
            Reason::Unproven => write!(
                f,
                "unproven, {growth:+}, but {}: watch longer",
                if trend.doubled_lately {
                    "by a doubling that may be the last"
                } else {
                    "within noise in the later half"
                }
            ),
            Reason::Sawtooth => write!(
                f,
                "sawtooth, rises and gave back {} at once or in steps, {growth:+} in all",
                Bytes::nearest(trend.largest_fall)
            ),
            Reason::Unsteady => write!(
                f,
                "unsteady, {growth:+} in {} of {} parts of the span",
                trend.parts_grown, trend.parts
            ),
        }
    }
}

fn amount(estimate: Estimate) -> PlusMinus {
    PlusMinus {
        bytes: estimate.value,
        error: estimate.standard_error,
    }
}

/// An estimated rate with its error, per second, or per hour where it is less than 1 KiB per second.
fn rate(per_second: Estimate) -> String {
    let (factor, unit) = time_unit(per_second.value);
    let rate = PlusMinus {
        bytes: per_second.value * factor,
        error: per_second.standard_error * factor,
    };
    format!("{rate}/{unit}")
}

/// A trend with its 95 % interval, in one unit.
fn trend(slope: f64, reach: &RangeInclusive<f64>) -> String {
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

/// A rate in the unit of time that `typical` has, so that rates that are compared have the same.
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
