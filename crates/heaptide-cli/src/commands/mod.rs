//! The commands: a file for each, and what some of them need beside it.
//!
//! `watch` draws `growth` on the `screen`. `convert` writes `profile_json` and `speedscope`.
//! `pprof_hint` is the line below a report with the same command of `pprof`. `shell` has the
//! completions and the manual page.

pub(crate) mod convert;
pub(crate) mod diff;
pub(crate) mod fetch;
pub(crate) mod flamegraph;
mod growth;
pub(crate) mod info;
pub(crate) mod leaks;
pub(crate) mod list;
pub(crate) mod merge;
pub(crate) mod peek;
mod pprof_hint;
mod profile_json;
mod screen;
pub(crate) mod shell;
mod speedscope;
pub(crate) mod symbolize;
pub(crate) mod top;
pub(crate) mod traces;
pub(crate) mod tree;
pub(crate) mod watch;
