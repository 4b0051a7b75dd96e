//! The main function of test programs that also play roles in processes of their own.
//!
//! Rust's own test harness would list such a role as a test, which could not fail.

use libtest_mimic::{Arguments, Trial};
use std::{env, process::Command, process::ExitCode};

/// Names the role in the environment of the process that plays it.
const ROLE: &str = "HEAPTIDE_TEST_ROLE";

/// Plays the role that the environment names. Without one, runs the tests.
pub(crate) fn main(play: fn(&str), tests: Vec<Trial>) -> ExitCode {
    match role() {
        Some(role) => {
            play(&role);
            ExitCode::SUCCESS
        }
        None => libtest_mimic::run(&Arguments::from_args(), tests).exit_code(),
    }
}

/// The role of this process, if it was started for one.
pub(crate) fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// This program in the given role. The interval of the environment is not inherited.
pub(crate) fn command(role: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command
        .env_remove("HEAPTIDE_SAMPLE_INTERVAL")
        .env(ROLE, role);
    command
}

/// The listed functions as tests. One with a reason is ignored unless it is asked for.
macro_rules! tests {
    ($($test:path $(= $reason:literal)?),* $(,)?) => {
        vec![$({
            let body: fn() = $test;
            let test = libtest_mimic::Trial::test(stringify!($test), move || {
                body();
                Ok(())
            });
            $(
                let _reason: &str = $reason;
                let test = test.with_ignored_flag(true);
            )?
            test
        }),*]
    };
}
pub(crate) use tests;
