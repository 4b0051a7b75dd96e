//! Source code with the values of each line.
//!
//! Lines count as in `pprof -list`. The caller gives the source texts, since a report reads no
//! files. `listed` writes it.

use std::{collections::HashMap, sync::Arc};

use super::{
    column::{Amount, ReportColumn},
    header::Header,
    places::{Places, clean, mapped_file},
    routine::{ListedLine, Routine},
    tally::Node,
    text::Text,
    top::{RowEstimates, total},
    view::View,
};
use crate::SampleType;
use crate::{Estimate, Function, Line, Location, Profile, Sample, ValueType, text::units::clamp};

/// The source code of some functions, with the values of each line.
///
/// A sample's value is *flat* for the line of the innermost call on its stack. It is *cum* for each
/// line on the stack, once. The values of a function are the sums over its lines, as in `pprof`. So
/// a sample on which the function recurs at another line counts once for each line.
///
/// # Examples
///
/// ```
/// use heaptide_profile::{Profile, report::{Listing, Text, View}};
///
/// # let profile = Profile {
/// #     sample_types: vec![heaptide_profile::ValueType::new("inuse_space", "bytes")],
/// #     ..Profile::default()
/// # };
/// let inuse_space = profile.sample_type("inuse_space")?;
/// let source = |file: &str| std::fs::read_to_string(file).map_err(|error| error.to_string());
/// let of_the_cache = |name: &str| name.contains("cache::");
/// let listing = Listing::new(inuse_space, &View::default(), of_the_cache, source);
/// print!("{}", listing.text(&Text::default()));
/// # assert!(listing.routines.is_empty());
/// # Ok::<(), heaptide_profile::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Listing {
    /// What the numbers are.
    pub value_type: ValueType,
    /// What 100 percent is; see [`Top::total`](super::Top::total).
    pub total: i64,
    /// The sum of all samples with its error. `None` where no sampling error is known.
    pub estimate: Option<Estimate>,
    /// The functions, by name and then by source file.
    pub routines: Vec<Routine>,
    pub(super) header: Header,
    pub(super) no_errors: Option<String>,
}

impl Listing {
    /// The functions whose name `matches`, by their values. The view's granularity and order have
    /// no effect.
    ///
    /// `source` takes the path of a source file as it stands in the profile. It returns the text,
    /// or a sentence that says why there is none. It is called once for each file.
    #[must_use]
    pub fn new(
        sample_type: SampleType<'_>,
        view: &View,
        matches: impl Fn(&str) -> bool,
        source: impl FnMut(&str) -> Result<String, String>,
    ) -> Self {
        let profile = sample_type.profile();
        let column = ReportColumn::of(sample_type);
        let mut count = ListingSums::new(profile, matches);
        for (sample, amount) in column.amounts() {
            count.add(sample, amount);
        }
        Self {
            value_type: column.value_type.clone(),
            total: view.total.unwrap_or_else(|| total(sample_type)),
            estimate: column.estimate(),
            routines: count.into_routines(column.has_errors(), source),
            header: Header::of(profile),
            no_errors: column.no_errors,
        }
    }

    /// The report as text: header lines, and for each function a table of its lines.
    #[must_use]
    pub fn text(&self, text: &Text) -> String {
        text.listing(self)
    }
}

/// What tells lines apart, as in `pprof -list`. A function that is in two binaries has its lines
/// twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    function: Arc<str>,
    file: String,
    line: i64,
    start_line: i64,
    binary: Arc<str>,
}

/// Sums under construction.
struct ListingSums {
    /// The lines. Functions that do not match are `None`.
    places: Places<Option<Place>>,
    lines: Vec<LineSums>,
    /// The sums of functions, by name and file, in no order.
    functions: Vec<FunctionSums>,
    samples: usize,
}

#[derive(Clone, Default)]
struct LineSums {
    node: Node,
    function: usize,
    last_sample: Option<usize>,
}

#[derive(Default)]
struct FunctionSums {
    node: Node,
    /// The number of its lines that the current sample is on.
    times: u32,
}

impl ListingSums {
    fn new(profile: &Profile, matches: impl Fn(&str) -> bool) -> Self {
        let places = Places::of(profile, |location, line| {
            place(profile, location, line?, &matches)
        });
        let mut functions: Vec<FunctionSums> = Vec::new();
        let mut known: HashMap<(&str, &str), usize> = HashMap::new();
        let mut lines = Vec::with_capacity(places.keys.len());
        for place in &places.keys {
            let mut sums = LineSums::default();
            if let Some(place) = place {
                let key = (&*place.function, &*place.file);
                sums.function = *known.entry(key).or_insert_with(|| {
                    functions.push(FunctionSums::default());
                    functions.len() - 1
                });
            }
            lines.push(sums);
        }
        Self {
            places,
            lines,
            functions,
            samples: 0,
        }
    }

