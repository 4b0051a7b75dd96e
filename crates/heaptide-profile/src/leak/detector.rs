//! Profiles taken one at a time, and where the profiles of one process end.
//!
//! Separate from `series`, which holds the stacks of one process. Numbers and names are kept and
//! each profile is dropped, so a thousand snapshots need no more memory than their stacks.

use std::sync::Arc;

use super::interner::StackInterner;
use super::judge;
use super::sample_sums::SampleSums;
use super::series::ProcessSeries;
use super::verdict::Verdict;
use crate::text::units::Bytes;
use crate::{Error, Profile, Result};
use crate::{Mapping, Process};

/// Most pairs of values that are kept, one for each stack and snapshot: half a gigabyte at worst.
const MOST_POINTS: usize = 32 << 20;

/// Looks for leaks in heap profiles of one process, taken one at a time in time order.
///
/// A thousand profiles need not be in memory at once. [`find`](super::find) is the same for
/// profiles that are.
///
/// ```no_run
/// use heaptide_profile::{Profile, leak::LeakDetector};
///
/// let mut detector = LeakDetector::new();
/// for path in ["heap-1.pb.gz", "heap-2.pb.gz", "heap-3.pb.gz"] {
///     detector.add(&Profile::read(&std::fs::read(path)?)?)?;
/// }
/// println!("{}", detector.verdict()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct LeakDetector {
    interner: StackInterner,
    /// How many profiles were added.
    added: usize,
    /// The series that the last profile belongs to.
    current: ProcessSeries,
    /// The longest of the series that ended.
    longest: Option<ProcessSeries>,
    /// Sentences that say why each series ended.
    breaks: Vec<String>,
    clock_was_set: bool,
    /// The main executable of the last profile.
    main: Option<Mapping>,
    /// The process that the last profile states.
    process: Option<Process>,
}

impl LeakDetector {
    /// A detector without profiles.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a profile, later than all before it.
    ///
    /// A profile that cannot be of the same process as the one before it starts a new series. This
    /// is so if one of these holds:
    ///
    /// * it states another process ([`Profile::is_same_process_as`]);
    /// * its executable is another one or lies elsewhere in memory;
    /// * the bytes that a stack ever allocated fell.
    ///
    /// A profile that was dated by a clock set back starts a new series too: it is dated earlier
    /// than the one before it, though more was allocated by then. The verdict is that of the
    /// longest series, and its notes say so.
    ///
    /// # Errors
    ///
    /// A mismatch that names the profile by its number, if it is not a heap profile, is a delta, or
    /// is not later than the one before it; too large, if there are more stacks and snapshots than
    /// are held.
    pub fn add(&mut self, profile: &Profile) -> Result<()> {
        let number = self.added + 1;
        if profile.duration_nanos != 0 {
            return Err(Error::mismatch(format!(
                "profile {number} is a delta over {:.1} s: leaks are looked for in profiles that \
                 count from the start of the process",
                profile.duration_nanos as f64 / 1e9
            )));
        }
        let sums = SampleSums::of(profile, &mut self.interner)?;
        if self.interner.stacks().saturating_mul(number) > MOST_POINTS {
            return Err(Error::too_large(format!(
                "{} call stacks in {number} profiles are more than the {MOST_POINTS} values that \
                 are held: give fewer profiles, every second one for example",
                self.interner.stacks()
            )));
        }
        if let Some(why) = self.break_before(number, profile, &sums)? {
            self.breaks.push(why);
            let ended = std::mem::take(&mut self.current);
            self.longest = longer(self.longest.take(), ended);
        }
        self.main = profile.mappings.first().cloned();
        self.process = profile.process();
        self.added = number;
        self.current.add(number, profile, sums);
        Ok(())
    }

    /// Judges the profiles: which call stacks leak.
    ///
    /// # Errors
    ///
    /// A mismatch, if there are fewer than two profiles of any one process.
    pub fn verdict(self) -> Result<Verdict> {
        let (interner, given, mut notes) = (self.interner, self.added, self.breaks);
        let series = longer(self.longest, self.current);
        let Some(series) = series.filter(|series| series.snapshots() > 1) else {
            let mut message = format!(
                "a leak is growth from one profile to a later one of the same process: two or more \
                 are needed, given {given}"
            );
            for why in notes {
                message = format!("{message}; {why}");
            }
            return Err(Error::mismatch(message));
        };
        if !notes.is_empty() {
            let (first, last) = series.numbers();
            let clock = if self.clock_was_set {
                " and one clock"
            } else {
                ""
            };
            notes.push(format!(
                "judged are profiles {first} to {last}, the longest time of one process{clock}"
            ));
        }
        notes.extend(series.remarks());
        let history = series.finish(&interner);
        let stacks = history.stacks.iter();
        let unnamed = stacks.filter(|stack| interner.is_unnamed(stack.number));
        let unnamed = unnamed.count();
        if unnamed > 0 {
            let begin = if unnamed == 1 { "begins" } else { "begin" };
            notes.push(format!(
                "{unnamed} of {} call stacks {begin} with an address without a name: symbolize the \
                 profiles for functions and lines",
                history.stacks.len()
            ));
        }
        Ok(judge::judge(history, &interner, notes))
    }

