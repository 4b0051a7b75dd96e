//! Warnings on stderr, one for each kind of problem until it is solved.
//!
//! So a full disk does not fill the log too.

use std::{collections::BTreeSet, error::Error, io, io::Write};

/// What the snapshotter tried to do when the problem occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WarningScope {
    Take,
    Remove,
}

/// Writes a warning for each kind of problem, once until it is solved.
pub(super) struct Warnings {
    reported: BTreeSet<(WarningScope, String)>,
    report: Box<dyn FnMut(&str) + Send>,
}

impl Warnings {
    /// Writes warnings to stderr.
    pub(super) fn on_stderr() -> Self {
        Self::new(|line| {
            // If stderr is closed, the warning is lost. The counts still have the problem.
            let _ = writeln!(io::stderr(), "heaptide: {line}");
        })
    }

    pub(super) fn new(report: impl FnMut(&str) + Send + 'static) -> Self {
        Self {
            reported: BTreeSet::new(),
            report: Box::new(report),
        }
    }

    /// Warns of a failure, unless the same kind was reported and has not been solved.
    ///
    /// The kind of the error decides, not its message, which names another file each time.
    pub(super) fn failed(&mut self, work: WarningScope, error: &(dyn Error + 'static)) {
        if self.reported.insert((work, kind(error))) {
            (self.report)(&format!("{error} (reported once, until it works again)"));
        }
    }

    /// The work has succeeded: the next failure is reported again.
    pub(super) fn works(&mut self, work: WarningScope) {
        self.reported.retain(|(reported, _)| *reported != work);
    }
}

/// The kind of the I/O error at the root; for other errors, the message of the root cause.
fn kind(error: &(dyn Error + 'static)) -> String {
    let mut root = error;
    loop {
        if let Some(error) = root.downcast_ref::<io::Error>() {
            return error.kind().to_string();
        }
        match root.source() {
            Some(source) => root = source,
            None => return root.to_string(),
        }
    }
}

impl std::fmt::Debug for Warnings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Warnings").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn each_kind_is_reported_once_until_it_works_again() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let mut warnings = Warnings::new(move |line| sink.lock().unwrap().push(line.to_owned()));
        // The inner message names the file, as the messages of tempfile do.
        let full = |name: &str| {
            let source = io::Error::new(io::ErrorKind::StorageFull, format!("no room for {name}"));
            crate::Error::io(&format!("write {name}"), source)
        };
        warnings.failed(WarningScope::Take, &full("a"));
        warnings.failed(WarningScope::Take, &full("b"));
        warnings.failed(WarningScope::Remove, &full("a"));
        let denied = io::Error::from_raw_os_error(libc::EACCES);
        warnings.failed(WarningScope::Take, &crate::Error::io("write a", denied));
        warnings.works(WarningScope::Remove);
        warnings.failed(WarningScope::Take, &full("c"));
        warnings.works(WarningScope::Take);
        warnings.failed(WarningScope::Take, &full("d"));
        let reported: Vec<String> = lines.lock().unwrap().clone();
        let names: Vec<_> = reported
            .iter()
            .filter_map(|line| line.chars().nth(16))
            .collect();
        assert_eq!(names, ['a', 'a', 'a', 'd'], "{reported:?}");
        assert!(reported[0].contains("no room for a"), "{reported:?}");
    }
}
