//! The `heaptide` command as its users meet it: output, exit codes, and one clear line for every
//! failure.
//!
//! Each file in `golden/` is named by a command line and holds its output. After an intended change
//! of the output, `BLESS=1 cargo test -p heaptide-cli --test cli` rewrites them. Read the
//! difference before you commit it.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use heaptide_profile::testing::canned_server::{Canned, CannedServer, serve};
use heaptide_profile::testing::example;
use heaptide_profile::{leak, *};

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
        (
            "leaks .",
            "./cut.pb.gz: not a pprof profile: its gzip data is damaged or cut short: incomplete \
             deflate stream".to_owned(),
        ),
        (
            "leaks before.pb.gz before.pb.gz",
            "before.pb.gz and before.pb.gz: both were taken at 2023-11-14 22:13:20 UTC: leave out \
             the copy".to_owned(),
        ),
        (
            "top snapshots/old.pb.gz",
            "snapshots/old.pb.gz: the folder has no *.pb.gz files: name the files, if they end \
             otherwise".to_owned(),
        ),
        (
            "top --focus cache( before.pb.gz",
            "--focus: `cache(` is no regular expression: unclosed group".to_owned(),
        ),
        (
            "flamegraph --tagignore tenant=[ before.pb.gz",
            "--tagignore: `[` is no regular expression: unclosed character class".to_owned(),
        ),
        (
            "peek cache( before.pb.gz",
            "peek: `cache(` is no regular expression: unclosed group".to_owned(),
        ),
        (
            "peek nobody before.pb.gz",
            "before.pb.gz: no function with inuse_space matches `nobody`: `heaptide top -n 0` \
             shows them all, and --sample-index counts something else".to_owned(),
        ),
        // It holds nothing any more.
        (
            "list inflate --sample-index inuse_objects after.pb.gz",
            "after.pb.gz: no function with inuse_objects matches `inflate`: `heaptide top -n 0` \
             shows them all, and --sample-index counts something else".to_owned(),
        ),
        (
            "tree --base cpu.pb.gz before.pb.gz",
            format!(
                "cpu.pb.gz and before.pb.gz: the profiles have different sample types: \
                 [{with_units}, inuse_space/bytes] and [{with_units}, cpu/nanoseconds]"
            ),
        ),
        (
            "traces snapshots/old.pb.gz",
            "snapshots/old.pb.gz: the folder has no *.pb.gz files: name the files, if they end \
             otherwise".to_owned(),
        ),
        (
            "diff before.pb.gz",
            "before.pb.gz: what is it to be compared with? Name a second profile, or a folder of \
             them".to_owned(),
        ),
        (
            "top - before.pb.gz --base -",
            "standard input: only one of the profiles can be read from it".to_owned(),
        ),
        (
            "top before.pb.gz cpu.pb.gz",
            format!(
                "before.pb.gz and cpu.pb.gz: the profiles have different sample types: \
                 [{with_units}, inuse_space/bytes] and [{with_units}, cpu/nanoseconds]"
            ),
        ),
        (
            "flamegraph --base cpu.pb.gz before.pb.gz",
            "cpu.pb.gz and before.pb.gz: the profiles count different things: cpu/nanoseconds and \
             inuse_space/bytes".to_owned(),
        ),
        (
            "flamegraph --focus nobody before.pb.gz",
            "before.pb.gz: there is nothing to draw: all inuse_space of the profile are 0: --focus \
             matched nothing".to_owned(),
        ),
        (
            "flamegraph -o none/heap.svg before.pb.gz",
            "none/heap.svg: No such file or directory (os error 2)".to_owned(),
        ),
        (
            "fetch localhost:6060",
            "localhost:6060: not a URL that can be fetched: it has to begin with \
             http://".to_owned(),
        ),
        (
            "top https://localhost/",
            "https://localhost/: this command has no TLS: use a port forward and http://, or `curl \
             -s URL | heaptide top -`".to_owned(),
        ),
        (
            "top notes.txt",
            "notes.txt: not a pprof profile but text that begins with `heap`: /debug/pprof/heap \
             gives one, without debug=1".to_owned(),
        ),
        (
            "top localhost:6060",
            "localhost:6060: No such file or directory (os error 2): a URL has to begin with \
             http://".to_owned(),
        ),
        (
            "top ftp://localhost/heap.pb.gz",
            "ftp://localhost/heap.pb.gz: No such file or directory (os error 2): a URL has to \
             begin with http://".to_owned(),
        ),
        (
            "top http://localhost:99999/heap",
            "http://localhost:99999/heap: not a URL: ports are 1 to 65535".to_owned(),
        ),
        (
            "top empty",
            "empty: not a pprof profile: there are no bytes".to_owned(),
        ),
        (
            "top -",
            "standard input: not a pprof profile: there are no bytes".to_owned(),
        ),
        ("top cut.pb.gz", "cut.pb.gz: not a pprof profile: its gzip data is damaged or cut short: \
        incomplete deflate stream".to_owned()),
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
            "cut.pb.gz: not a pprof profile: its gzip data is damaged or cut short: incomplete \
             deflate stream".to_owned(),
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
            "standard input: only one of the profiles can be read from it".to_owned(),
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
fn a_diff_of_two_builds_says_so() {
    let folder = folder();
    let mut other = example::profile(AFTER, 0);
    other.mappings[0].build_id = "0b".into();
    let file = fs::File::create(folder.path().join("other.pb.gz")).expect("a new file");
    other.write(file).expect("a valid profile");
    let same = run(folder.path(), "diff before.pb.gz after.pb.gz");
    assert_eq!(text(&same.stderr), "");
    let before = &other.mappings[0].file;
    let output = run(folder.path(), "diff before.pb.gz other.pb.gz");
    assert_eq!(output.status.code(), Some(0));
    let told = text(&output.stderr);
    let start = format!("heaptide: the profiles are of two builds, {before} with build id ");
    let end = format!(" and {before} with 0b: what was renamed is gone and new\n");
    assert!(told.starts_with(&start) && told.ends_with(&end), "{told}");
}

