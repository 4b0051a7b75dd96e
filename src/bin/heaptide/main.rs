//! The `heaptide` command: profiles in, reports out.
//!
//! Exit code 0 is success, also when the reader of a pipe has had enough; 2 is everything that went
//! wrong, with one line on standard error. A report is written only once it is complete, so a failure
//! leaves nothing half written. What a report says is the library's business.

mod args;
mod diff;
mod failure;
mod input;
mod top;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use args::{Arguments, Command};
use failure::Failure;

const FAILED: u8 = 2;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => return answer_usage(&answer),
    };
    let report = match arguments.command {
        Command::Top(arguments) => top::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
    };
    finish(report.and_then(|text| show(&text)))
}

/// Help and version are answers, everything else is a usage error; `clap` knows which goes where.
fn answer_usage(answer: &clap::Error) -> ExitCode {
    let shown = answer.print().or_else(forgive_broken_pipe);
    match finish(shown.map_err(Failure::output)) {
        ExitCode::SUCCESS if answer.use_stderr() => FAILED.into(),
        code => code,
    }
}

fn show(text: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
        .or_else(forgive_broken_pipe)
        .map_err(Failure::output)
}

/// Whoever closes the pipe early, as `head` does, has what they wanted.
fn forgive_broken_pipe(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Ok(())
    } else {
        Err(error)
    }
}

fn finish(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // If standard error is gone too, the exit code is all that is left to tell.
            let _told = writeln!(io::stderr(), "heaptide: {failure}");
            FAILED.into()
        }
    }
}
