//! `heaptide watch`: blocks for pipes, and the terminal.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use heaptide_profile::testing::canned_server::{Canned, serve};
use heaptide_profile::testing::example;

use crate::{assert_refused, folder, heaptide, run_ok, save, text};

/// The lines of a block of `watch`, up to the empty one.
fn block(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Vec<String> {
    let lines = lines.map(|line| line.expect("a line"));
    let block: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    assert!(
        block[0].starts_with("== 20") && block[0].ends_with(" UTC"),
        "{block:?}"
    );
    block[1..].to_vec()
}

#[test]
fn watch_shows_growth_failures_and_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let write = |name: &str, kept: i64, later: i64| {
        let stacks = format!(
            "main / server::track = {kept} {} {kept} {} bytes=1024",
            kept << 10,
            kept << 10
        );
        let mut profile = example::profile(&stacks, 0);
        profile.time_nanos += later * 1_000_000_000;
        // The whole file at once, as the snapshotter does it.
        save(&path.join("new"), &profile);
        fs::rename(path.join("new"), path.join(name)).expect("it can be renamed");
    };
    write("1.pb.gz", 1024, 0);
    let mut watch = heaptide(path, "watch --every 100ms --count 200 .")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines();
    let base = [
        "2023-11-14 22:13:20 UTC, the base",
        "inuse_space: 1.00 MiB, 0 B ± 0 B since the base",
        "nothing has grown",
    ];
    assert_eq!(block(&mut lines), base);

    let mut until = |wanted: &str| {
        let found = (0..150)
            .map(|_| block(&mut lines))
            .find(|block| block.join("\n").contains(wanted));
        found.unwrap_or_else(|| panic!("never said: {wanted}"))
    };
    write("2.pb.gz", 3072, 60);
    let grown = until("1m 0s after");
    assert_eq!(grown[0], "2023-11-14 22:14:20 UTC, 1m 0s after the base");
    assert!(
        grown[1].starts_with("inuse_space: 3.00 MiB, +2.00 MiB ± "),
        "{grown:?}"
    );
    assert!(
        grown[3].starts_with("   +2.00 MiB ") && grown[3].ends_with("  server::track"),
        "{grown:?}"
    );

    fs::write(path.join("new"), "no profile").expect("a new file");
    fs::rename(path.join("new"), path.join("3.pb.gz")).expect("it can be renamed");
    let failed = until("not a pprof profile");
    assert!(
        failed[0].starts_with("./3.pb.gz: ") && failed[0].ends_with("; again in 200.00ms"),
        "{failed:?}"
    );

    write("4.pb.gz", 10, 90);
    let restarted = until("restarted");
    assert_eq!(
        restarted[0],
        "the process was restarted: this is the new base"
    );
    watch.kill().expect("it can be ended");
    watch.wait().expect("it has ended");
}

#[test]
fn watch_ends_with_its_count_and_its_reader() {
    let folder = folder();
    let body = fs::read(folder.path().join("heap.pb.gz")).expect("the file");
    let server = serve(vec![Canned {
        path: "/debug/pprof/heap",
        head: "200 OK",
        body,
    }]);
    let told = run_ok(
        folder.path(),
        &format!("watch --every 100ms --count 3 {}", server.url),
    );
    assert_eq!(told.matches("== ").count(), 3);
    assert_eq!(server.requests.try_iter().count(), 3);

    let mut watch = heaptide(
        folder.path(),
        &format!("watch --every 100ms {}", server.url),
    )
    .stdout(Stdio::piped())
    .spawn()
    .expect("the command starts");
    drop(watch.stdout.take());
    assert!(watch.wait().expect("it has ended").success());
    assert_refused(
        folder.path(),
        "watch heap.pb.gz",
        "heap.pb.gz: neither an http:// URL nor a folder: there is nothing to look at again",
    );
}

