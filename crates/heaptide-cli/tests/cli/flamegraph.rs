//! Flame graphs: written to files, to standard output, and through links and pipes.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::{folder, run, text};

#[test]
fn a_flame_graph_goes_to_a_file_or_to_standard_output() {
    let folder = folder();
    for command_line in [
        "flamegraph after.pb.gz",
        "flamegraph --base before.pb.gz after.pb.gz",
    ] {
        let shown = run(folder.path(), command_line);
        assert_eq!(text(&shown.stderr), "");
        let svg = text(&shown.stdout);
        assert!(
            svg.starts_with("<?xml") && svg.contains("<title>server::cache::put ("),
            "{svg}"
        );
        assert_eq!(svg.contains("red has grown"), command_line.contains("base"));
        let saved = run(folder.path(), &format!("{command_line} -o heap.svg"));
        assert_eq!(
            (saved.status.code(), text(&saved.stdout)),
            (Some(0), ""),
            "{saved:?}"
        );
        let file = fs::read_to_string(folder.path().join("heap.svg"));
        assert_eq!(file.expect("it was written"), svg);
    }
    let whole = run(
        folder.path(),
        "flamegraph before.pb.gz after.pb.gz --ignore put",
    );
    assert!(
        text(&whole.stdout).contains("<title>server::log (12,288 bytes"),
        "{whole:?}"
    );
    assert!(!text(&whole.stdout).contains("server::cache::put"));
}

#[cfg(unix)]
#[test]
fn links_and_pipes_are_written_to_and_not_replaced() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let folder = folder();
    let svg = run(folder.path(), "flamegraph after.pb.gz").stdout;
    assert!(svg.starts_with(b"<?xml "));
    let named = run(folder.path(), "flamegraph -o - after.pb.gz");
    assert_eq!((named.status.code(), &named.stdout), (Some(0), &svg));
    assert!(!folder.path().join("-").exists());
    let [pipe, link] = ["pipe", "link"].map(|name| folder.path().join(name));
    symlink("notes.txt", &link).expect("a new link");
    let linked = run(folder.path(), "flamegraph -o link after.pb.gz");
    assert_eq!(linked.status.code(), Some(0), "{linked:?}");
    assert!(link.is_symlink(), "the link was replaced");
    assert_eq!(
        fs::read(folder.path().join("notes.txt")).expect("the file"),
        svg
    );

    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo starts").success());
    let mut reader = Command::new("cat");
    let mut reader = reader
        .arg(&pipe)
        .stdout(Stdio::piped())
        .spawn()
        .expect("cat starts");
    let piped = run(folder.path(), "flamegraph -o pipe after.pb.gz");
    let is_pipe = fs::symlink_metadata(&pipe).is_ok_and(|kept| kept.file_type().is_fifo());
    if !is_pipe {
        // It would wait for a writer for ever.
        reader.kill().expect("it is ours");
    }
    let read = reader.wait_with_output().expect("cat ends").stdout;
    assert!(is_pipe, "the pipe was replaced");
    assert_eq!((piped.status.code(), read), (Some(0), svg));
}
