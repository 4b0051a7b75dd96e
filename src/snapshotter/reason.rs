//! Why a snapshot was taken: a word in its file's name, and its rank when files have to go.

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
    /// The program asked; made of letters, digits, `-`, `_` and `.`, and no word of the others.
    Manual(Box<str>),
}

/// Which files go first. The order is that of deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// One of a series that goes on.
    Rotating,
    /// Taken when memory ran short: what is left of a process that was killed for it.
    Pressure,
    Peak,
}

/// The longest reason that the program may give.
const MOST_LETTERS: usize = 40;

impl Reason {
    /// The reason that a name's word stands for; `None` if it is no such word.
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

    /// What the program calls a snapshot of its own; `None` if that is no word, or one of ours.
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
    fn every_reason_is_read_back_from_its_word() {
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
    fn the_program_may_use_neither_our_words_nor_what_a_file_cannot_be_called() {
        let long = "x".repeat(41);
        for word in ["", "peak", "limit95", "a/b", "..\n", "naïve", &long] {
            assert_eq!(Reason::manual(word), None, "{word:?}");
        }
        assert!(Reason::manual(&long[1..]).is_some());
    }
}
