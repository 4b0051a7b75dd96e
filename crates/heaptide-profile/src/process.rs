//! The process that a profile describes, and whether two profiles describe the same one.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::Profile;

/// The process that a profile is of.
///
/// The id alone is not enough: inside a container it is often 1 after every restart. A profile
/// states its process in a comment, `#heaptide process: pid=1 start=1700000000.12`. The comment is
/// the same in all profiles of one process, and differs between processes.
///
/// ```
/// use heaptide_profile::Process;
///
/// let process = Process::from_comment("#heaptide process: pid=1 start=1700000000.12").unwrap();
/// assert_eq!((process.pid, process.start.as_millis()), (1, 1_700_000_000_120));
/// assert_eq!(process.to_string(), "#heaptide process: pid=1 start=1700000000.12");
/// assert_eq!(Process::from_comment("of another profiler"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Process {
    /// Its id, as the process itself sees it.
    pub pid: u32,
    /// When it started, since 1970-01-01 00:00 UTC, in whole hundredths of a second. On systems
    /// that do not tell, the time of its first snapshot.
    pub start: Duration,
}

/// The start of the comment. By `pprof`'s convention one with a leading `#` is for machines.
const COMMENT: &str = "#heaptide process: ";

/// Hundredths of a second in a second. Linux counts a process's start in them.
const HUNDREDTHS: u64 = 100;
const MILLIS_PER_HUNDREDTH: u64 = 10;

impl Process {
    #[doc(hidden)]
    #[must_use]
    pub fn new(pid: u32, hundredths: u64) -> Self {
        let start = Duration::from_millis(hundredths.saturating_mul(MILLIS_PER_HUNDREDTH));
        Self { pid, start }
    }

    /// The process that a profile's comment names; `None` for any other comment.
    #[must_use]
    pub fn from_comment(comment: &str) -> Option<Self> {
        let (pid, start) = comment.strip_prefix(COMMENT)?.split_once(' ')?;
        let (seconds, fraction) = start.strip_prefix("start=")?.split_once('.')?;
        // Exactly two digits. With any other number of them the start would be read as another one.
        let fraction: u64 = (fraction.len() == 2).then(|| fraction.parse().ok())??;
        let seconds: u64 = seconds.parse().ok()?;
        let hundredths = seconds.checked_mul(HUNDREDTHS)?.checked_add(fraction)?;
        Some(Self::new(
            pid.strip_prefix("pid=")?.parse().ok()?,
            hundredths,
        ))
    }
}

/// Written as the comment.
impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = u64::from(self.start.subsec_millis()) / MILLIS_PER_HUNDREDTH;
        let seconds = self.start.as_secs();
        write!(
            f,
            "{COMMENT}pid={} start={seconds}.{hundredths:02}",
            self.pid
        )
    }
}

impl Profile {
    /// The process of this profile, if it states one. All profiles of heaptide do. A sum over
    /// several processes gives `None`.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        let processes = self.processes();
        processes.first().copied().filter(|_| processes.len() == 1)
    }

    /// Whether both profiles are of one process: the same process id, and the same start.
    ///
    /// `None` if one of them does not state its process. This is the one rule for stated processes.
    /// For other profiles each caller looks at other signs, because a wrong guess has another cost
    /// in each place:
    ///
    /// - [`LeakDetector`](crate::leak::LeakDetector) takes two profiles to be of two processes if
    ///   their known build ids differ, the executable lies elsewhere, or the bytes that a stack
    ///   ever allocated fell. It does so for the same stated process too, since `exec` keeps id and
    ///   start.
    /// - `heaptide watch` takes them to be of two if the build ids or the addresses of the
    ///   executable differ, unknown ones too, or the number of objects ever allocated fell. A
    ///   stated process decides alone.
    /// - `heaptide merge` takes them to be of one only if the build ids and the addresses of the
    ///   executable are equal, and the process stated, or the address not a fixed one.
    /// - `heaptide diff` takes them to be of one.
    /// - [`estimates`](crate::SampleType::estimates) of a difference takes them to be of two if the
    ///   bytes ever allocated fell on one stack and rose on another. It does so for the same stated
    ///   process too.
    ///
    /// ```
    /// use heaptide_profile::Profile;
    ///
    /// let of = |comment: &str| Profile { comments: vec![comment.into()], ..Profile::default() };
    /// let first = of("#heaptide process: pid=1 start=1700000000.12");
    /// let restarted = of("#heaptide process: pid=1 start=1700000095.32");
    /// assert_eq!(first.is_same_process_as(&first), Some(true));
    /// assert_eq!(first.is_same_process_as(&restarted), Some(false));
    /// assert_eq!(first.is_same_process_as(&Profile::default()), None);
    /// ```
    #[must_use]
    pub fn is_same_process_as(&self, other: &Self) -> Option<bool> {
        Some(self.process()? == other.process()?)
    }

    /// Whether this sum or difference states that it was made from profiles of several processes,
    /// by the rule of [`is_same_process_as`](Self::is_same_process_as).
    pub(crate) fn is_of_several_processes(&self) -> bool {
        self.processes().len() > 1
    }

    /// The processes that the comments name. A sum keeps the comments of all its parts.
    fn processes(&self) -> BTreeSet<Process> {
        let comments = self.comments.iter();
        comments
            .filter_map(|comment| Process::from_comment(comment))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Process;

    #[test]
    fn a_process_comment_is_read_back_and_others_are_not() {
        for (pid, hundredths) in [(1, 0), (4_194_304, 170_000_000_009), (u32::MAX, 5)] {
            let process = Process::new(pid, hundredths);
            assert_eq!(Process::from_comment(&process.to_string()), Some(process));
        }
        for comment in [
            "#heaptide process: pid=1 start=5",
            "#heaptide process: pid=1 start=5.1",
            "#heaptide process: pid=1 start=5.123",
            "#heaptide process: pid=x start=5.12",
            "#heaptide process: pid=1 start=99999999999999999999.00",
            "#heaptide process: pid=1 start=184467440737095517.00",
            "#heaptide process: pid=1",
            "heaptide process: pid=1 start=5.12",
            "",
        ] {
            assert_eq!(Process::from_comment(comment), None, "{comment}");
        }
    }
}
