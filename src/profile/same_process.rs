//! Which process a profile is of, and whether two profiles are of the same one.

use std::collections::BTreeSet;

use super::{Process, Profile};

impl Profile {
    /// The process that this is a profile of, if it states one. All profiles of heaptide do; a sum
    /// of several processes gives `None`.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        let processes = self.processes();
        processes.first().copied().filter(|_| processes.len() == 1)
    }

    /// Whether both profiles are of one process: the same process id, and the same start.
    ///
    /// `None` if one of them does not state its process. This is the one rule for what profiles
    /// state. For other profiles each caller looks at other signs, since a wrong guess costs
    /// something else in each place:
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
    /// - [`estimates`](Self::estimates) of a difference takes them to be of two if the bytes ever
    ///   allocated fell on one stack and rose on another. It does so for the same stated process
    ///   too.
    ///
    /// ```
    /// use heaptide::Profile;
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

    /// Whether this sum or difference states that it was made of profiles of several processes, by
    /// the rule of [`is_same_process_as`](Self::is_same_process_as).
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