    /// Why a profile does not continue the series of the one before it; `None` if it does.
    ///
    /// Of two processes the later one may have the earlier time: a machine's clock is wrong until
    /// it is set. Within one process the bytes ever allocated tell a clock that was set back from
    /// profiles in the wrong order.
    fn break_before(
        &mut self,
        number: usize,
        profile: &Profile,
        sums: &SampleSums,
    ) -> Result<Option<String>> {
        let Some(last) = self.current.last_time() else {
            return Ok(None);
        };
        let other = |why: String| {
            let before = number - 1;
            format!("profile {number} is not of the same process as profile {before}: {why}")
        };
        if let Some(why) = self.other_program(profile) {
            return Ok(Some(other(why)));
        }
        // By stack: a restarted program may have allocated more in total than the one before it.
        let loss = self.current.largest_loss(sums);
        if profile.time_nanos <= last {
            if loss.is_some() || !self.current.has_gained(sums) {
                return Err(Error::mismatch(format!(
                    "profile {number} is not later than profile {}: give the profiles in the order \
                     they were taken",
                    number - 1
                )));
            }
            self.clock_was_set = true;
            return Ok(Some(format!(
                "profile {number} is dated {:.1} s before profile {} but was taken after it, by \
                 what was ever allocated: the clock was set back",
                last.saturating_sub(profile.time_nanos) as f64 / 1e9,
                number - 1
            )));
        }
        Ok(loss.map(|(stack, before, now)| {
            other(format!(
                "what {} ever allocated fell from {} to {}; was the program restarted, or is only \
                 one of the two profiles symbolized?",
                self.interner.function_of(stack),
                Bytes(before),
                Bytes(now),
            ))
        }))
    }

    /// Why a profile is of another process than the one before it, by its process and executable.
    fn other_program(&self, profile: &Profile) -> Option<String> {
        if let (Some(before), Some(now)) = (self.process, profile.process())
            && let Some(why) = other_process(before, now)
        {
            return Some(why);
        }
        let (before, now) = (self.main.as_ref()?, profile.mappings.first()?);
        other_executable(before, now)
    }
}

/// How two stated processes differ; `None` if they are the same. In a container each may have the
/// id 1.
fn other_process(before: Process, now: Process) -> Option<String> {
    if before.pid != now.pid {
        return Some(format!(
            "the process id is {} and was {}",
            now.pid, before.pid
        ));
    }
    let moved = now.start.abs_diff(before.start).as_secs_f64();
    let when = if now.start > before.start {
        "later"
    } else {
        "earlier"
    };
    (before.start != now.start).then(|| {
        format!(
            "process {} is another one, started {moved:.2} s {when}",
            now.pid
        )
    })
}

/// Why two main mappings cannot be of one process; `None` if they can.
///
/// Where the system loads a program to random addresses, as Linux does by default, two processes of
/// it have it at different addresses.
fn other_executable(before: &Mapping, now: &Mapping) -> Option<String> {
    let differ = |a: &Arc<str>, b: &Arc<str>| !a.is_empty() && !b.is_empty() && a != b;
    if differ(&before.build_id, &now.build_id) {
        return Some(format!(
            "the program's build id is {} and was {}",
            now.build_id, before.build_id
        ));
    }
    let same_part = before.file == now.file && before.file_offset == now.file_offset;
    (same_part && before.start != now.start && before.start != 0 && now.start != 0).then(|| {
        format!(
            "the program lies at {:#x} and lay at {:#x}",
            now.start, before.start
        )
    })
}

/// The series that covers more time; the later one if both cover the same.
fn longer(earlier: Option<ProcessSeries>, later: ProcessSeries) -> Option<ProcessSeries> {
    match earlier {
        Some(earlier) if earlier.nanos() > later.nanos() => Some(earlier),
        _ => Some(later),
    }
}
