//! A function in a listing: its lines, with and without their text.
//!
//! This module decides which lines are shown: from the start of the function to some lines behind
//! the last one that holds anything, as in `pprof -list`. Every line that holds something is shown,
//! whatever the source file has.

use std::{collections::BTreeMap, sync::Arc};

use super::{listing::both, top::RowEstimates};

/// A function in a [`Listing`](super::Listing), in one of its source files.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Routine {
    /// The function's name.
    pub name: Arc<str>,
    /// The source file as it stands in the profile; empty if it names none.
    pub file: Arc<str>,
    /// What the function holds itself.
    pub flat: i64,
    /// What its lines and all that they call hold.
    pub cum: i64,
    /// The numbers with their errors; `None` where no sampling error is known.
    pub estimates: Option<RowEstimates>,
    /// Its lines by number. Without a text only those that hold something.
    pub lines: Vec<ListedLine>,
    /// Why there is no text, or none for some lines.
    pub missing: Option<String>,
}

/// A line of a [`Routine`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ListedLine {
    /// The line's number; 0 where the profile does not know it.
    pub number: i64,
    /// What the line holds itself.
    pub flat: i64,
    /// What it and all it calls hold.
    pub cum: i64,
    /// The numbers with their errors; `None` for a line that holds nothing, and where no sampling
    /// error is known.
    pub estimates: Option<RowEstimates>,
    /// The text; `None` where it is not there.
    pub text: Option<String>,
}

impl Routine {
    /// How many lines are shown around those that hold something.
    pub(super) const MARGIN: i64 = 5;

    /// Adds a line, or to it if it is known from another binary.
    pub(super) fn add(&mut self, line: ListedLine) {
        let at = self
            .lines
            .partition_point(|known| known.number < line.number);
        match self
            .lines
            .get_mut(at)
            .filter(|known| known.number == line.number)
        {
            Some(known) => {
                known.flat = known.flat.saturating_add(line.flat);
                known.cum = known.cum.saturating_add(line.cum);
                known.estimates = both(known.estimates, line.estimates);
            }
            None => self.lines.insert(at, line),
        }
    }

    /// Takes the text of the source file, from line `start` on.
    pub(super) fn read(&mut self, text: &str, start: i64) {
        let end = self.lines.last().map_or(0, |last| last.number);
        let end = end.saturating_add(Self::MARGIN);
        let mut lines: BTreeMap<i64, ListedLine> = std::mem::take(&mut self.lines)
            .into_iter()
            .map(|line| (line.number, line))
            .collect();
        let mut count = 0;
        for (number, text) in (1..).zip(text.lines()) {
            count = number;
            if (start..=end).contains(&number) {
                let line = lines.entry(number).or_default();
                line.number = number;
                line.text = Some(text.to_owned());
            }
        }
        let beyond = lines.keys().filter(|&&number| number > count);
        if beyond.clone().next().is_some() {
            self.missing = Some(format!(
                "the source file ends at line {count}: it is not the one that the program was \
                 built from"
            ));
        }
        self.lines = lines.into_values().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::{ListedLine, Routine};

    fn routine(numbers: &[i64]) -> Routine {
        let mut made = Routine {
            name: "f".into(),
            file: "f.rs".into(),
            flat: 0,
            cum: 0,
            estimates: None,
            lines: Vec::new(),
            missing: None,
        };
        for &number in numbers {
            made.add(ListedLine {
                number,
                cum: 1,
                ..ListedLine::default()
            });
        }
        made
    }

    fn numbers(routine: &Routine) -> Vec<i64> {
        routine.lines.iter().map(|line| line.number).collect()
    }

    #[test]
    fn lines_are_shown_from_the_start_to_some_behind_the_last() {
        let text: String = (1..=30).map(|n| format!("line {n}\n")).collect();
        let mut read = routine(&[9, 12, 9]);
        read.read(&text, 4);
        assert_eq!(numbers(&read), (4..=17).collect::<Vec<_>>());
        assert_eq!(
            (read.lines[5].cum, read.lines[5].text.as_deref()),
            (2, Some("line 9"))
        );
        assert_eq!(read.missing, None);
        // Nothing ahead of the first line, nor behind the last.
        let mut read = routine(&[2, 29]);
        read.read(&text, -3);
        assert_eq!(numbers(&read), (1..=30).collect::<Vec<_>>());
        assert_eq!(read.missing, None);
    }

    #[test]
    fn a_line_beyond_the_file_is_listed_with_a_remark() {
        let mut read = routine(&[0, 2, 7, i64::MAX]);
        read.read("one\ntwo\nthree\n", 1);
        assert_eq!(numbers(&read), [0, 1, 2, 3, 7, i64::MAX]);
        assert!(
            read.missing
                .is_some_and(|reason| reason.starts_with("the source file ends at line 3:"))
        );
    }
}
