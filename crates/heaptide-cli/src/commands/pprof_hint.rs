//! The `go tool pprof` command that shows the same report.
//!
//! Users can check a report with it, or go on in `pprof` if they know that better.
//!
//! The command is built from the arguments and can be pasted into a shell. Options that `pprof`
//! does not have are left out.

use std::{ffi::OsStr, path::Path};

use heaptide_profile::report::Unit;

use crate::{args, failure::Failure, files::download};
use heaptide_profile::internal::printable;

/// A command line under construction.
pub(crate) struct PprofHint {
    words: Vec<String>,
}

impl PprofHint {
    /// A command that makes a report, `-tree` for example.
    pub(crate) fn new(report: &str) -> Self {
        // Names stay as they are in the file. Otherwise `pprof` cuts them and looks them up anew.
        let words = ["go", "tool", "pprof", "-symbolize=none", report];
        Self {
            words: words.map(String::from).to_vec(),
        }
    }

    fn flag(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.words.push(format!("-{name}={value}"));
        }
    }

    pub(crate) fn counted(mut self, counted: &args::Counted) -> Self {
        self.flag("sample_index", &counted.sample_index);
        self
    }

    pub(crate) fn limits(mut self, tree: &args::TreeArgs) -> Self {
        self.flag("nodecount", &tree.nodecount.to_string());
        self.flag("nodefraction", &tree.nodefraction.to_string());
        self.flag("edgefraction", &tree.edgefraction.to_string());
        self
    }

    pub(crate) fn nodes(mut self, nodes: &args::Nodes) -> Self {
        if nodes.cum {
            self.words.push("-cum".to_owned());
        }
        self.lines(nodes.lines || nodes.granularity == args::NodeKind::Lines)
    }

    pub(crate) fn lines(mut self, lines: bool) -> Self {
        if lines {
            self.words.push("-lines".to_owned());
        }
        self
    }

    pub(crate) fn paths(mut self, name: &str, paths: Option<&OsStr>) -> Self {
        let paths = paths.map(OsStr::to_string_lossy).unwrap_or_default();
        self.flag(name, &paths);
        self
    }

    pub(crate) fn numbers(mut self, numbers: &args::NumberArgs) -> Self {
        let unit = match numbers.unit {
            _ if numbers.exact => "B",
            Unit::Bytes => "B",
            Unit::KibiBytes => "kB",
            Unit::MebiBytes => "MB",
            Unit::GibiBytes => "GB",
            Unit::TebiBytes => "TB",
            // `pprof` chooses the unit.
            _ => "",
        };
        self.flag("unit", unit);
        self
    }

    pub(crate) fn filter(mut self, filter: &args::FilterArgs) -> Self {
        for (name, value) in [
            ("focus", &filter.focus),
            ("ignore", &filter.ignore),
            ("hide", &filter.hide),
            ("show", &filter.show),
            ("tagfocus", &filter.tagfocus),
            ("tagignore", &filter.tagignore),
        ] {
            self.flag(name, value.as_deref().unwrap_or_default());
        }
        self
    }

    /// Adds the profiles, which end the command line.
    pub(crate) fn profiles(mut self, profiles: &args::Profiles) -> Result<Self, Failure> {
        for (name, file) in [("base", &profiles.base), ("diff_base", &profiles.diff_base)] {
            if let Some(file) = file {
                let file = source(file)?;
                self.flag(name, &file);
            }
        }
        for file in &profiles.files {
            self.words.push(source(file)?);
        }
        Ok(self)
    }

    /// A report with the command below it.
    pub(crate) fn below(&self, report: String) -> String {
        let words = self.words.iter().map(|word| quoted(word));
        let words: Vec<String> = words.collect();
        format!("{report}\nThe same with pprof: {}\n", words.join(" "))
    }
}

/// The argument by which `pprof` reads the same profile.
fn source(file: &Path) -> Result<String, Failure> {
    if file == Path::new("-") {
        return Ok("/dev/stdin".to_owned());
    }
    if let Some(url) = download::url(file) {
        return Ok(download::complete(url, None)?.to_string());
    }
    Ok(file.display().to_string())
}

/// A word quoted for a shell.
fn quoted(word: &str) -> String {
    let word = printable(word);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_if_a_shell_would_split_them() {
        for (word, expected) in [
            ("-tree", "-tree"),
            ("-sample_index=inuse_space", "-sample_index=inuse_space"),
            ("-list=Vec<.*>::push", "'-list=Vec<.*>::push'"),
            ("it's.pb.gz", r"'it'\''s.pb.gz'"),
            ("", "''"),
            ("a\nb", r"'a\nb'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
