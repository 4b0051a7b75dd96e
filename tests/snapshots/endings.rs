//! Snapshots on signals, panics and exits, and in forked children.

use crate::common::{command, name, reasons, run, snapshots, start, wait_for};
use heaptide::Snapshotter;
use std::{
    panic,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

pub(crate) fn die_in_every_way() {
    let snapshots = start();
    let folder = PathBuf::from(std::env::var_os("FOLDER").unwrap());
    // SAFETY: always valid to call; the snapshotter handles the signal.
    assert_eq!(unsafe { libc::raise(libc::SIGUSR2) }, 0);
    wait_for(|| reasons(&folder).contains(&"signal".to_owned()));
    let panicked = thread::spawn(|| panic!("on purpose")).join();
    assert!(panicked.is_err());
    // The thread has waited for the file.
    assert!(reasons(&folder).contains(&"panic".to_owned()));
    let again = thread::spawn(|| panic!("on purpose again")).join();
    assert!(again.is_err());
    let message = Snapshotter::builder().dir(&folder).start().unwrap_err();
    assert!(message.is_busy(), "one at a time: {message}");
    if std::env::var_os("DROP").is_some() {
        drop(snapshots);
        assert!(reasons(&folder).contains(&"exit".to_owned()));
        // The first one has left nothing behind: another one starts, and writes no exit snapshot.
        let again = Snapshotter::builder().dir(&folder).start().unwrap();
        again.take("second").unwrap();
        // Panics on purpose: this snapshotter takes no snapshot on a panic.
        let _ = thread::spawn(|| panic!("on purpose once more")).join();
        return;
    }
    std::process::exit(0);
}

pub(crate) fn fork_with_a_snapshotter() {
    let folder = PathBuf::from(std::env::var_os("FOLDER").unwrap());
    let snapshots = start();
    snapshots.take("parent").unwrap();
    // SAFETY: the child does what this test proves to work in a forked child.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let result = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            assert!(snapshots.take("child").unwrap_err().is_inert());
            let panicked = panic::catch_unwind(|| panic!("on purpose"));
            assert!(panicked.is_err());
            drop(snapshots);
            let own = Snapshotter::builder().dir(&folder).start().unwrap();
            own.take("own").unwrap();
        }));
        // Exits with the exit handlers, one of which belongs to the exit snapshot.
        std::process::exit(i32::from(result.is_err()));
    }
    let mut status = 0;
    // Shorter than the wait for a snapshotter's thread, which the child does not have.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        // SAFETY: `pid` is a child of this process and `status` a local.
        let ended = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) };
        if ended == pid {
            break;
        }
        if Instant::now() > deadline {
            // SAFETY: our own child, not yet waited for.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        thread::yield_now();
    }
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0);
    snapshots.take("parent-again").unwrap();
    assert_eq!(snapshots.counts().taken, 2);
}

pub(crate) fn signals_panics_and_exits_leave_their_files() {
    for by_drop in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!("dir={},signal=USR2,exit,panic", folder.path().display());
        let mut command = command("ways", &settings);
        command.env("FOLDER", folder.path());
        if by_drop {
            command.env("DROP", "1");
        }
        let output = run(command);
        let mut expected = vec!["signal", "panic", "exit"];
        if by_drop {
            expected.push("second");
        }
        assert_eq!(reasons(folder.path()), expected);
        // The earlier panic hook is called too.
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("on purpose again"), "{text}");
    }
}

pub(crate) fn a_forked_child_leaves_the_snapshots_to_its_parent_and_may_start_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("dir={},exit,panic", folder.path().display());
    let mut command = command("fork", &settings);
    command.env("FOLDER", folder.path());
    run(command);
    let expected = ["parent", "own", "parent-again", "exit"];
    assert_eq!(reasons(folder.path()), expected);
    let paths = snapshots(folder.path());
    let pid = |path: &PathBuf| name(path).split('-').nth(2).unwrap().to_owned();
    let pids: Vec<String> = paths.iter().map(pid).collect();
    assert!(pids[0] == pids[2] && pids[0] == pids[3] && pids[0] != pids[1]);
}
