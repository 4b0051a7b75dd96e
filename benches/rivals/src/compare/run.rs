//! Runs one program once, in an environment that differs only in the program's own settings.

use super::{build, contender::Contender};
use crate::workload::Workload;
use std::process::{Command, Output};

/// Settings that make glibc copy and clear with vector instructions at every size.
///
/// Above some size glibc uses `rep movsb` and `rep stosb`, which valgrind counts as one instruction
/// for each byte.
const TUNABLES: &str = "glibc.cpu.x86_rep_movsb_threshold=1073741824:\
                        glibc.cpu.x86_rep_stosb_threshold=1073741824";

/// The environment lies above the stack: its size moves the stack, and with it alignments.
const ENVIRONMENT_BYTES: usize = 1024;

/// One program with one workload.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub contender: Contender,
    pub workload: Workload,
    pub operations: u64,
    pub seed: u64,
}

impl Run {
    /// Runs the program under `runner`, a command and its arguments, and returns its output.
    ///
    /// `jemalloc` holds settings that the program's jemalloc, if it has one, gets beside its own.
    ///
    /// # Errors
    ///
    /// When it cannot be run or fails.
    pub fn output(&self, runner: &[&str], jemalloc: &str) -> Result<Output, String> {
        let program = build::program(&self.contender);
        let Some((first, rest)) = runner.split_first() else {
            return Err("no command to run a program under".to_owned());
        };
        let mut command = Command::new(first);
        command.args(rest).arg(&program).arg(self.workload.name());
        command.args([self.operations.to_string(), self.seed.to_string()]);
        command.env_clear().env("GLIBC_TUNABLES", TUNABLES);
        let jemalloc = format!("{jemalloc},{}", self.contender.jemalloc);
        let jemalloc = ("_RJEM_MALLOC_CONF", jemalloc.trim_matches(','));
        let mut bytes = 0;
        for &(name, value) in self.contender.environment.iter().chain([&jemalloc]) {
            command.env(name, value);
            bytes += name.len() + value.len() + 2;
        }
        let padding = ENVIRONMENT_BYTES.saturating_sub(bytes + "PADDING=".len() + 1);
        command.env("PADDING", "x".repeat(padding));
        let output = command
            .output()
            .map_err(|error| format!("{first}: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{self:?}: {}: {said}", output.status));
        }
        Ok(output)
    }
}
