//! The `heaptide` command from the outside: output, exit codes and failures.
//!
//! Each file in `golden/` is named by a command line and holds its output. After an intended change
//! of the output, `BLESS=1 cargo test -p heaptide-cli --test cli` rewrites them. Read the
//! difference before you commit it.

mod failures;
mod flamegraph;
mod reports;
mod snapshots;
mod streams;
mod terminal;
mod urls;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use heaptide_profile::testing::example;
use heaptide_profile::{Profile, ValueType};

const BEFORE: &str = "
    main / server::run / server::cache::put // <alloc::vec::Vec<T,A>>::push = 900 9000000 500 \
    5000000 bytes=10240
    main / server::run / libz.so!inflate = 100 6553600 1 65536 bytes=65536
    main / server::run / walk / walk / walk = 7 7168 7 7168 bytes=1024
    main / 0x4a10 = 3 48 3 48 bytes=16";

const AFTER: &str = "
    main / server::run / server::cache::put // <alloc::vec::Vec<T,A>>::push = 1900 19000000 1200 \
    12000000 bytes=10240
    main / server::run / libz.so!inflate = 300 19660800 0 0 bytes=65536
    main / server::run / walk / walk / walk = 9 9216 7 7168 bytes=1024
    main / server::run / server::log = 12 12288 12 12288 bytes=1024
    main / 0x4a10 = 3 48 3 48 bytes=16";

/// A folder with the profiles that the command lines below name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut before = example::profile(BEFORE, 0);
    let mut after = example::profile(AFTER, 0x3_1000);
    after.time_nanos += 5_400_000_000_000;
    after.comments = vec!["taken by hand".into(), "#build=7".into()];
    let mut cpu = before.clone();
    cpu.sample_types[3] = ValueType::new("cpu", "nanoseconds");
    cpu.default_sample_type = "cpu".into();
    // A listing then begins some lines before, and not at the function's start.
    for function in before.functions.iter_mut().chain(&mut after.functions) {
        function.start_line = 0;
    }
    let source = folder.path().join("src");
    fs::create_dir(&source).expect("a new folder");
    for file in ["1.rs", "f.rs"] {
        let lines = (1..=800).map(|line| format!("\tline({line}); // of {file}\n"));
        fs::write(source.join(file), lines.collect::<String>()).expect("a new file");
    }
    fs::write(source.join("8.rs"), "fn main() {\n").expect("a new file");
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
    let snapshots = folder.path().join("snapshots");
    fs::create_dir(&snapshots).expect("a new folder");
    fs::create_dir(snapshots.join("old.pb.gz")).expect("a new folder");
    fs::write(snapshots.join("notes.txt"), "heap\n").expect("a new file");
    for (name, profile) in ORDER.into_iter().zip(snapshots_of(KEPT)) {
        let file = fs::File::create(snapshots.join(name)).expect("a new file");
        profile.write(file).expect("a valid profile");
    }
    folder
}

/// The names of the snapshot files, oldest first. They are not in the order of names.
const ORDER: [&str; 5] = ["c.pb.gz", "a.pb.gz", "e.pb.gz", "d.pb.gz", "b.pb.gz"];

/// What a function keeps in each of them, in MiB.
const KEPT: [i64; 5] = [10, 60, 110, 160, 210];

fn snapshots_of(kept: [i64; 5]) -> Vec<Profile> {
    let times = (0..).map(|minute: i64| 1_700_000_000_000_000_000 + minute * 60_000_000_000);
    kept.into_iter()
        .zip(times)
        .map(|(mib, time_nanos)| {
            let (objects, bytes) = (mib << 10, mib << 20);
            let text = format!(
                "main / server::run / server::track = {objects} {bytes} {objects} {bytes} bytes=1024
                 main / server::run / server::config = 10240 10485760 10240 10485760 bytes=1024"
            );
            Profile {
                time_nanos,
                ..example::profile(&text, 0)
            }
        })
        .collect()
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
    assert_eq!(checked, 34, "golden outputs have come or gone");
}
