//! Compares `heaptide top` and `heaptide diff` with `go tool pprof`.
//!
//! The rows of all functions must be equal to the unit.

use heaptide_profile::testing::pprof_top::{
    KINDS, PprofTable, assert_diff_is_equal, assert_top_is_equal, heaptide, parse, pprof, stdout,
};
use std::{fs, path::Path, process::Command};

use heaptide_profile::*;
use ten_profiles::{LATER, SERVER, example, kinds, profiles, random, write};

mod ten_profiles;

/// The command.
fn command() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_heaptide"))
}

/// Addresses only, as a program without symbols writes them.
const RAW: &str = "
    0x10 / 0x20 / 0x30 = 1 100 1 100
    0x10 / 0x20 / 0x40 = 2 200 1 100
    0x10 / libz.so!0x30 = 3 300 2 200
    0x10 / 0x20 / 0x20 = 4 400 4 400";
const RAW_LATER: &str = "
    0x10 / 0x20 / 0x30 = 5 500 5 500
    0x10 / 0x50 = 6 600 6 600
    0x10 / libz.so!0x30 = 3 300 1 100";

#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn top_equals_pprof() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name, profile: &Profile| write(folder.path(), name, profile);
    assert_top_is_equal(command(), &write("server", &example::profile(SERVER, 0)));
    assert_top_is_equal(command(), &write("empty", &example::profile("", 0)));
    for seed in 0..5 {
        assert_top_is_equal(command(), &write("random", &random(seed, 0)));
    }
    // A saved diff reopens as one: it keeps the base's total.
    let (base, new) = (example::profile(SERVER, 0), example::profile(LATER, 0x5000));
    let kept = new.diff_keeping_base(&base).expect("the same types");
    assert_top_is_equal(command(), &write("diff", &kept));
    assert_top_is_equal(
        command(),
        &write("net", &new.diff(&base).expect("the same types")),
    );
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn top_of_a_profile_made_by_go_equals_pprof() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../heaptide-profile/tests/data/go-1.19-heap.pb.gz"
    );
    assert_top_is_equal(command(), file);
    let profile = Profile::read(&fs::read(file).expect("the file")).expect("a profile");
    assert!(profile.samples.len() > 5, "too little to compare");
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn diff_equals_pprof() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name, profile: &Profile| write(folder.path(), name, profile);
    let base = write("base", &example::profile(SERVER, 0));
    let new = write("new", &example::profile(LATER, 0x5_3000));
    let empty = write("empty", &example::profile("", 0));
    assert_diff_is_equal(command(), &base, &new);
    assert_diff_is_equal(command(), &new, &base);
    assert_diff_is_equal(command(), &base, &base);
    assert_diff_is_equal(command(), &empty, &new);
    assert_diff_is_equal(command(), &base, &empty);
    for seed in 0..5 {
        let base = write("base", &random(seed, 0));
        assert_diff_is_equal(command(), &base, &write("new", &random(seed + 1, 0x7000)));
    }
}

/// heaptide's rows for addresses are those of `pprof -addresses`. A file moved by address space
/// randomization lines up in both.
#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn addresses_equal_pprof() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let base = write(folder.path(), "base", &example::profile(RAW, 0));
    let new = write(folder.path(), "new", &example::profile(RAW_LATER, 0x9000));
    let hexadecimal = |mut report: PprofTable| {
        for row in &mut report.rows {
            let (address, file) = row.2.split_once(' ').expect("an address and a file");
            let address = u64::from_str_radix(address, 16).expect("an address");
            row.2 = format!("{address:#x} {file}");
        }
        report
    };
    for kind in KINDS {
        let theirs = pprof(kind, &["-addresses", &base]);
        assert_eq!(
            parse(&heaptide(command(), kind, &["top", &base])),
            hexadecimal(parse(&theirs))
        );
        let theirs = pprof(kind, &["-addresses", "-diff_base", &base, &new]);
        let ours = heaptide(command(), kind, &["diff", &base, &new]);
        assert_eq!(parse(&ours), hexadecimal(parse(&theirs)));
    }
}