    fn add(&mut self, sample: &Sample, amount: Amount) {
        let at = self.samples;
        self.samples += 1;
        let locations = sample.locations.iter();
        let locations = locations.filter_map(|id| self.places.locations.get(id.index()));
        let mut touched = Vec::new();
        for (depth, &place) in locations.flatten().enumerate() {
            let is_asked_for = self.places.keys.get(place).is_some_and(Option::is_some);
            let Some(line) = self.lines.get_mut(place).filter(|_| is_asked_for) else {
                continue;
            };
            let Some(function) = self.functions.get_mut(line.function) else {
                continue;
            };
            if depth == 0 {
                line.node.add_flat(amount);
                function.node.add_flat(amount);
            }
            if line.last_sample != Some(at) {
                line.last_sample = Some(at);
                line.node.add_cum(amount);
                function.times += 1;
                touched.push(line.function);
            }
        }
        for function in touched {
            if let Some(function) = self.functions.get_mut(function)
                && function.times > 0
            {
                // The lines are of one sample, so their errors are not independent.
                function.node.add_cum(Amount {
                    value: amount.value * i128::from(function.times),
                    estimate: amount.estimate * f64::from(function.times),
                    ..amount
                });
                function.times = 0;
            }
        }
    }

    fn into_routines(
        self,
        has_errors: bool,
        mut source: impl FnMut(&str) -> Result<String, String>,
    ) -> Vec<Routine> {
        let estimates = |node: &Node| has_errors.then_some(node.estimates);
        let mut routines: Vec<Option<Routine>> = Vec::new();
        routines.resize_with(self.functions.len(), || None);
        let mut starts: Vec<i64> = vec![i64::MAX; self.functions.len()];
        for (place, sums) in self.places.keys.iter().zip(&self.lines) {
            let Some(place) = place else { continue };
            // As in `pprof`, which leaves out lines that hold nothing.
            if sums.node.flat == 0 && sums.node.cum == 0 {
                continue;
            }
            let (Some(routine), Some(function), Some(start)) = (
                routines.get_mut(sums.function),
                self.functions.get(sums.function),
                starts.get_mut(sums.function),
            ) else {
                continue;
            };
            *start = (*start).min(place.first_line());
            let routine = routine.get_or_insert_with(|| Routine {
                name: Arc::clone(&place.function),
                file: place.file.as_str().into(),
                flat: clamp(function.node.flat),
                cum: clamp(function.node.cum),
                estimates: estimates(&function.node),
                lines: Vec::new(),
                missing: None,
            });
            routine.add(ListedLine {
                number: place.line,
                flat: clamp(sums.node.flat),
                cum: clamp(sums.node.cum),
                estimates: estimates(&sums.node),
                text: None,
            });
        }
        let mut routines: Vec<(Routine, i64)> = routines
            .into_iter()
            .zip(starts)
            .filter_map(|(routine, start)| Some((routine?, start)))
            .collect();
        routines.sort_by(|(a, _), (b, _)| (&a.name, &a.file).cmp(&(&b.name, &b.file)));
        let mut texts: HashMap<Arc<str>, Result<String, String>> = HashMap::new();
        let with_text = routines.into_iter().map(|(mut routine, start)| {
            let text = texts
                .entry(Arc::clone(&routine.file))
                .or_insert_with_key(|file| match &**file {
                    "" => Err("the profile names no source file".to_owned()),
                    file => source(file),
                });
            match text {
                Ok(text) => routine.read(text, start),
                Err(reason) => routine.missing = Some(reason.clone()),
            }
            routine
        });
        with_text.collect()
    }
}

impl Place {
    /// The first line to show: the start of the function, or some lines before its first value.
    fn first_line(&self) -> i64 {
        if (1..=self.line).contains(&self.start_line) {
            self.start_line
        } else {
            self.line.saturating_sub(Routine::MARGIN)
        }
    }
}

fn place(
    profile: &Profile,
    location: &Location,
    line: &Line,
    matches: &impl Fn(&str) -> bool,
) -> Option<Place> {
    let function: &Function = profile.functions.get(line.function.index())?;
    let name = function.shown_name().filter(|name| matches(name))?;
    Some(Place {
        function: Arc::clone(name),
        file: clean(&function.file),
        line: line.line,
        start_line: function.start_line,
        binary: mapped_file(profile, location).into(),
    })
}

