//! Why a snapshot was taken: a word in the file name, and a rank for the removal of old files.

use super::limit_share::LimitShare;
use std::fmt;

/// Why a snapshot was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Interval,
    Growth,
    Peak,
    /// This share of the memory limit was reached.
    Limit(LimitShare),
    Signal,
    Exit,
    Panic,
    /// The program requested it with this word: letters, digits, `-`, `_` and `.`, and none of the
    /// words above.
    Manual(Box<str>),
}

/// Groups of files, in the order in which they are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A file of the series, whose old files are replaced by new ones.
    Rotating,
    /// Taken close to a memory limit. After an out-of-memory kill it is the best evidence.
    Pressure,
    Peak,
}

/// The most letters of a reason that the program gives.
const MOST_LETTERS: usize = 40;

impl Reason {
    /// Parses the word in a file name; `None` if it is not a valid reason.
    pub(super) fn parse(word: &str) -> Option<Self> {
        let own = match word {
            "interval" => Self::Interval,
            "growth" => Self::Growth,
            "peak" => Self::Peak,
            "signal" => Self::Signal,
            "exit" => Self::Exit,
            "panic" => Self::Panic,
            _ => match word.strip_prefix("limit").map(LimitShare::parse_percent) {
                Some(Some(fraction)) => Self::Limit(fraction),
                _ => return is_word(word).then(|| Self::Manual(word.into())),
            },
        };
        Some(own)
    }

    /// A reason given by the program; `None` if it is not valid or is one of heaptide's own words.
    pub(super) fn manual(word: &str) -> Option<Self> {
        Self::parse(word).filter(|reason| matches!(reason, Self::Manual(_)))
    }

    pub(super) fn rank(&self) -> Rank {
        match self {
            Self::Peak => Rank::Peak,
            Self::Limit(_) => Rank::Pressure,
            _ => Rank::Rotating,
        }
    }
}

fn is_word(word: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=MOST_LETTERS).contains(&word.len()) && word.bytes().all(fits)
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interval => f.write_str("interval"),
            Self::Growth => f.write_str("growth"),
            Self::Peak => f.write_str("peak"),
            Self::Limit(fraction) => write!(f, "limit{}", fraction.percent()),
            Self::Signal => f.write_str("signal"),
            Self::Exit => f.write_str("exit"),
            Self::Panic => f.write_str("panic"),
            Self::Manual(word) => f.write_str(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_parsed_back_from_its_word() {
        let limit = |fraction| Reason::Limit(LimitShare::new(fraction).unwrap());
        let reasons = [
            Reason::Interval,
            Reason::Growth,
            Reason::Peak,
            limit(0.8),
            limit(0.825),
            limit(1.0),
            Reason::Signal,
            Reason::Exit,
            Reason::Panic,
            Reason::Manual("before-the_deploy.2".into()),
            Reason::Manual("limitless".into()),
        ];
        for reason in reasons {
            assert_eq!(Reason::parse(&reason.to_string()), Some(reason));
        }
        assert_eq!(limit(0.825).to_string(), "limit82.5");
    }

    #[test]
    fn the_program_cannot_use_reserved_words_or_invalid_file_names() {
        let long = "x".repeat(41);
        for word in ["", "peak", "limit95", "a/b", "..\n", "naïve", &long] {
            assert_eq!(Reason::manual(word), None, "{word:?}");
        }
        assert!(Reason::manual(&long[1..]).is_some());
    }
}
