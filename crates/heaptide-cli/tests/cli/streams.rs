//! Standard input and output: profiles through pipes, closed pipes, full disks, and help.

use std::{
    fs,
    io::Write,
    process::{Output, Stdio},
};

use heaptide_profile::Profile;
use heaptide_profile::testing::example;

use crate::{AFTER, folder, heaptide, run, text};

#[test]
fn help_has_examples_and_version_is_that_of_the_package() {
    let folder = folder();
    let commands = [
        "top",
        "diff",
        "tree",
        "peek",
        "traces",
        "list",
        "leaks",
        "flamegraph",
        "fetch",
    ];
    for command_line in commands
        .map(|command| format!("{command} --help"))
        .iter()
        .chain(&["--help".to_owned()])
    {
        let output = run(folder.path(), command_line);
        let too_wide = text(&output.stdout)
            .lines()
            .find(|line| line.chars().count() > 80);
        assert_eq!(too_wide, None, "heaptide {command_line}");
        assert!(
            text(&output.stdout).contains("\nExamples:\n  heaptide "),
            "heaptide {command_line}"
        );
        assert_eq!(output.status.code(), Some(0), "heaptide {command_line}");
    }
    let output = run(folder.path(), "--version");
    let expected = concat!("heaptide ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(text(&output.stdout), expected);
}

#[test]
fn a_profile_can_be_read_from_standard_input() {
    let folder = folder();
    let from_file = run(folder.path(), "diff before.pb.gz after.pb.gz");
    for (command_line, name) in [
        ("diff before.pb.gz -", "after.pb.gz"),
        ("diff - after.pb.gz", "before.pb.gz"),
    ] {
        let input = fs::File::open(folder.path().join(name)).expect("just written");
        let output = heaptide(folder.path(), command_line).stdin(input).output();
        assert_eq!(output.expect("the command starts"), from_file);
    }
}

/// The command waits for its input while its output is closed, so it cannot have written before.
fn with_closed_output(command_line: &str, input: &[u8]) -> Output {
    let folder = folder();
    let mut child = heaptide(folder.path(), command_line)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the command starts");
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input).expect("the command reads");
    drop(stdin);
    child.wait_with_output().expect("the command ends")
}

#[test]
fn a_broken_pipe_ends_quietly() {
    let mut profile = Vec::new();
    Profile {
        time_nanos: 1_800_000_000_000_000_000,
        ..example::profile(AFTER, 0)
    }
    .write(&mut profile)
    .expect("a valid profile");
    for command_line in [
        "top -",
        "diff before.pb.gz -",
        "tree -",
        "list main -",
        "flamegraph -",
        "leaks before.pb.gz -",
    ] {
        let output = with_closed_output(command_line, &profile);
        assert_eq!(text(&output.stderr), "", "heaptide {command_line}");
        assert_eq!(output.status.code(), Some(0), "heaptide {command_line}");
    }
    // A failure stays one without a reader.
    let output = with_closed_output("top -", b"no profile");
    assert_eq!(output.status.code(), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let folder = folder();
    for command_line in ["top before.pb.gz", "--help"] {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("a full device");
        let output = heaptide(folder.path(), command_line).stdout(full).output();
        let output = output.expect("the command starts");
        let expected = "heaptide: standard output: No space left on device (os error 28)\n";
        assert_eq!(text(&output.stderr), expected, "heaptide {command_line}");
        assert_eq!(output.status.code(), Some(2), "heaptide {command_line}");
    }
}
