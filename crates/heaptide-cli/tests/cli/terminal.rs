//! Colors, progress bars and refusals on a terminal.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::{folder, heaptide, run, text};

#[test]
fn colors_are_shown_only_on_request() {
    let folder = folder();
    for command_line in [
        "top before.pb.gz",
        "diff before.pb.gz after.pb.gz",
        "tree before.pb.gz",
        "list main before.pb.gz",
        "leaks snapshots",
    ] {
        let plain = run(folder.path(), command_line);
        assert!(
            !text(&plain.stdout).contains('\u{1b}'),
            "heaptide {command_line}"
        );
        let never = run(folder.path(), &format!("{command_line} --color never"));
        assert_eq!(never, plain);
        let mut always = heaptide(folder.path(), &format!("{command_line} --color=always"));
        let always = always
            .env("NO_COLOR", "1")
            .output()
            .expect("the command starts");
        let codes = ["\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[1;31m", "\x1b[0m"];
        let colored = text(&always.stdout).to_owned();
        assert!(
            codes.iter().any(|code| colored.contains(code)),
            "heaptide {command_line}"
        );
        let stripped = codes
            .iter()
            .fold(colored, |text, code| text.replace(code, ""));
        assert_eq!(stripped, text(&plain.stdout), "heaptide {command_line}");
    }
}

/// The screen of a terminal after a command line, standard error included.
fn on_a_terminal(folder: &Path, command_line: &str, variables: &[(&str, &str)]) -> String {
    let command = format!("{} {command_line}", env!("CARGO_BIN_EXE_heaptide"));
    let mut script = Command::new("script");
    script
        .args(["-qec", &command, "/dev/null"])
        .current_dir(folder);
    script
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .stdin(Stdio::null());
    let output = script.envs(variables.iter().copied()).output();
    let output = output.unwrap_or_else(|error| panic!("script does not start: {error}"));
    text(&output.stdout).to_owned()
}

#[test]
#[ignore = "needs script, which makes a terminal (Debian bsdutils)"]
fn a_terminal_gets_colors_and_progress_but_no_svg() {
    let folder = folder();
    let shown = |command_line: &str, variables: &[(&str, &str)]| {
        on_a_terminal(folder.path(), command_line, variables)
    };
    let diff = "diff before.pb.gz after.pb.gz";
    assert!(shown(diff, &[]).contains("\x1b[31m"));
    assert!(shown(diff, &[("NO_COLOR", "")]).contains("\x1b[31m"));
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = shown(diff, &[variable]);
        assert!(
            plain.contains("server::run") && !plain.contains('\u{1b}'),
            "{plain}"
        );
    }
    assert!(!shown(&format!("{diff} --color never"), &[]).contains('\u{1b}'));
    let refused = shown("flamegraph after.pb.gz", &[]);
    let expected =
        "heaptide: standard output: a terminal shows no SVG: name a file with -o, or redirect";
    assert_eq!(refused.trim_end(), expected);
    // Nobody types a profile.
    let refused = shown("top -", &[]);
    let expected = "heaptide: standard input: a terminal has no profile to read: pipe one into it, \
    or name a file";
    assert_eq!(refused.trim_end(), expected);
    // Twenty files are enough for a progress bar, which is gone at the end. Five are not.
    let many = "snapshots/a.pb.gz ".repeat(20);
    let bar = shown(&format!("top {many}"), &[]);
    assert!(
        bar.contains("/20 profiles") && bar.contains("\x1b[2K"),
        "{bar}"
    );
    assert!(!shown("leaks snapshots", &[]).contains("profiles\u{1b}"));
    let few = shown("leaks snapshots", &[]);
    assert!(!few.contains("/5 profiles"), "{few}");
}