/// The sum of two estimates of one line that is in two binaries.
pub(super) fn both(a: Option<RowEstimates>, b: Option<RowEstimates>) -> Option<RowEstimates> {
    let (a, b) = (a?, b?);
    Some(RowEstimates {
        flat: a.flat + b.flat,
        cum: a.cum + b.cum,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::example::profile;

    fn listing(profile: &Profile, wanted: &str) -> Listing {
        let source = |file: &str| Err(format!("{file} is not here"));
        let inuse_space = profile.sample_type_at(3).unwrap();
        Listing::new(inuse_space, &View::default(), |name| name == wanted, source)
    }

    #[test]
    fn lines_count_a_sample_once_and_a_function_for_each_line() {
        let mut made = profile(
            "main / walk / walk = 1000 800000 1000 800000\n main / walk / leaf = 1 1 1 8",
            0,
        );
        let alone = listing(&made, "walk");
        assert_eq!(
            (alone.routines[0].flat, alone.routines[0].cum),
            (800_000, 800_008)
        );
        assert_eq!(alone.routines[0].lines.len(), 1);
        // The outer call is at another line.
        let mut outer = made.locations[1].clone();
        outer.address += 8;
        outer.lines[0].line += 3;
        made.locations.push(outer);
        made.samples[0].locations[1] = crate::LocationId::new(3).expect("few");
        let twice = listing(&made, "walk");
        let routine = &twice.routines[0];
        assert_eq!((routine.flat, routine.cum), (800_000, 1_600_008));
        let lines: Vec<(i64, i64)> = routine.lines.iter().map(|l| (l.flat, l.cum)).collect();
        assert_eq!(lines, [(800_000, 800_008), (0, 800_000)]);
        // A sample that counts twice has twice the error: its lines are not independent.
        let errors = routine.estimates.expect("known");
        let once = routine.lines[1]
            .estimates
            .expect("known")
            .cum
            .standard_error;
        assert!(once > 100_000.0);
        assert!((errors.cum.standard_error / (2.0 * once) - 1.0).abs() < 0.01);
        let missing = routine.missing.as_deref();
        assert_eq!(missing, Some(&*format!("{} is not here", routine.file)));
    }

    #[test]
    fn a_line_in_two_binaries_is_one_line_with_the_sums_of_both() {
        let text = "main / put = 1 1 1 5\n main / libz.so!put / put = 1 1 1 2";
        let listed = listing(&profile(text, 0), "put");
        assert_eq!(listed.routines.len(), 1);
        // As in pprof, the second sample is on both lines.
        let routine = &listed.routines[0];
        assert_eq!((routine.flat, routine.cum, routine.lines.len()), (7, 9, 1));
        assert_eq!((routine.lines[0].flat, routine.lines[0].cum), (7, 9));
    }

    #[test]
    fn each_source_file_is_asked_for_once_and_sorted() {
        let made = profile(
            "main / b = 1 1 1 5\n main / a = 1 1 1 2\n idle = 1 1 1 0",
            0,
        );
        let mut asked = Vec::new();
        let source = |file: &str| {
            asked.push(file.to_owned());
            Ok("x\n".repeat(2000))
        };
        let view = View::default().out_of(70);
        let listing = Listing::new(made.sample_type_at(3).unwrap(), &view, |_| true, source);
        let names: Vec<&str> = listing.routines.iter().map(|r| &*r.name).collect();
        assert_eq!((names, listing.total), (vec!["a", "b", "main"], 70));
        let mut files: Vec<&str> = listing.routines.iter().map(|r| &*r.file).collect();
        files.dedup();
        assert_eq!(asked, files);
        let b = &listing.routines[1];
        // From the function's start, which is line 1.
        let last = b
            .lines
            .iter()
            .find(|line| line.cum != 0)
            .expect("a line")
            .number
            + 5;
        let numbers: Vec<i64> = b.lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
    }

    #[test]
    fn a_function_without_a_file_says_so() {
        let mut made = profile("main = 1 1 1 5", 0);
        made.functions[0].file = "".into();
        made.locations[0].lines[0].line = 0;
        let text = listing(&made, "main").text(&Text::default().without_errors());
        let expected = "\n\nmain\nflat 5 B, cum 5 B, 100.00% of the total\n\
                        Source: the profile names no source file\n\
                        flat  cum  line  source\n 5 B  5 B     ?\n";
        assert!(text.ends_with(expected), "{text}");
    }
}
