//! Output of the `heaptide` command other than reports, as users see it.

mod formats;
mod info;
mod json;
mod merge;
mod shell;
mod speedscope;
mod watch;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use heaptide_profile::Profile;
use heaptide_profile::testing::example;

const STACKS: &str = "
    main / server::run / server::cache::put // <alloc::vec::Vec<T,A>>::push = 900 9000000 500 \
    5000000 bytes=10240
    main / server::run / libz.so!inflate = 100 6553600 1 65536 bytes=65536
    main / server::run / walk / walk / walk = 7 7168 7 7168 tenant=blue bytes=1024
    main / 0x4a10 = 3 48 3 48 bytes=16";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    save(
        &folder.path().join("heap.pb.gz"),
        &example::profile(STACKS, 0),
    );
    folder
}

fn save(file: &Path, profile: &Profile) {
    profile
        .write(fs::File::create(file).expect("a new file"))
        .expect("a valid profile");
}

fn read(file: &Path) -> Profile {
    Profile::read(&fs::read(file).expect("the file")).expect("a profile")
}

fn heaptide(folder: &Path, command_line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heaptide"));
    command
        .args(command_line.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

fn run(folder: &Path, command_line: &str) -> Output {
    heaptide(folder, command_line)
        .output()
        .expect("the command starts")
}

/// The standard output of a command that succeeds. Its standard error must be empty.
fn run_ok(folder: &Path, command_line: &str) -> String {
    let output = run(folder, command_line);
    assert_eq!(text(&output.stderr), "", "{command_line}");
    assert_eq!(output.status.code(), Some(0), "{command_line}");
    text(&output.stdout).to_owned()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

fn assert_refused(folder: &Path, command_line: &str, line: &str) {
    let output = run(folder, command_line);
    assert_eq!(
        text(&output.stderr),
        format!("heaptide: {line}\n"),
        "{command_line}"
    );
    assert_eq!(output.status.code(), Some(2), "{command_line}");
}
