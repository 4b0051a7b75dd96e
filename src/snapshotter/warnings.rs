//! What goes wrong is said once, and again only after it has worked meanwhile: a full disk must not fill
//! the log too.

use std::{collections::BTreeSet, error::Error, io, io::Write};

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WarningScope {
    Take,
    Remove,
}

/// Tells people of trouble.
pub(super) struct Warnings {
    told: BTreeSet<(WarningScope, String)>,
    tell: Box<dyn FnMut(&str) + Send>,
}

impl Warnings {
    /// Tells on stderr. If that is closed there is nobody to tell; the counts know.
    pub(super) fn on_stderr() -> Self {
        Self::new(|line| {
            let _nobody_listens = writeln!(io::stderr(), "heaptide: {line}");
        })
    }

    pub(super) fn new(tell: impl FnMut(&str) + Send + 'static) -> Self {
        Self {
            told: BTreeSet::new(),
            tell: Box::new(tell),
        }
    }

    /// Something failed. Kinds of trouble are told apart by the kind of the error, not by its message,
    /// which names a file that is another each time.
    pub(super) fn failed(&mut self, work: WarningScope, error: &(dyn Error + 'static)) {
        if self.told.insert((work, kind(error))) {
            (self.tell)(&format!("{error} (said once, until it works again)"));
        }
    }

    /// It works.
    pub(super) fn works(&mut self, work: WarningScope) {
        self.told.retain(|(told, _)| *told != work);
    }
}

/// The kind of the input or output that failed; of other errors, what they say at their root.
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
    fn each_kind_is_said_once_until_it_works_again() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let mut warnings = Warnings::new(move |line| sink.lock().unwrap().push(line.to_owned()));
        // The inner message differs from file to file, as those of tempfile do.
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
        let said: Vec<String> = lines.lock().unwrap().clone();
        let names: Vec<_> = said
            .iter()
            .filter_map(|line| line.chars().nth(16))
            .collect();
        assert_eq!(names, ['a', 'a', 'a', 'd'], "{said:?}");
        assert!(said[0].contains("no room for a"), "{said:?}");
    }
}