#[test]
fn usage_errors_are_told_and_exit_2() {
    let folder = folder();
    let cases = [
        ("", "Usage: heaptide [OPTIONS] <COMMAND>"),
        ("top", "<PROFILE>..."),
        ("diff", "<BASE>"),
        (
            "top --colour before.pb.gz",
            "unexpected argument '--colour'",
        ),
        (
            "top --unit ell before.pb.gz",
            "use auto, B, KiB, MiB, GiB or TiB",
        ),
        ("top --lines --stacks before.pb.gz", "cannot be used with"),
        ("tree --nodefraction 5 before.pb.gz", "from 0 to 1"),
        ("tree --granularity stacks before.pb.gz", "functions, lines"),
        ("peek before.pb.gz", "<PROFILE>..."),
        ("leaks --fail-on growth snapshots", "possible values: leak"),
        ("fetch --seconds 0 http://localhost", "not in 1..=86400"),
        ("top -n many before.pb.gz", "a whole number, or 0 for all"),
        ("watch -n 1.5 snapshots", "a whole number, or 0 for all"),
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

#[test]
fn a_folder_is_its_snapshots_by_time() {
    let folder = folder();
    let same = [
        ("top snapshots", "top snapshots/b.pb.gz"),
        ("diff snapshots", "diff snapshots/c.pb.gz snapshots/b.pb.gz"),
        (
            "diff snapshots/a.pb.gz snapshots",
            "diff snapshots/a.pb.gz snapshots/b.pb.gz",
        ),
        ("flamegraph snapshots", "flamegraph snapshots/b.pb.gz"),
        (
            "leaks snapshots",
            "leaks snapshots/a.pb.gz snapshots/b.pb.gz snapshots/c.pb.gz snapshots/d.pb.gz \
             snapshots/e.pb.gz",
        ),
    ];
    for (of_folder, of_files) in same {
        let (of_folder, of_files) = (run(folder.path(), of_folder), run(folder.path(), of_files));
        assert_eq!(of_folder, of_files);
        assert_eq!(of_folder.status.code(), Some(0), "{of_folder:?}");
    }
}

/// Names of snapshot files still count up after a clock was set back. Here it was set back so
/// little that times overlap.
#[test]
fn leaks_believes_names_where_a_clock_was_set_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let profiles = [snapshots_of(KEPT), snapshots_of(KEPT.map(|mib| mib + 250))];
    for (at, mut profile) in profiles.into_iter().flatten().enumerate() {
        // Two and a half minutes back, after the fifth.
        if at >= 5 {
            profile.time_nanos += 150_000_000_000;
        }
        let file = fs::File::create(folder.path().join(format!("heap-{at}.pb.gz")));
        profile
            .write(file.expect("a new file"))
            .expect("a valid profile");
    }
    let output = run(folder.path(), "leaks .");
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(told.starts_with("leak: server::track"), "{told}");
    let notes = "note: profile ./heap-5.pb.gz is dated 90.0 s before profile ./heap-4.pb.gz but \
    was taken after \
                 it, by what was ever allocated: the clock was set back\n\
                 note: judged are profiles";
    assert!(told.contains(notes), "{told}");
    assert!(told.contains(", 5 snapshots over 240.0 s"), "{told}");
}

#[test]
fn leaks_says_what_the_library_does_and_fails_if_asked_to() {
    let folder = folder();
    let verdict = leak::find(&snapshots_of(KEPT)).expect("one process");
    assert_eq!(&*verdict.leaks[0].blamed.name, "server::track");
    for (command_line, code, expected) in [
        ("leaks snapshots", 0, verdict.to_string()),
        ("leaks --fail-on leak snapshots", 1, verdict.to_string()),
        ("leaks --whole-stacks snapshots", 0, format!("{verdict:#}")),
        (
            "leaks --json --color=always snapshots",
            0,
            format!("{}\n", verdict.to_json()),
        ),
    ] {
        let output = run(folder.path(), command_line);
        assert_eq!(text(&output.stdout), expected, "heaptide {command_line}");
        assert_eq!(text(&output.stderr), "", "heaptide {command_line}");
        assert_eq!(output.status.code(), Some(code), "heaptide {command_line}");
    }
    // The file's name stands for the library's "second profile".
    let mut delta = example::profile(AFTER, 0);
    delta.time_nanos += 1_000_000_000;
    delta.duration_nanos = 1_000_000_000;
    let file = fs::File::create(folder.path().join("delta.pb.gz")).expect("a new file");
    delta.write(file).expect("a valid profile");
    let refused = run(folder.path(), "leaks before.pb.gz delta.pb.gz");
    let told = text(&refused.stderr);
    assert!(
        told.starts_with("heaptide: leaks: profile delta.pb.gz is a delta over 1.0 s: "),
        "{told}"
    );
    assert_eq!(
        (told.lines().count(), refused.status.code()),
        (1, Some(2)),
        "{told}"
    );
    let alone = run(folder.path(), "leaks --fail-on leak before.pb.gz");
    assert_eq!(alone.status.code(), Some(2), "{alone:?}");
    for (name, profile) in ORDER.into_iter().zip(snapshots_of([210; 5])) {
        let file = fs::File::create(folder.path().join("snapshots").join(name));
        profile
            .write(file.expect("a file"))
            .expect("a valid profile");
    }
    let output = run(folder.path(), "leaks --fail-on leak snapshots");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn two_processes_are_told_also_where_a_filter_hides_what_fell() {
    let folder = folder();
    let mut diffs = Vec::new();
    for start in ["1700000000.12", "1700000000.13"] {
        let mut profiles = [example::profile(BEFORE, 0), example::profile(AFTER, 0)];
        for (profile, start) in profiles.iter_mut().zip(["1700000000.12", start]) {
            let comment = format!("#heaptide process: pid=1 start={start}");
            profile.comments.push(comment.into());
        }
        for (name, profile) in ["first.pb.gz", "second.pb.gz"].into_iter().zip(profiles) {
            let file = fs::File::create(folder.path().join(name)).expect("a new file");
            profile.write(file).expect("a valid profile");
        }
        let output = run(folder.path(), "diff --focus cache first.pb.gz second.pb.gz");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        diffs.push((
            text(&output.stdout).to_owned(),
            text(&output.stderr).to_owned(),
        ));
    }
    let [(same, ""), (other, remark)] = [&diffs[0], &diffs[1]].map(|(out, err)| (out, &**err))
    else {
        panic!("{diffs:?}");
    };
    assert!(remark.contains("of two processes"), "{remark}");
    assert_ne!(same, other, "the errors are larger");
}

#[test]
fn a_filter_that_matches_nothing_is_told() {
    let folder = folder();
    let cases = [
        (
            "top --focus nobody before.pb.gz",
            "heaptide: --focus matched nothing\n",
        ),
        // It matches in one of the two.
        ("diff --ignore server::log before.pb.gz after.pb.gz", ""),
        (
            "diff --hide nobody --tagignore tenant=red before.pb.gz after.pb.gz",
            "heaptide: --hide matched nothing\nheaptide: --tagignore matched nothing\n",
        ),
        (
            "traces --focus nobody before.pb.gz",
            "heaptide: --focus matched nothing\n",
        ),
        ("top --focus= before.pb.gz", ""),
    ];
    for (command_line, remarks) in cases {
        let output = run(folder.path(), command_line);
        assert_eq!(text(&output.stderr), remarks, "heaptide {command_line}");
        assert_eq!(output.status.code(), Some(0), "heaptide {command_line}");
    }
}

/// Where a source file is found, by its place and the options.
#[test]
fn a_source_file_is_looked_for_where_it_may_be() {
    let folder = folder();
    let put = "list server::cache::put before.pb.gz";
    let within = folder.path().join("src/deep/deeper");
    fs::create_dir_all(&within).expect("new folders");
    let found = [
        // By its path in the folder, in one above, and in the second of two.
        format!("{put} --source-path src"),
        format!("{put} --source-path src/deep/deeper --trim-path=/src/"),
        format!("{put} --source-path snapshots:src --trim-path /none:/src"),
    ];
    for command_line in &found {
        let output = run(folder.path(), command_line);
        assert!(
            text(&output.stdout).contains("line(670); // of 1.rs\n"),
            "{output:?}"
        );
    }
    let here = heaptide(
        &folder.path().join("src"),
        "list server::cache::put ../before.pb.gz",
    )
    .output();
    let here = here.expect("the command starts");
    assert!(
        text(&here.stdout).contains("line(670); // of 1.rs\n"),
        "{here:?}"
    );
    let folder_name = folder.path().display();
    let not_found = [
        (
            put.to_owned(),
            "there is no /src/1.rs on this machine: name with --trim-path what to take off, and \
             with \
             --source-path the folder to look in"
                .to_owned(),
        ),
        (
            format!("{put} --source-path snapshots --trim-path /src"),
            format!(
                "there is no 1.rs in {folder_name}/snapshots or above it: name its folder with \
                 --source-path"
            ),
        ),
        (
            format!("{put} --source-path snapshots:/none --trim-path /src"),
            format!(
                "there is no 1.rs in any of {folder_name}/snapshots, /none or above them: name its \
                 folder with --source-path"
            ),
        ),
    ];
    for (command_line, reason) in not_found {
        let output = run(folder.path(), &command_line);
        let told = format!("\nSource: {reason}\n");
        assert!(text(&output.stdout).contains(&told), "{output:?}");
        // The numbers are shown without it.
        assert!(text(&output.stdout).contains("  670\n"), "{output:?}");
        assert_eq!(output.status.code(), Some(0), "heaptide {command_line}");
    }
    // A file that has become shorter, and bytes that are not text.
    let main = run(folder.path(), "list ^main$ --source-path src before.pb.gz");
    let told = "\nSource: the source file ends at line 1: it is not the one that the program was \
    built from\n";
    assert!(text(&main.stdout).contains(told), "{main:?}");
    fs::write(folder.path().join("src/1.rs"), b"\xff\x1b[2J\n".repeat(700)).expect("a file");
    let bytes = run(folder.path(), &found[0]);
    assert!(
        text(&bytes.stdout).contains("670  \u{fffd}\\u{1b}[2J\n"),
        "{bytes:?}"
    );
}

/// An option that `pprof` does not have is given in its own terms.
#[test]
fn the_command_for_pprof_names_what_is_read() {
    let folder = folder();
    let same = |output: &Output| {
        let line = text(&output.stdout).lines().last().map(str::to_owned);
        line.unwrap_or_else(|| panic!("{output:?}"))
    };
    let start = "The same with pprof: go tool pprof -symbolize=none";
    let cases = [
        ("traces snapshots", "-traces snapshots/b.pb.gz"),
        (
            "peek <.*>::push --base snapshots after.pb.gz before.pb.gz",
            "'-peek=<.*>::push' -base=snapshots/b.pb.gz after.pb.gz before.pb.gz",
        ),
        (
            "list put --unit MiB --ignore walk|inflate before.pb.gz",
            "-list=put -unit=MB '-ignore=walk|inflate' before.pb.gz",
        ),
    ];
    for (command_line, expected) in cases {
        let output = run(folder.path(), command_line);
        assert_eq!(
            same(&output),
            format!("{start} {expected}"),
            "heaptide {command_line}"
        );
    }
    let input = fs::File::open(folder.path().join("after.pb.gz")).expect("just written");
    let output = heaptide(folder.path(), "traces -").stdin(input).output();
    let output = output.expect("the command starts");
    assert_eq!(same(&output), format!("{start} -traces /dev/stdin"));
    let server = server(folder.path());
    let output = run(folder.path(), &format!("traces --lines {}", server.url));
    let url = format!("{}/debug/pprof/heap", server.url);
    assert_eq!(same(&output), format!("{start} -traces -lines {url}"));
}

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
fn what_is_no_ordinary_file_is_written_to_and_not_replaced() {
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

fn server(folder: &Path) -> CannedServer {
    let profile = fs::read(folder.join("after.pb.gz")).expect("just written");
    let canned = |path, head, body: &[u8]| Canned {
        path,
        head,
        body: body.to_vec(),
    };
    let long = "x".repeat(400);
    serve(vec![
        canned("/debug/pprof/heap", "200 OK", &profile),
        canned("/moved", "302 Found\r\nLocation: /debug/pprof/heap", b""),
        canned(
            "/off",
            "503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nX-Go-Pprof: 1",
            b"recording is off:\x1b[2J set HEAPTIDE_SAMPLE_INTERVAL\n",
        ),
        canned(
            "/page",
            "404 Not Found\r\nContent-Type: text/html",
            b"<html>not here</html>",
        ),
        canned("/long", "500 Internal Server Error", long.as_bytes()),
        canned(
            "/other",
            "200 OK\r\nContent-Type: text/html",
            b"<html>hello</html>",
        ),
        canned("/large", "200 OK\r\nContent-Length: 300000000", b""),
        canned("/short", "200 OK\r\nContent-Length: 300000", &profile),
    ])
}

#[test]
fn a_url_is_read_like_a_file() {
    let folder = folder();
    let server = server(folder.path());
    let url = &server.url;
    let from_file = run(folder.path(), "top after.pb.gz");
    for path in ["", "/", "/debug/pprof/heap?gc=1", "/moved"] {
        let mut command = heaptide(folder.path(), &format!("top {url}{path}"));
        // A proxy does not know this machine's loopback. There is none at this port either.
        let output = command.env("http_proxy", "http://127.0.0.1:9").output();
        assert_eq!(output.expect("the command starts"), from_file, "{path}");
    }
    let requests: Vec<String> = server.requests.try_iter().collect();
    let asked: Vec<&str> = requests
        .iter()
        .filter_map(|head| head.split(' ').nth(1))
        .collect();
    let usual = "/debug/pprof/heap";
    assert_eq!(
        asked,
        [usual, usual, "/debug/pprof/heap?gc=1", "/moved", usual]
    );
    assert!(requests[0].contains("heaptide/"), "{}", requests[0]);
}

#[test]
fn a_refusal_is_told_in_one_line_with_the_server_s_reason() {
    let folder = folder();
    let server = server(folder.path());
    let long = format!("{}...", "x".repeat(300));
    let cases = [
        (
            "/off",
            "the server refused: 503 Service Unavailable: recording is off:\\u{1b}[2J set \
             HEAPTIDE_SAMPLE_INTERVAL",
        ),
        (
            "/page",
            "the server refused: 404 Not Found (profiles usually are at /debug/pprof/heap)",
        ),
        (
            "/long",
            &format!("the server refused: 500 Internal Server Error: {long}"),
        ),
        (
            "/large",
            "the answer is larger than 256 MiB, which no heap profile is",
        ),
    ];
    for (path, reason) in cases {
        let url = format!("{}{path}", server.url);
        let output = run(folder.path(), &format!("fetch -o got.pb.gz {url}"));
        assert_eq!(text(&output.stderr), format!("heaptide: {url}: {reason}\n"));
        assert_eq!(output.status.code(), Some(2), "{path}");
    }
    // Bytes that are not a profile, a cut one, and no answer at all.
    for path in ["/other", "/short", "/closed"] {
        let url = format!("{}{path}", server.url);
        let output = run(folder.path(), &format!("fetch -o got.pb.gz {url}"));
        let told = text(&output.stderr);
        assert!(told.starts_with(&format!("heaptide: {url}: ")), "{told}");
        assert_eq!(
            (told.lines().count(), output.status.code()),
            (1, Some(2)),
            "{told}"
        );
    }
    assert!(
        !folder.path().join("got.pb.gz").exists(),
        "nothing is saved of a failure"
    );
    let nobody = run(folder.path(), "top http://127.0.0.1:1/heap");
    assert_eq!(
        text(&nobody.stderr),
        "heaptide: http://127.0.0.1:1/heap: Connection refused (os error 111): is the service \
         running, and on this port?\n"
    );
}

#[test]
fn fetch_saves_what_it_got_under_a_name_that_says_so() {
    let folder = folder();
    let server = server(folder.path());
    let url = &server.url;
    let port = url.rsplit(':').next().expect("a port");
    let name = format!("heap-20231114T234320Z-127.0.0.1_{port}.pb.gz");
    let profile = fs::read(folder.path().join("after.pb.gz")).expect("just written");
    let cases = [
        (format!("fetch --seconds 3 {url}"), name.clone()),
        (
            format!("fetch -o snapshots {url}"),
            format!("snapshots/{name}"),
        ),
        (format!("fetch -o notes.txt {url}"), "notes.txt".to_owned()),
    ];
    for (command_line, file) in cases {
        let output = run(folder.path(), &command_line);
        assert_eq!(text(&output.stdout), format!("{file}\n"), "{output:?}");
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(
            fs::read(folder.path().join(file)).expect("it was written"),
            profile
        );
    }
    let asked = server.requests.recv().expect("a request");
    assert!(
        asked.starts_with("GET /debug/pprof/heap?seconds=3 "),
        "{asked}"
    );
    // A generated name replaces no file.
    let again = run(folder.path(), &format!("fetch {url}"));
    assert_eq!(
        text(&again.stderr),
        format!("heaptide: {name}: File exists (os error 17)\n")
    );
    assert_eq!(again.status.code(), Some(2));
    let piped = run(folder.path(), &format!("fetch -o - {url}"));
    assert_eq!((piped.status.code(), piped.stdout), (Some(0), profile));
    let left = fs::read_dir(folder.path()).expect("the folder");
    let left = left.filter(|entry| {
        let entry = entry.as_ref().expect("an entry");
        entry.file_name().to_string_lossy().starts_with(".tmp")
    });
    assert_eq!(left.count(), 0, "temporary files are left");
}

#[test]
fn colors_are_shown_where_asked_for_only() {
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
fn a_terminal_has_colors_and_progress_and_no_svg() {
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
