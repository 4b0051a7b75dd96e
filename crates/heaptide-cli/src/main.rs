//! The `heaptide` command: profiles in, reports out.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | success, also if the reader of a pipe closed it early |
//! | 1 | `--fail-on` asked for something, and it was found |
//! | 2 | everything that went wrong, wrong usage included, with one line on standard error |
//!
//! So a script can tell a finding from a failure to look, as with `grep`. A report is written only
//! once it is complete, so a failure leaves nothing half written. `heaptide-profile` computes the
//! reports.

mod args;
mod commands;
mod debug_info;
mod failure;
mod files;
mod outcome;
mod style;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use args::{Arguments, Command};
use failure::Failure;
use heaptide_profile::internal::printable;
use outcome::Outcome;

const FOUND: u8 = 1;
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => return answer_usage(&answer),
    };
    let is_colored = style::is_colored(arguments.color);
    let answer = match arguments.command {
        Command::Top(arguments) => commands::top::run(&arguments, is_colored),
        Command::Diff(arguments) => commands::diff::run(&arguments, is_colored),
        Command::Tree(arguments) => commands::tree::run(&arguments, is_colored),
        Command::Peek(arguments) => commands::peek::run(&arguments, is_colored),
        Command::Traces(arguments) => commands::traces::run(&arguments, is_colored),
        Command::List(arguments) => commands::list::run(&arguments, is_colored),
        Command::Leaks(arguments) => commands::leaks::run(&arguments, is_colored),
        Command::Flamegraph(arguments) => commands::flamegraph::run(&arguments),
        Command::Fetch(arguments) => commands::fetch::run(&arguments),
        Command::Watch(arguments) => commands::watch::run(&arguments, is_colored),
        Command::Info(arguments) => commands::info::run(&arguments),
        Command::Symbolize(arguments) => commands::symbolize::run(&arguments),
        Command::Convert(arguments) => commands::convert::run(&arguments),
        Command::Merge(arguments) => commands::merge::run(&arguments),
        Command::Completions(arguments) => commands::shell::completions(&arguments),
        Command::Man => commands::shell::manual(),
    };
    finish(answer.and_then(|answer| show(&answer)))
}

/// Help and version are answers, everything else is a usage error. `clap` knows which stream each
/// goes to.
fn answer_usage(answer: &clap::Error) -> ExitCode {
    let shown = answer.print().or_else(forgive_broken_pipe);
    let code = if answer.use_stderr() { FAILED } else { 0 };
    finish(shown.map(|()| code).map_err(Failure::output))
}

/// Writes the outcome, and returns its exit code.
fn show(answer: &Outcome) -> Result<u8, Failure> {
    for remark in &answer.remarks {
        tell(remark);
    }
    let mut output = io::stdout().lock();
    output
        .write_all(answer.text.as_bytes())
        .and_then(|()| output.flush())
        .or_else(forgive_broken_pipe)
        .map_err(Failure::output)?;
    Ok(if answer.is_found { FOUND } else { 0 })
}

/// A reader that closes the pipe early, as `head` does, has what it wanted.
fn forgive_broken_pipe(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Ok(())
    } else {
        Err(error)
    }
}

/// If standard error is closed too, only the exit code can tell. Names of files and of a profile's
/// types may hold line breaks and escape sequences, and so may a server's answer.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "heaptide: {}", printable(line));
}

fn finish(outcome: Result<u8, Failure>) -> ExitCode {
    match outcome {
        Ok(code) => code.into(),
        Err(failure) => {
            tell(&failure.to_string());
            FAILED.into()
        }
    }
}
