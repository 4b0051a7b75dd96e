//! `heaptide top` and `heaptide diff` against `go tool pprof`, function by function and to the unit.
#![cfg(feature = "cli")]

use pprof_command::{
    KINDS, Report, assert_diff_is_equal, assert_top_is_equal, heaptide, parse, pprof, stdout,
};
use std::{fs, path::Path, process::Command};

use heaptide::profile::*;

#[path = "../src/profile/example.rs"]
mod example;
mod pprof_command;

// This crate's own allocator serves its own tests.
#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<std::alloc::System> =
    heaptide::SamplingAllocator::with_inner(std::alloc::System);

/// Recursion, inlining in some and in all callers, generic names of Rust and Go, several files, one
/// function in two files, labels, values that are zero in some columns.
const SERVER: &str = "
    main / run = 1 16 1 16 bytes=16
    main / run / walk / walk / walk = 7 7168 3 3072 bytes=1024
    main / run / walk / step / walk // step / walk = 5 5120 5 5120 bytes=1024
    main / run // put // <alloc::vec::Vec<T,A> as core::ops::Index<I>>::index = 9 90000 4 40000 bytes=10240
    main / put / <alloc::vec::Vec<T,A> as core::ops::Index<I>>::index = 3 30 0 0 bytes=10
    main / put // push<(u8, &str), impl Fn(u8) -> [u8; 4]> = 2 64 2 64 tenant=blue bytes=32
    main / put // push<(u8, &str), impl Fn(u8) -> [u8; 4]> = 2 64 1 32 tenant=red bytes=32
    main / run / libz.so!inflate // push = 11 720896 1 65536 bytes=65536
    main / run / libssl.so!read / libz.so!run / put = 1 100 1 100 bytes=112
    main / github.com/some/where/cache.(*LRU[...]).Add / runtime.mallocgc = 6 600 6 600 bytes=100
    main / run / twice // leaf / twice / leaf = 4 64 2 32 bytes=16
    main / run / again // again / again = 4 64 2 32 bytes=16
    main / run / freed = 40 4000 0 0 bytes=100";

/// The same program later: some functions grew, some shrank, some came, some went, one stands still.
const LATER: &str = "
    main / run = 1 16 1 16 bytes=16
    main / run / walk / walk / walk = 9 9216 1 1024 bytes=1024
    main / run / walk / step / walk // step / walk = 5 5120 5 5120 bytes=1024
    main / run / put // <alloc::vec::Vec<T,A> as core::ops::Index<I>>::index = 19 190000 4 40000 bytes=10240
    main / put / <alloc::vec::Vec<T,A> as core::ops::Index<I>>::index = 3 30 0 0 bytes=10
    main / put // push<(u8, &str), impl Fn(u8) -> [u8; 4]> = 4 128 1 32 tenant=blue bytes=32
    main / run / libz.so!inflate // push = 31 2031616 2 131072 bytes=65536
    main / log // fmt = 1 4096 1 4096 bytes=4096
    main / run / freed = 45 4500 0 0 bytes=100";

/// Addresses only, as a program writes them that leaves symbols to others.
const RAW: &str = "
    0x10 / 0x20 / 0x30 = 1 100 1 100
    0x10 / 0x20 / 0x40 = 2 200 1 100
    0x10 / libz.so!0x30 = 3 300 2 200
    0x10 / 0x20 / 0x20 = 4 400 4 400";
const RAW_LATER: &str = "
    0x10 / 0x20 / 0x30 = 5 500 5 500
    0x10 / 0x50 = 6 600 6 600
    0x10 / libz.so!0x30 = 3 300 1 100";

fn write(folder: &Path, name: &str, profile: &Profile) -> String {
    let path = folder.join(name);
    let file = fs::File::create(&path).expect("a new file");
    profile.write(file).expect("a valid profile");
    path.into_os_string().into_string().expect("a path of text")
}

