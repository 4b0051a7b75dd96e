//! `heaptide leaks`: what keeps growing.

use heaptide_profile::{
    Profile,
    internal::units::Instant,
    leak::{LeakDetector, Verdict},
};
use regex::{Captures, Regex};

use crate::{args, failure::Failure, files::input, files::input::Series, outcome::Outcome, style};

pub(crate) fn run(arguments: &args::LeaksArgs, is_colored: bool) -> Result<Outcome, Failure> {
    input::check_standard_input(&arguments.files)?;
    let verdict = judge(Series::of(&arguments.files)?)?;
    let mut text = match (arguments.json, arguments.whole_stacks) {
        (true, _) => format!("{}\n", verdict.to_json()),
        (false, true) => format!("{verdict:#}"),
        (false, false) => verdict.to_string(),
    };
    if is_colored && !arguments.json {
        text = style::verdict(&text);
    }
    let is_found = match arguments.fail_on {
        Some(args::FailOn::Leak) => verdict.has_leak(),
        None => false,
    };
    Ok(Outcome {
        text,
        remarks: Vec::new(),
        is_found,
    })
}

/// The verdict on a series. Each profile is dropped as soon as it is counted.
///
/// Names of snapshot files sort by time, so the profiles are sorted only if they are not in order.
/// If a clock was set back, the names are right and the times are wrong. The right order is the one
/// in which more snapshots fit one process.
fn judge(mut series: Series) -> Result<Verdict, Failure> {
    let mut times: Vec<i64> = Vec::new();
    let mut as_given = Ok(Watched::default());
    series.each(|name, profile| {
        times.push(profile.time_nanos);
        if let Ok(watched) = &mut as_given
            && let Err(error) = watched.add(name, profile)
        {
            if times.is_sorted() {
                return Err(error);
            }
            as_given = Err(error);
        }
        Ok(())
    })?;
    let as_given = as_given.and_then(Watched::verdict);
    if times.is_sorted() {
        return as_given;
    }
    series.sort(times);
    let mut watched = Watched::default();
    let by_time = series.each(|name, profile| watched.add(name, profile));
    let by_time = by_time.and_then(|()| watched.verdict());
    match (as_given, by_time) {
        (Ok(given), Ok(by_time)) if given.snapshots < by_time.snapshots => Ok(by_time),
        (Ok(given), _) => Ok(given),
        (Err(_), by_time) => by_time,
    }
}

/// The state of the detector so far, and the names of the profiles.
#[derive(Default)]
struct Watched {
    detector: LeakDetector,
    names: Vec<String>,
    /// The time of the last profile.
    time_nanos: i64,
}

impl Watched {
    fn add(&mut self, name: &str, profile: &Profile) -> Result<(), Failure> {
        // Two profiles with the same time have no order.
        if let Some(last) = self.names.last()
            && profile.time_nanos == self.time_nanos
            && profile.time_nanos != 0
        {
            let taken = Instant(profile.time_nanos);
            let reason = format!("both were taken at {taken}: leave out the copy");
            return Err(Failure::between(last, name, reason));
        }
        self.time_nanos = profile.time_nanos;
        self.names.push(name.to_owned());
        self.detector
            .add(profile)
            .map_err(|error| fail(&error, &self.names))
    }

    fn verdict(self) -> Result<Verdict, Failure> {
        let Self {
            detector, names, ..
        } = self;
        let mut verdict = detector.verdict().map_err(|error| fail(&error, &names))?;
        for note in &mut verdict.notes {
            *note = with_names(note, &names);
        }
        Ok(verdict)
    }
}

fn fail(error: &heaptide_profile::Error, names: &[String]) -> Failure {
    Failure::of("leaks", with_names(&error.to_string(), names))
}

/// The library numbers the profiles from 1. A user knows their names.
fn with_names(reason: &str, names: &[String]) -> String {
    let Ok(number) = Regex::new(r"\bprofile (\d+)\b") else {
        return reason.to_owned();
    };
    let named = |found: &Captures<'_>| {
        let at = found
            .get(1)
            .and_then(|number| number.as_str().parse::<usize>().ok());
        let name = at.and_then(|at| names.get(at.checked_sub(1)?));
        name.map_or_else(|| found[0].to_owned(), |name| format!("profile {name}"))
    };
    number.replace_all(reason, named).into_owned()
}
