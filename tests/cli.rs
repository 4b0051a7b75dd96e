//! The `heaptide` command as its users meet it: output, exit codes, one clear line for every failure.
//!
//! Each file in `golden/` is named by the command line whose output it holds. After an intended change of
//! the output, `BLESS=1 cargo test --features cli --test cli` rewrites them; read the difference before it
//! is committed.
#![cfg(feature = "cli")]

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use heaptide::profile::*;

#[path = "../src/profile/example.rs"]
mod example;

// This crate's own allocator serves its own tests.
#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<std::alloc::System> =
    heaptide::SamplingAllocator::with_inner(std::alloc::System);

const BEFORE: &str = "
    main / server::run / server::cache::put // <alloc::vec::Vec<T,A>>::push = 900 9000000 500 5000000 bytes=10240
    main / server::run / libz.so!inflate = 100 6553600 1 65536 bytes=65536
    main / server::run / walk / walk / walk = 7 7168 7 7168 bytes=1024
    main / 0x4a10 = 3 48 3 48 bytes=16";
const AFTER: &str = "
    main / server::run / server::cache::put // <alloc::vec::Vec<T,A>>::push = 1900 19000000 1200 12000000 bytes=10240
    main / server::run / libz.so!inflate = 300 19660800 0 0 bytes=65536
    main / server::run / walk / walk / walk = 9 9216 7 7168 bytes=1024
    main / server::run / server::log = 12 12288 12 12288 bytes=1024
    main / 0x4a10 = 3 48 3 48 bytes=16";

/// A folder with the profiles that the command lines below speak of.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let before = example::profile(BEFORE, 0);
    let mut after = example::profile(AFTER, 0x3_1000);
    after.time_nanos += 5_400_000_000_000;
    after.comments = vec!["taken by hand".into(), "#build=7".into()];
    let mut cpu = before.clone();
    cpu.sample_types[3] = ValueType::new("cpu", "nanoseconds");
    cpu.default_sample_type = "cpu".into();
    for (name, profile) in [
        ("before.pb.gz", &before),
        ("after.pb.gz", &after),
        ("cpu.pb.gz", &cpu),
    ] {
        let file = fs::File::create(folder.path().join(name)).expect("a new file");
        profile.write(file).expect("a valid profile");
    }
    let whole = fs::read(folder.path().join("before.pb.gz")).expect("just written");
    fs::write(folder.path().join("cut.pb.gz"), &whole[..whole.len() / 2]).expect("a new file");
    fs::write(folder.path().join("notes.txt"), "heap\n").expect("a new file");
    fs::write(folder.path().join("empty"), "").expect("a new file");
    folder
}

fn heaptide(folder: &Path, command_line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heaptide"));
    command
        .args(command_line.split_whitespace())
        .current_dir(folder);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(folder: &Path, command_line: &str) -> Output {
    heaptide(folder, command_line)
        .output()
        .expect("the command starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn golden_outputs() {
    let folder = folder();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut checked = 0;
    for entry in fs::read_dir(golden).expect("tests/golden") {
        let path = entry.expect("an entry").path();
        let command_line = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        let output = run(folder.path(), command_line);
        assert_eq!(text(&output.stderr), "", "heaptide {command_line}");
        assert_eq!(output.status.code(), Some(0), "heaptide {command_line}");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &output.stdout).expect("tests/golden can be written");
        }
        let expected = fs::read_to_string(&path).expect("the expected output");
        assert_eq!(text(&output.stdout), expected, "heaptide {command_line}");
        checked += 1;
    }
    assert_eq!(checked, 8, "golden outputs have come or gone");
}

#[test]
fn bad_input_is_one_clear_line() {
    let folder = folder();
    let types = "alloc_objects, alloc_space, inuse_objects, inuse_space";
    let with_units = "alloc_objects/count, alloc_space/bytes, inuse_objects/count";
    let cases = [
        (
            "top missing.pb.gz",
            "missing.pb.gz: No such file or directory (os error 2)".to_owned(),
        ),
        ("top .", ".: Is a directory (os error 21)".to_owned()),
        ("top notes.txt", "notes.txt: not a pprof profile: expected a message of profile.proto, with or without gzip, but what is at byte 2 is no field of one: failed to decode Protobuf message: buffer underflow".to_owned()),
        (
            "top empty",
            "empty: not a pprof profile: there are no bytes".to_owned(),
        ),
        (
            "top -",
            "standard input: not a pprof profile: there are no bytes".to_owned(),
        ),
        ("top cut.pb.gz", "cut.pb.gz: not a pprof profile: its gzip data is damaged or cut short: incomplete deflate stream".to_owned()),
        (
            "top --sample-index inuse_spice before.pb.gz",
            format!("before.pb.gz: the profile has no sample type `inuse_spice`: it has {types}"),
        ),
        (
            "diff before.pb.gz missing.pb.gz",
            "missing.pb.gz: No such file or directory (os error 2)".to_owned(),
        ),
        (
            "diff cut.pb.gz after.pb.gz",
            "cut.pb.gz: not a pprof profile: its gzip data is damaged or cut short: incomplete deflate stream".to_owned(),
        ),
        (
            "diff --sample-index cpu before.pb.gz after.pb.gz",
            format!("after.pb.gz: the profile has no sample type `cpu`: it has {types}"),
        ),
        (
            "diff before.pb.gz cpu.pb.gz",
            format!(
                "before.pb.gz and cpu.pb.gz: the profiles have different sample types: \
                 [{with_units}, cpu/nanoseconds] and [{with_units}, inuse_space/bytes]"
            ),
        ),
        (
            "diff - -",
            "standard input: only one of the two profiles can be read from it".to_owned(),
        ),
    ];
    for (command_line, reason) in cases {
        let output = run(folder.path(), command_line);
        assert_eq!(
            text(&output.stderr),
            format!("heaptide: {reason}\n"),
            "heaptide {command_line}"
        );
        assert_eq!(text(&output.stdout), "", "heaptide {command_line}");
        assert_eq!(output.status.code(), Some(2), "heaptide {command_line}");
    }
}

#[test]
fn usage_errors_are_told_and_exit_2() {
    let folder = folder();
    let cases = [
        ("", "Usage: heaptide <COMMAND>"),
        ("top", "<FILE>"),
        ("diff before.pb.gz", "<NEW>"),
        (
            "top --colour before.pb.gz",
            "unexpected argument '--colour'",
        ),
        ("top -n many before.pb.gz", "invalid value 'many'"),
        ("flop before.pb.gz", "unrecognized subcommand 'flop'"),
    ];
    for (command_line, part) in cases {
        let output = run(folder.path(), command_line);
        assert!(
            text(&output.stderr).contains(part),
            "{}",
            text(&output.stderr)
        );
        assert_eq!(text(&output.stdout), "", "heaptide {command_line}");
        assert_eq!(output.status.code(), Some(2), "heaptide {command_line}");
    }
}

#[test]
fn help_has_examples_and_version_is_the_package_s() {
    let folder = folder();
    for command_line in ["--help", "top --help", "diff --help"] {
        let output = run(folder.path(), command_line);
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
fn standard_input_is_a_profile_too() {
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
    example::profile(AFTER, 0)
        .write(&mut profile)
        .expect("a valid profile");
    for command_line in ["top -", "diff before.pb.gz -"] {
        let output = with_closed_output(command_line, &profile);
        assert_eq!(text(&output.stderr), "", "heaptide {command_line}");
        assert_eq!(output.status.code(), Some(0), "heaptide {command_line}");
    }
    // A failure stays one, whoever listens.
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
