//! Runs a test's body in its own process for each sample interval, and ends processes that hang.
//!
//! It is for tests of what would hang or kill a program.
//!
//! `HEAPTIDE_TEST_ROUNDS=n` makes the bodies n times longer.

#![expect(unsafe_code, reason = "sets the process's alarm")]

use std::process::{Command, Output};

/// Every allocation, every second page, and the default.
const INTERVALS: [&str; 3] = ["1", "4KiB", "512KiB"];

/// Tells a process to run the body.
const CHILD: &str = "HEAPTIDE_TEST_CHILD";
const ROUNDS: &str = "HEAPTIDE_TEST_ROUNDS";
/// Hundreds of times longer than any body on an idle machine, and longer than on any busy one.
const TIMEOUT_SECONDS: u32 = 600;

/// Each test uses only some of these. This avoids warnings about the others.
const _: () = {
    let _ = (rounds, samples_everything, at_every_interval::<fn()>);
    let _ = assert_hardly_lost;
    let _ = (is_child, set_alarm, in_own_process, start);
};

/// The factor by which bodies run longer than usual.
pub(crate) fn rounds() -> usize {
    std::env::var(ROUNDS).map_or(1, |text| text.parse().expect("a number of rounds"))
}

/// Whether every allocation is sampled.
pub(crate) fn samples_everything() -> bool {
    heaptide::sample_interval() == 1
}

/// A machine with more work than cores may stop a thread with a table locked, for longer than the
/// 0.2 s that a sample waits. Then a sample that waits for the stack table is lost, and the live
/// part of one that waits for the live table. Nothing else may be lost.
pub(crate) fn assert_hardly_lost(stats: heaptide::Stats) {
    let lost = stats.lost;
    let lost_by_waiting = lost.samples + lost.live;
    assert!(lost_by_waiting <= 3 + stats.samples / 1_000, "{stats:?}");
    assert_eq!((lost.stacks, lost.frees), (0, 0), "{stats:?}");
}

/// Runs `body` in three processes, one for each interval. `test` is the path of the calling test.
pub(crate) fn at_every_interval<F: FnOnce()>(test: &str, body: F) {
    for interval in INTERVALS {
        if !is_child() {
            in_own_process(test, &[("HEAPTIDE_SAMPLE_INTERVAL", interval)]);
        }
    }
    if is_child() {
        body();
    }
}

/// Whether this process was started to run a body. Then its time is limited: the kernel kills it if
/// it hangs.
pub(crate) fn is_child() -> bool {
    let is_child = std::env::var_os(CHILD).is_some();
    if is_child {
        set_alarm();
    }
    is_child
}

/// Lets the kernel kill this process if it hangs. A forked child has to call it for itself.
pub(crate) fn set_alarm() {
    let seconds = TIMEOUT_SECONDS.saturating_mul(u32::try_from(rounds()).unwrap_or(u32::MAX));
    // SAFETY: takes a number, and cannot fail.
    unsafe { libc::alarm(seconds) };
}

/// Runs one test of this program, whose body then finds that it [is the child](is_child). The test
/// has to pass.
pub(crate) fn in_own_process(test: &str, variables: &[(&str, &str)]) -> Output {
    let output = start(test, variables);
    let text = String::from_utf8_lossy(&output.stdout);
    // A name that is not a test's would pass by running nothing.
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{test} {variables:?}: {}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// As [`in_own_process`], with any result.
pub(crate) fn start(test: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--include-ignored", "--nocapture"]);
    command.env(CHILD, "1").envs(variables.iter().copied());
    command.output().unwrap()
}