/// Both commands with their own spelling of the same options give the same rows in the same order.
fn assert_equal(kind: &str, theirs: &[&str], ours: &[&str], files: &[&str]) -> PprofTable {
    let their_report = parse(&pprof(kind, &[theirs, files].concat()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_heaptide"));
    let exact = [
        "top",
        "-n0",
        "--exact",
        "--no-error",
        "--sample-index",
        kind,
    ];
    command.args([&exact, ours, files].concat());
    let our_report = parse(&stdout(&mut command));
    assert_eq!(
        our_report, their_report,
        "{kind} of {files:?} with {theirs:?}"
    );
    our_report
}

/// Each filter alone, and all together: on functions, on files, on mapped files, on labels.
#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn filters_equal_pprof() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let filters: [&[(&str, &str)]; 22] = [
        &[("focus", "put|^f3$|runtime")],
        &[("ignore", "put|^f3$|malg")],
        &[("hide", "put|^f3$|runtime")],
        &[("show", "put|^f3$|main")],
        &[("focus", "libz|proc.go|tests")],
        &[("ignore", r"/src/[0-7]\.rs|libz")],
        &[("hide", "libz|proc.go|f1")],
        &[("show", "libz|proc.go|f1")],
        &[("focus", "run|f2"), ("ignore", "walk|f4")],
        &[("hide", "f[1-5]|run"), ("show", "f[4-9]|main|put")],
        &[("focus", "f1"), ("hide", "f1"), ("ignore", "f2")],
        &[("focus", "(?i)PUT")],
        &[("hide", ".")],
        &[("focus", "nobody")],
        &[("tagfocus", "bytes=1kb:")],
        &[("tagfocus", "bytes=:1kb")],
        &[("tagfocus", "bytes=32b:4kb")],
        &[("tagfocus", "1024b")],
        &[("tagignore", "bytes=1kb")],
        &[("tagfocus", "tenant=blue|green"), ("focus", "put")],
        &[("tagfocus", "tenant:b,lue")],
        &[("tagignore", "red")],
    ];
    let mut kept_some = vec![false; filters.len()];
    for file in profiles(folder.path()) {
        let kinds = kinds(&file);
        for ((filter, kept_some), kind) in
            filters.iter().zip(&mut kept_some).zip(kinds.iter().cycle())
        {
            let theirs: Vec<String> = filter.iter().map(|(k, v)| format!("-{k}={v}")).collect();
            let ours: Vec<String> = filter.iter().map(|(k, v)| format!("--{k}={v}")).collect();
            let theirs: Vec<&str> = theirs.iter().map(String::as_str).collect();
            let ours: Vec<&str> = ours.iter().map(String::as_str).collect();
            let report = assert_equal(kind, &theirs, &ours, &[&file]);
            *kept_some |= !report.rows.is_empty();
        }
    }
    let empty: Vec<_> = filters
        .iter()
        .zip(kept_some)
        .filter(|(_, some)| !some)
        .collect();
    // Two of them are meant to be empty.
    assert_eq!(empty.len(), 2, "{empty:?}");
}

/// The order by `cum`, the number of rows, lines, and several profiles at once.
#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn views_equal_pprof() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = profiles(folder.path());
    for file in &files {
        for kind in kinds(file) {
            assert_equal(&kind, &["-cum"], &["--cum"], &[file]);
            assert_equal(&kind, &["-lines"], &["--lines"], &[file]);
        }
        let both = ["--granularity=lines", "--cum"];
        assert_equal(&kinds(file)[0], &["-lines", "-cum"], &both, &[file]);
    }
    for pair in files[..10].chunks(2) {
        let [base, new] = pair else { panic!("no pair") };
        let (base, new) = (base.as_str(), new.as_str());
        let filters = ["-focus=put|f1|fill", "-hide=f2|run|alloc"];
        let our_filters = ["--focus=put|f1|fill", "--hide=f2|run|alloc"];
        for kind in &kinds(base) {
            assert_equal(kind, &[], &[], &[base, new]);
            for option in ["base", "diff_base"] {
                let theirs = format!("-{option}={base}");
                let ours = format!("--{option}={base}");
                let (theirs, ours) = (&*theirs, &*ours);
                assert_equal(kind, &[theirs], &[ours], &[new]);
                let (lines, our_lines) = ([theirs, "-lines", "-cum"], [ours, "--lines", "--cum"]);
                assert_equal(kind, &lines, &our_lines, &[new]);
                let filtered = [&[theirs], &filters[..]].concat();
                assert_equal(
                    kind,
                    &filtered,
                    &[&[ours], &our_filters[..]].concat(),
                    &[new],
                );
            }
            let theirs = pprof(kind, &[&filters[..], &["-diff_base", base, new]].concat());
            let ours = [&["diff"], &our_filters[..], &[base, new]].concat();
            let ours = heaptide(command(), kind, &ours);
            assert_eq!(parse(&ours), parse(&theirs), "{kind} of {new} less {base}");
        }
    }
}

/// With a limit of rows `pprof` decides inlined calls by the callers that it still shows. So names
/// are compared without that.
#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn nodecount_equals_pprof() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let without_marks = |output: &str| {
        let mut report = parse(output);
        for (_, _, name) in &mut report.rows {
            let end = name.find(" (inline)").or(name.find(" (partial-inline)"));
            name.truncate(end.unwrap_or(name.len()));
        }
        report
    };
    for file in profiles(folder.path()) {
        for cum in [None, Some("-cum")] {
            let mut pprof = Command::new("go");
            pprof.args([
                "tool",
                "pprof",
                "-top",
                "-unit=B",
                "-symbolize=none",
                "-nodefraction=0",
            ]);
            pprof.args([
                "-edgefraction=0",
                "-sample_index=inuse_space",
                "-nodecount=3",
            ]);
            pprof.args(cum).arg(&file);
            let mut heaptide = Command::new(env!("CARGO_BIN_EXE_heaptide"));
            heaptide.args(["top", "--exact", "--no-error", "--sample_index=inuse_space"]);
            heaptide.args(["--nodecount=3", &file]);
            heaptide.args(cum.map(|_| "--cum"));
            let ours = without_marks(&stdout(&mut heaptide));
            assert_eq!(ours.rows.len(), 3);
            assert_eq!(ours, without_marks(&stdout(&mut pprof)), "{file} {cum:?}");
        }
    }
}
