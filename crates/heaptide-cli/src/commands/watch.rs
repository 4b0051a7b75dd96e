//! `heaptide watch`: what has grown since the start, again and again.
//!
//! A thread of its own fetches the profiles, so that Ctrl-C and a resize work during a fetch.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use heaptide_profile::{Profile, internal::units};

use crate::{
    args,
    commands::growth::{Growth, is_restarted},
    commands::screen::{Ready, Screen},
    failure::Failure,
    files::download,
    files::input,
    outcome::Outcome,
};
use heaptide_profile::internal::printable;

/// The time between two checks for a resize, and for a signal that ends the command.
const TICK: Duration = Duration::from_millis(100);

/// The longest pause after failures, unless the interval is longer anyway.
const PAUSE: Duration = Duration::from_secs(60);

/// The lines that are not rows of the table: three of the head, the heading, the line for what is
/// left out, the footer, and the empty line before it.
const NOT_ROWS: usize = 7;

pub(crate) fn run(arguments: &args::WatchArgs, is_colored: bool) -> Result<Outcome, Failure> {
    let source = &arguments.source;
    if download::url(source).is_none() && !input::is_folder(source) {
        let reason = "neither an http:// URL nor a folder: there is nothing to look at again";
        return Err(Failure::with(source, reason));
    }
    // If the first look fails, the address is probably wrong. That ends the command.
    let first = look(source)?;
    let sample_type = first.sample_type(&arguments.counted.sample_index);
    let index = sample_type
        .map_err(|error| Failure::with(source, error))?
        .index();
    let mut watch = WatchState {
        arguments,
        index,
        growth: growth(source, &first, &first, index)?,
        base: first.clone(),
        last: first,
        notes: Vec::new(),
        failures: 0,
        restarts: 0,
    };
    let is_dumb = env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    if arguments.plain || is_dumb || !io::stdout().is_terminal() {
        return watch.in_blocks();
    }
    watch.on_screen(is_colored)
}

struct WatchState<'a> {
    arguments: &'a args::WatchArgs,
    index: usize,
    base: Profile,
    last: Profile,
    growth: Growth,
    /// Remarks on the last look.
    notes: Vec<String>,
    /// How many looks have failed in a row.
    failures: u32,
    /// How often the base was replaced after a restart.
    restarts: u32,
}