/// Many stacks over few functions, so that every function is leaf, caller, recursive and inlined
/// somewhere. `seed` chooses them.
fn random(seed: u64, shift: u64) -> Profile {
    let mut state = seed;
    let mut below = move |limit: u64| {
        // Knuth's MMIX generator; the low bits are the poor ones.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let mut text = String::new();
    for _ in 0..400 {
        text.push_str("main");
        for _ in 0..=below(9) {
            let call = if below(3) == 0 { " // " } else { " / " };
            // An inlined call is in its caller's file.
            let file = if call == " / " && below(2) == 0 {
                "libz.so!"
            } else {
                ""
            };
            text.push_str(&format!("{call}{file}f{}", below(12)));
        }
        let count = below(50);
        let live = below(count + 1);
        let size = 16 << below(12);
        text.push_str(&format!(
            " = {count} {} {live} {} bytes={size}\n",
            count * size,
            live * size
        ));
    }
    example::profile(&text, shift)
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn top_equals_pprof() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name, profile: &Profile| write(folder.path(), name, profile);
    assert_top_is_equal(&write("server", &example::profile(SERVER, 0)));
    assert_top_is_equal(&write("empty", &example::profile("", 0)));
    for seed in 0..5 {
        assert_top_is_equal(&write("random", &random(seed, 0)));
    }
    // A saved diff reopens as one: it keeps the base's total.
    let (base, new) = (example::profile(SERVER, 0), example::profile(LATER, 0x5000));
    let kept = new.diff_keeping_base(&base).expect("the same types");
    assert_top_is_equal(&write("diff", &kept));
    assert_top_is_equal(&write("net", &new.diff(&base).expect("the same types")));
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn top_of_a_profile_made_by_go_equals_pprof() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/go-1.19-heap.pb.gz");
    assert_top_is_equal(file);
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
    assert_diff_is_equal(&base, &new);
    assert_diff_is_equal(&new, &base);
    assert_diff_is_equal(&base, &base);
    assert_diff_is_equal(&empty, &new);
    assert_diff_is_equal(&base, &empty);
    for seed in 0..5 {
        let base = write("base", &random(seed, 0));
        assert_diff_is_equal(&base, &write("new", &random(seed + 1, 0x7000)));
    }
}

/// Rows for addresses are what `pprof` shows with `-addresses`; a file moved by address space
/// randomization lines up in both.
#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn addresses_equal_pprof() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let base = write(folder.path(), "base", &example::profile(RAW, 0));
    let new = write(folder.path(), "new", &example::profile(RAW_LATER, 0x9000));
    let hexadecimal = |mut report: Report| {
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
            parse(&heaptide(kind, &["top", &base])),
            hexadecimal(parse(&theirs))
        );
        let theirs = pprof(kind, &["-addresses", "-diff_base", &base, &new]);
        let ours = heaptide(kind, &["diff", &base, &new]);
        assert_eq!(parse(&ours), hexadecimal(parse(&theirs)));
    }
}

/// Profiles of every kind: synthetic, random, Go's, jemalloc's, and this process's own.
fn profiles(folder: &Path) -> Vec<String> {
    let data = |name| format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    let own = folder.join("own").into_os_string().into_string();
    let own = own.expect("a path of text");
    // Sampled surely: missed once in exp(128) times.
    let kept = vec![0_u8; 64 << 20];
    heaptide::write_heap_profile(fs::File::create(&own).expect("a new file")).expect("a profile");
    drop(kept);
    vec![
        write(folder, "server", &example::profile(SERVER, 0)),
        write(folder, "later", &example::profile(LATER, 0x5_3000)),
        write(folder, "first", &random(1, 0)),
        write(folder, "second", &random(2, 0x7000)),
        data("go-1.19-heap.pb.gz"),
        data("jemalloc-0.9-before.pb.gz"),
        data("jemalloc-0.9-after.pb.gz"),
        own,
    ]
}

/// The names of a profile's sample types.
fn kinds(file: &str) -> Vec<String> {
    let profile = Profile::read(&fs::read(file).expect("the file")).expect("a profile");
    let types = profile.sample_types.iter();
    types.map(|one| one.kind.to_string()).collect()
}

/// Both commands with their own spelling of the same options: the same rows in the same order.
fn assert_equal(kind: &str, theirs: &[&str], ours: &[&str], files: &[&str]) -> Report {
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

/// Each filter alone, and together: on functions, on files, on what is mapped, on labels.
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
    // Two of them are meant to.
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
    let [server, later, first, second, _, before, after, _] = &files[..] else {
        panic!("other profiles than expected");
    };
    for pair in [[server, later], [first, second], [before, after]] {
        let pair = pair.map(String::as_str);
        let [base, new] = pair;
        let filters = ["-focus=put|f1|fill", "-hide=f2|run|alloc"];
        let our_filters = ["--focus=put|f1|fill", "--hide=f2|run|alloc"];
        for kind in &kinds(pair[0]) {
            assert_equal(kind, &[], &[], &pair);
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
            let ours = heaptide(kind, &ours);
            assert_eq!(parse(&ours), parse(&theirs), "{kind} of {new} less {base}");
        }
    }
}

/// With fewer rows than there are `pprof` tells inlined calls by the callers that it still shows, so names
/// are compared without.
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
