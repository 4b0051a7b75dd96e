//! Profiles taken in one after the other, and the process they are of told from the one before it.
//!
//! Separate from `run`, which holds what became of the stacks of one process, because it decides where
//! one process ends. It keeps numbers and names and lets each profile go, so a thousand snapshots
//! need no more memory than their stacks.

use std::sync::Arc;

use super::history::History;
use super::judge;
use super::measure::Measure;
use super::run::Run;
use super::stack::Names;
use super::verdict::Verdict;
use crate::profile::{Mapping, Process};
use crate::units::Bytes;
use crate::{Error, Profile, Result};

/// Most values that are kept, two for each stack and snapshot: half a gigabyte at worst.
const MOST_POINTS: usize = 32 << 20;

/// Profiles on their way to a verdict, added one at a time so that a thousand of them need not be in
/// memory at once. [`find`](super::find) is the same for those that are.
///
/// ```no_run
/// use heaptide::{Profile, leak::Watch};
///
/// let mut watch = Watch::new();
/// for path in ["heap-1.pb.gz", "heap-2.pb.gz", "heap-3.pb.gz"] {
///     watch.add(&Profile::read(&std::fs::read(path)?)?)?;
/// }
/// println!("{}", watch.verdict()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Watch {
    names: Names,
    given: usize,
    now: Run,
    /// The longest of the processes that ended.
    longest: Option<Run>,
    /// Why each series ended, a sentence each.
    breaks: Vec<String>,
    clock_was_set: bool,
    /// The main executable of the last profile, and its process if it says which.
    main: Option<Mapping>,
    process: Option<Process>,
}

impl Watch {
    /// Without any profile yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a profile, later than all before it.
    ///
    /// A profile that cannot be of the same process as the one before starts a new series: it says that
    /// it is of another one ([`Profile::process`]), or the executable is another one or lies elsewhere, or
    /// what a stack ever allocated fell. So does one that was dated by a clock set back: earlier than the one
    /// before, though more was allocated by then. The verdict says so, and is that of the longest series.
    ///
    /// # Errors
    ///
    /// A mismatch that names the profile by its number, if it is not a heap profile, is a delta, or is not
    /// later than the one before it; too large, if there are more stacks and snapshots than are held.
    pub fn add(&mut self, profile: &Profile) -> Result<()> {
        let number = self.given + 1;
        if profile.duration_nanos != 0 {
            return Err(Error::mismatch(format!(
                "profile {number} is a delta over {:.1} s: leaks are looked for in profiles that count \
                 from the start of the process",
                profile.duration_nanos as f64 / 1e9
            )));
        }
        let measure = Measure::of(profile, &mut self.names)?;
        if self.names.stacks().saturating_mul(number) > MOST_POINTS {
            return Err(Error::too_large(format!(
                "{} call stacks in {number} profiles are more than the {MOST_POINTS} values that are \
                 held: give fewer profiles, every second one for example",
                self.names.stacks()
            )));
        }
        if let Some(why) = self.ended(number, profile, &measure)? {
            self.breaks.push(why);
            let ended = std::mem::take(&mut self.now);
            self.longest = longer(self.longest.take(), ended);
        }
        self.main = profile.mappings.first().cloned();
        self.process = profile.process();
        self.given = number;
        self.now.add(number, profile, measure);
        Ok(())
    }

    /// Who leaks.
    ///
    /// # Errors
    ///
    /// A mismatch, if there are fewer than two profiles of any one process.
    pub fn verdict(self) -> Result<Verdict> {
        let (names, given, mut notes) = (self.names, self.given, self.breaks);
        let Some(run) = longer(self.longest, self.now).filter(|run| run.snapshots() > 1) else {
            let mut message = format!(
                "a leak is growth from one profile to a later one of the same process: two or more are \
                 needed, given {given}"
            );
            for why in notes {
                message = format!("{message}; {why}");
            }
            return Err(Error::mismatch(message));
        };
        if !notes.is_empty() {
            let (first, last) = run.numbers();
            let clock = if self.clock_was_set {
                " and one clock"
            } else {
                ""
            };
            notes.push(format!(
                "judged are profiles {first} to {last}, the longest time of one process{clock}"
            ));
        }
        notes.extend(run.remarks());
        let history: History = run.finish(&names);
        let unnamed = history.stacks.iter().filter(|s| names.is_unnamed(s.number));
        let unnamed = unnamed.count();
        if unnamed > 0 {
            let begin = if unnamed == 1 { "begins" } else { "begin" };
            notes.push(format!(
                "{unnamed} of {} call stacks {begin} with an address without a name: symbolize the \
                 profiles for functions and lines",
                history.stacks.len()
            ));
        }
        Ok(judge::judge(history, &names, notes))
    }

    /// Why a profile does not go on from the one before it, if so.
    ///
    /// Of two processes the later one may have the earlier time: a machine's clock is not right until it is set.
    /// In one process a clock that was set back is told from profiles in the wrong order by what was ever
    /// allocated.
    fn ended(
        &mut self,
        number: usize,
        profile: &Profile,
        measure: &Measure,
    ) -> Result<Option<String>> {
        let Some(last) = self.now.last_time() else {
            return Ok(None);
        };
        let other = |why: String| {
            let before = number - 1;
            format!("profile {number} is not of the same process as profile {before}: {why}")
        };
        if let Some(why) = self.other_program(profile) {
            return Ok(Some(other(why)));
        }
        // Per stack: a restarted program may well have allocated more in total than the one before it.
        let loss = self.now.largest_loss(measure);
        if profile.time_nanos <= last {
            if loss.is_some() || !self.now.has_gained(measure) {
                return Err(Error::mismatch(format!(
                    "profile {number} is not later than profile {}: give the profiles in the order they were \
                     taken",
                    number - 1
                )));
            }
            self.clock_was_set = true;
            return Ok(Some(format!(
                "profile {number} is dated {:.1} s before profile {} but was taken after it, by what was ever \
                 allocated: the clock was set back",
                last.saturating_sub(profile.time_nanos) as f64 / 1e9,
                number - 1
            )));
        }
        Ok(loss.map(|(stack, before, now)| {
            other(format!(
                "what {} ever allocated fell from {} to {}; was the program restarted, or is only one of the \
                 two profiles symbolized?",
                self.names.function_of(stack),
                Bytes(before),
                Bytes(now),
            ))
        }))
    }

    /// Why a profile is of another process than the one before it, if it says so.
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

/// Why two processes are not the same, if they are not. In a container each may have the id 1.
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

/// Why two main mappings cannot be of one process. Where the system loads a program to random addresses,
/// as Linux does unless told otherwise, two processes of it differ in where it lies.
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

/// The one that was watched longer; the later one, if both were as long.
fn longer(earlier: Option<Run>, later: Run) -> Option<Run> {
    match earlier {
        Some(earlier) if earlier.nanos() > later.nanos() => Some(earlier),
        _ => Some(later),
    }
}
