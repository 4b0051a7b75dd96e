//! A share of the memory limit, exact to a tenth of a percent, so that a file name can hold it.

use std::fmt;

/// A share above 0 and at most 1, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LimitShare(u16);

impl LimitShare {
    /// `None` if it is not above 0 and at most 1.
    pub(super) fn new(fraction: f64) -> Option<Self> {
        if !(0.0005..=1.0).contains(&fraction) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 1 and 1000"
        )]
        let thousandths = (fraction * 1000.0).round() as u16;
        Some(Self(thousandths))
    }

    /// This share of `whole`, rounded up, so that a use of that many bytes is at least this share.
    pub(super) fn of(self, whole: u64) -> u64 {
        let part = (u128::from(whole) * u128::from(self.0)).div_ceil(1000);
        u64::try_from(part).unwrap_or(u64::MAX)
    }

    /// This share less `thousandths`, at least 0.
    pub(super) fn less(self, thousandths: u16) -> Self {
        Self(self.0.saturating_sub(thousandths))
    }

    pub(super) fn percent(self) -> impl fmt::Display {
        Percent(self.0)
    }

    /// Parses the text that [`percent`](Self::percent) writes, and no other form.
    pub(super) fn parse_percent(text: &str) -> Option<Self> {
        let fraction = Self::new(text.parse::<f64>().ok()? / 100.0)?;
        (fraction.percent().to_string() == text).then_some(fraction)
    }
}

struct Percent(u16);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 10, self.0 % 10) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, tenths) => write!(f, "{whole}.{tenths}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_are_parsed_only_in_the_form_in_which_they_are_written() {
        for (text, thousandths) in [("80", 800), ("82.5", 825), ("100", 1000), ("0.1", 1)] {
            assert_eq!(
                LimitShare::parse_percent(text),
                Some(LimitShare(thousandths))
            );
            assert_eq!(LimitShare(thousandths).percent().to_string(), text);
        }
        for text in ["", "80.0", "080", "82.55", "101", "0", "-5", "nan", "1e1"] {
            assert_eq!(LimitShare::parse_percent(text), None, "{text}");
        }
    }

    #[test]
    fn a_part_is_rounded_up_and_does_not_overflow() {
        assert_eq!(LimitShare(800).of(512 << 20), 429_496_730);
        assert_eq!(LimitShare(1).of(1), 1);
        assert_eq!(LimitShare(1000).of(u64::MAX), u64::MAX);
        assert_eq!(LimitShare(30).less(50).of(1 << 30), 0);
    }
}