impl WatchState<'_> {
    /// Writes one block for each look, for pipes and files. It ends with the count, or when its
    /// reader closes the pipe.
    fn in_blocks(&mut self) -> Result<Outcome, Failure> {
        let mut looks = 1;
        loop {
            match self.block() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Ok(Outcome::default());
                }
                Err(error) => return Err(Failure::output(error)),
            }
            if self.arguments.count == Some(looks) {
                return Ok(Outcome::default());
            }
            thread::sleep(self.pause());
            self.take(look(&self.arguments.source));
            looks += 1;
        }
    }

    fn block(&self) -> io::Result<()> {
        let mut text = format!("== {}\n", now());
        let lines = match self.failures {
            0 => self.growth.lines(self.nodecount()),
            _ => Vec::new(),
        };
        for line in self.notes.iter().chain(&lines) {
            text.push_str(line);
            text.push('\n');
        }
        text.push('\n');
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Uses the whole terminal, until Ctrl-C or the count.
    fn on_screen(&mut self, is_colored: bool) -> Result<Outcome, Failure> {
        let screen = Screen::enter().map_err(Failure::output)?;
        let mut looks = 1;
        let mut is_ended = false;
        while !is_ended {
            let mut drawn = None;
            is_ended = self.arguments.count == Some(looks)
                || self.wait(&screen, self.pause(), is_colored, &mut drawn)?;
            if is_ended {
                break;
            }
            let (sender, receiver) = channel();
            let source = self.arguments.source.clone();
            // The thread ends with its look, or with the process. Nobody may be waiting for its
            // result any more.
            let _ = thread::spawn(move || {
                let _ = sender.send(look(&source));
            });
            loop {
                match receiver.recv_timeout(TICK) {
                    Ok(looked) => {
                        self.take(looked);
                        break;
                    }
                    Err(RecvTimeoutError::Timeout) if screen.is_ended() => {
                        is_ended = true;
                        break;
                    }
                    Err(RecvTimeoutError::Timeout) => self.draw(&screen, is_colored, &mut drawn)?,
                    Err(RecvTimeoutError::Disconnected) => {
                        return Err(Failure::with(&self.arguments.source, "the look broke off"));
                    }
                }
            }
            looks += 1;
        }
        drop(screen);
        // The last drawing stays on the screen.
        let mut text = self
            .lines(is_colored, self.nodecount(), usize::MAX)
            .join("\n");
        text.push('\n');
        Ok(Outcome::new(text, Vec::new()))
    }

    /// Draws until the pause is over. Returns true if the user asked for an end.
    fn wait(
        &self,
        screen: &Screen,
        pause: Duration,
        is_colored: bool,
        drawn: &mut Option<(usize, usize)>,
    ) -> Result<bool, Failure> {
        let until = Instant::now() + pause;
        loop {
            if screen.is_ended() {
                return Ok(true);
            }
            self.draw(screen, is_colored, drawn)?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            thread::sleep(left.min(TICK));
        }
    }

    /// Draws, unless the drawing has this size already and no other program had the terminal since.
    fn draw(
        &self,
        screen: &Screen,
        is_colored: bool,
        drawn: &mut Option<(usize, usize)>,
    ) -> Result<(), Failure> {
        match screen.ready().map_err(Failure::output)? {
            Ready::Background => return Ok(()),
            Ready::Anew => *drawn = None,
            Ready::Kept => {}
        }
        let size = Screen::size();
        if *drawn != Some(size) {
            let rows = size.0.saturating_sub(NOT_ROWS);
            let mut lines = self.lines(is_colored, rows, size.1);
            lines.extend([String::new(), "Ctrl-C ends it".into()]);
            screen.draw(&lines).map_err(Failure::output)?;
            *drawn = Some(size);
        }
        Ok(())
    }

    /// All lines to show, with `rows` rows of the table, and remarks broken at `columns` columns.
    fn lines(&self, is_colored: bool, rows: usize, columns: usize) -> Vec<String> {
        let every = units::Nanos(nanos(self.arguments.every));
        let source = printable(&self.arguments.source.display().to_string());
        let restarts = match self.restarts {
            0 => String::new(),
            1 => ", restarted once".into(),
            times => format!(", restarted {times} times"),
        };
        let notes = self.notes.iter().flat_map(|note| broken(note, columns));
        let notes: Vec<String> = notes
            .map(|note| match is_colored {
                true => format!("\x1b[1;31m{note}\x1b[0m"),
                false => note,
            })
            .collect();
        let mut lines = vec![format!("{source}, every {every}{restarts}")];
        lines.extend(self.growth.lines(rows.saturating_sub(notes.len())));
        lines.extend(notes);
        lines
    }

    /// Stores the result of a look.
    fn take(&mut self, looked: Result<Profile, Failure>) {
        self.notes.clear();
        if let Err(failure) = looked.and_then(|profile| self.compare(profile)) {
            self.failures = self.failures.saturating_add(1);
            let pause = units::Nanos(nanos(self.pause()));
            self.notes.push(format!("{failure}; again in {pause}"));
        }
    }

    fn compare(&mut self, profile: Profile) -> Result<(), Failure> {
        let is_restarted = is_restarted(&self.last, &profile);
        let base = if is_restarted { &profile } else { &self.base };
        self.growth = growth(&self.arguments.source, base, &profile, self.index)?;
        if is_restarted {
            self.notes
                .push("the process was restarted: this is the new base".into());
            self.base = profile.clone();
            self.restarts = self.restarts.saturating_add(1);
        }
        self.last = profile;
        self.failures = 0;
        Ok(())
    }

    /// The number of rows if no terminal gives one.
    fn nodecount(&self) -> usize {
        match self.arguments.nodecount {
            0 => usize::MAX,
            rows => rows,
        }
    }

    /// The pause until the next look. It doubles with each failure in a row.
    fn pause(&self) -> Duration {
        let every = self.arguments.every;
        let doubled = every.saturating_mul(2_u32.saturating_pow(self.failures));
        doubled.min(PAUSE.max(every))
    }
}

/// A text in lines of at most `columns` characters.
fn broken(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for c in text.chars() {
        if length == columns.max(1) {
            lines.push(String::new());
            length = 0;
        }
        lines
            .iter_mut()
            .last()
            .into_iter()
            .for_each(|line| line.push(c));
        length += 1;
    }
    lines
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn growth(source: &Path, base: &Profile, now: &Profile, index: usize) -> Result<Growth, Failure> {
    let growth = now
        .sample_type_at(index)
        .and_then(|now| Growth::new(base, now));
    growth.map_err(|error| Failure::with(source, error))
}

/// One profile; for a folder, the one that was written last.
fn look(source: &Path) -> Result<Profile, Failure> {
    if let Some(url) = download::url(source) {
        let bytes = download::get_quietly(url)?;
        return input::parse(url, &bytes);
    }
    let file = newest(source)?;
    let bytes = fs::read(&file).map_err(|error| Failure::with(&file, error))?;
    input::parse(&file.display().to_string(), &bytes)
}

fn newest(folder: &Path) -> Result<PathBuf, Failure> {
    let mut newest: Option<(SystemTime, OsString)> = None;
    for file in input::snapshots(folder)? {
        // A file that was removed meanwhile is not the newest.
        let Ok(modified) = fs::metadata(&file).and_then(|file| file.modified()) else {
            continue;
        };
        newest = newest.max(Some((modified, file.into_os_string())));
    }
    let nothing = || Failure::with(folder, "its snapshots were removed meanwhile");
    newest.map(|(_, file)| file.into()).ok_or_else(nothing)
}

fn now() -> units::Instant {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    units::Instant(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_broken_at_the_width_and_nothing_is_lost() {
        assert_eq!(broken("ab±def", 4), ["ab±d", "ef"]);
        assert_eq!(broken("abcd", 4), ["abcd"]);
        assert_eq!(broken("ab", 0), ["a", "b"]);
    }
}
