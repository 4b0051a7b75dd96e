//! What is told to people: the suspects with their stacks, who was acquitted and of what, and the
//! small print.
//!
//! The values are public so that programs can act on them; the text is for reading and may change.

use std::fmt;
use std::time::Duration;

use super::stack::StackFrame;
use crate::printable::printable;
use crate::profile::Estimate;
use crate::units::{Bytes, PlusMinus};

/// How many acquitted stacks the text lists: those with most live bytes, then those that allocated most.
const LISTED: usize = 6;

/// How many frames of a suspect's stack the text shows: what leads from the handler to the leaf.
const SHOWN_FRAMES: usize = 8;

/// The answer of [`find`](super::find). Its `Display` is for people; `{:#}` shows whole stacks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// The stacks that leak, fastest first.
    pub suspects: Vec<Suspect>,
    /// All other stacks, most live bytes first.
    pub acquitted: Vec<Acquitted>,
    /// Time from the first profile to the last.
    pub span: Duration,
    /// Number of profiles.
    pub snapshots: usize,
    /// Number of rolled-up stacks that were judged.
    pub stacks_tried: usize,
    /// The share of suspects that sampling noise may account for.
    pub false_discovery_rate: f64,
    /// The slowest leak, in bytes per second, that would have stood out from the noise nine times
    /// out of ten on a stack of its own, made of blocks smaller than the sample interval, given the
    /// span and the stacks tried.
    pub smallest_leak: f64,
}

/// What the profiles say of one rolled-up call stack.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Suspect {
    /// The innermost function outside the standard library, at the line that grew most.
    pub function: StackFrame,
    /// The whole call stack that grew most, leaf first.
    pub stack: Vec<StackFrame>,
    /// Live bytes at each profile.
    pub inuse_space: Vec<i64>,
    /// Live bytes at the last profile.
    pub live: Estimate,
    /// Growth of the live bytes from the first profile to the last.
    pub growth: Estimate,
    /// Mean growth in bytes per second.
    pub rate: Estimate,
    /// Growth in bytes per second over the later half of the span.
    pub late_rate: f64,
    /// Growth in bytes per second over the last quarter of the span.
    pub last_rate: f64,
    /// In how many of the intervals between profiles it grew.
    pub intervals_grown: usize,
    /// In how many of the equal parts of the span it grew.
    pub parts_grown: usize,
    /// How many such parts there are: eight, or as many as intervals.
    pub parts: usize,
    /// The largest fall of the live bytes from an earlier peak, in bytes.
    pub largest_fall: f64,
    /// Bytes allocated between the first profile and the last.
    pub allocated: f64,
    /// Growth divided by what was allocated in the same time; 0 if nothing was.
    pub retention: f64,
    /// Chance that noise alone, of sampling and of blocks that come and go at random, shows such
    /// growth over the whole span.
    pub growth_p_value: f64,
    /// The same for a loss at least as large, if it shrank.
    pub shrink_p_value: f64,
    /// Chance that noise alone shows such growth both over the span and over its later half.
    pub p_value: f64,
}

/// A call stack that is not accused, and why.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Acquitted {
    /// What the profiles say of it.
    pub trend: Suspect,
    /// Why it is not accused.
    pub reason: Reason,
}

/// Why a call stack is not accused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Its live bytes fell.
    Shrinks,
    /// Its growth, if any, is no more than sampling noise.
    WithinNoise,
    /// It frees about as much as it allocates.
    Churns,
    /// It grew, and has stopped or slowed down.
    LevelsOff,
    /// It gave back most of what it had grown by.
    FallsBack,
    /// It grew, but not by more than noise in the later half of the span. Longer watching will tell.
    Unproven,
    /// It grew in few parts of the span only.
    Unsteady,
}

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
            "{} call stacks tried, false discovery rate {} %, {} snapshots over {:.1} s; ± is one \
             standard error",
            self.stacks_tried,
            self.false_discovery_rate * 100.0,
            self.snapshots,
            self.span.as_secs_f64(),
        )?;
        if self.snapshots == 2 {
            f.write_str("; two snapshots cannot tell a leak from what is still filling up")?;
        }
        writeln!(f)
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
            rate(self.rate),
            amount(self.growth),
            amount(self.live),
            self.retention * 100.0,
            self.intervals_grown,
            self.inuse_space.len().saturating_sub(1),
        )
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
            Reason::LevelsOff => write!(
                f,
                "levels off, {} at last against {} over the span",
                per_time(trend.last_rate, trend.rate.value),
                rate(trend.rate)
            ),
            Reason::Unproven => write!(
                f,
                "unproven, {growth:+}, but within noise in the later half: watch longer"
            ),
            Reason::FallsBack => write!(
                f,
                "falls back, gave back {} at once or in steps while growing by {growth}",
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
