//! Decides whether output is colored.
//!
//! The user's choice counts first. By default a terminal gets colors, unless the user has turned
//! them off.

use std::{
    env,
    io::{self, IsTerminal},
};

use crate::args::Color;

/// Whether to color standard output. `NO_COLOR` counts if it is not empty (<https://no-color.org>).
/// A terminal of the type `dumb` has no colors.
pub(crate) fn is_colored(color: Color) -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            io::stdout().is_terminal()
                && !is_set("NO_COLOR")
                && env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
        }
    }
}

/// The verdict, with leaks in red and its all-clear in green.
pub(crate) fn verdict(text: &str) -> String {
    let mut colored = String::with_capacity(text.len() + 64);
    for line in text.split_inclusive('\n') {
        let (line, end) = line
            .strip_suffix('\n')
            .map_or((line, ""), |line| (line, "\n"));
        let code = if line.starts_with("leak: ") {
            "\x1b[1;31m"
        } else if line.starts_with("no leak found") {
            "\x1b[32m"
        } else {
            colored.push_str(line);
            colored.push_str(end);
            continue;
        };
        for part in [code, line, "\x1b[0m", end] {
            colored.push_str(part);
        }
    }
    colored
}