#[test]
#[ignore = "needs script, which makes a terminal (Debian bsdutils)"]
fn watch_gives_the_terminal_back() {
    let folder = folder();
    let command = format!(
        "{} watch --every 100ms --count 2 .",
        env!("CARGO_BIN_EXE_heaptide")
    );
    let output = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("TERM", "xterm")
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .expect("script starts");
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}");
    let (screen, after) = told
        .rsplit_once("\x1b[?1049l")
        .expect("it leaves the other screen");
    assert!(screen.starts_with("\x1b[?1049h\x1b[?25l"), "{told:?}");
    assert!(screen.ends_with("\x1b[?25h"), "the cursor is back");
    assert!(screen.contains("Ctrl-C ends it"));
    assert!(
        after.contains("nothing has grown") && !after.contains("\x1b"),
        "{after:?}"
    );
}

/// A command in a terminal of its own. The terminal is closed after a while, so a command that is
/// stopped for ever ends too.
fn in_a_terminal(folder: &Path, command: &str) -> Child {
    Command::new("timeout")
        .args(["60", "script", "-qec", command, "/dev/null"])
        .env("TERM", "xterm")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("timeout starts")
}

/// The output on a terminal, up to and with the text that is waited for.
fn until(terminal: &mut impl Read, wanted: &str) -> String {
    let mut shown = Vec::new();
    while !shown.ends_with(wanted.as_bytes()) {
        let mut byte = [0];
        let count = terminal.read(&mut byte).expect("the terminal can be read");
        assert_eq!(count, 1, "never shown: {wanted:?}; but {}", text(&shown));
        shown.push(byte[0]);
    }
    text(&shown).to_owned()
}

#[test]
#[ignore = "needs script, which makes a terminal (Debian bsdutils)"]
fn watch_gives_the_terminal_back_while_it_is_stopped() {
    const ENTER: &str = "\x1b[?1049h\x1b[?25l";
    const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
    let folder = folder();
    // A shell with job control, as an interactive one has.
    let command = format!(
        "bash -c 'set -m; {} watch --every 1h .; echo STOPPED; bg; jobs; fg; echo ENDED'",
        env!("CARGO_BIN_EXE_heaptide")
    );
    let mut script = in_a_terminal(folder.path(), &command);
    let mut keys = script.stdin.take().expect("a pipe");
    let mut terminal = script.stdout.take().expect("a pipe");
    until(&mut terminal, "Ctrl-C ends it");
    keys.write_all(b"\x1a").expect("Ctrl-Z is pressed");
    let stopped = until(&mut terminal, "STOPPED");
    assert!(stopped.contains(LEAVE), "{stopped:?}");
    let drawn = until(&mut terminal, "Ctrl-C ends it");
    let (shell, drawn) = drawn.split_once(ENTER).expect("it takes it again");
    assert!(!shell.contains("\x1b"), "not in the background: {shell:?}");
    assert!(drawn.contains("nothing has grown"), "{drawn:?}");
    keys.write_all(b"\x03").expect("Ctrl-C is pressed");
    let ended = until(&mut terminal, "ENDED");
    assert!(ended.contains(LEAVE), "{ended:?}");
    assert!(script.wait().expect("it has ended").success());
}

#[test]
#[ignore = "needs script, which makes a terminal (Debian bsdutils)"]
fn watch_ignores_ctrl_z_if_no_shell_could_continue_it() {
    let folder = folder();
    let command = format!(
        "exec {} watch --every 100ms --count 8 .",
        env!("CARGO_BIN_EXE_heaptide")
    );
    let mut script = in_a_terminal(folder.path(), &command);
    let mut keys = script.stdin.take().expect("a pipe");
    let mut terminal = script.stdout.take().expect("a pipe");
    until(&mut terminal, "Ctrl-C ends it");
    keys.write_all(b"\x1a").expect("Ctrl-Z is pressed");
    // It ends by its count.
    let mut rest = String::new();
    terminal.read_to_string(&mut rest).expect("text");
    assert!(!rest.contains("\x1b[?1049h"), "{rest:?}");
    assert_eq!(rest.matches("\x1b[?1049l").count(), 1, "{rest:?}");
    assert!(script.wait().expect("it has ended").success());
}
