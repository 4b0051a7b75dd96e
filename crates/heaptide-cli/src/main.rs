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
        Err(message) => return finish_without_command(&message),
    };
    let is_colored = style::is_colored(arguments.color);
    let outcome = match arguments.command {
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
    finish(outcome.and_then(|outcome| show(&outcome)))
}

/// Prints help, the version or a usage error, and returns the exit code. `clap` chooses the stream.
fn finish_without_command(message: &clap::Error) -> ExitCode {
    let shown = message.print().or_else(forgive_broken_pipe);
    let code = if message.use_stderr() { FAILED } else { 0 };
    finish(shown.map(|()| code).map_err(Failure::output))
}

/// Writes the outcome, and returns its exit code.
fn show(outcome: &Outcome) -> Result<u8, Failure> {
    for remark in &outcome.remarks {
        tell(remark);
    }
    let mut output = io::stdout().lock();
    output
        .write_all(outcome.text.as_bytes())
        .and_then(|()| output.flush())
        .or_else(forgive_broken_pipe)
        .map_err(Failure::output)?;
    Ok(if outcome.is_found { FOUND } else { 0 })
}

/// A reader that closes the pipe early, as `head` does, has what it wanted.
fn forgive_broken_pipe(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Ok(())
    } else {
        Err(error)
    }
}

/// Writes one line to standard error. Names of files and of a profile's types may hold line breaks
/// and escape sequences, and so may a server's answer. If standard error is closed, only the exit
/// code reports the failure.
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
