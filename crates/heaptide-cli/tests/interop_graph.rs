//! Compares `heaptide tree`, `peek`, `traces` and `list` with `go tool pprof`.
//!
//! Functions, calls, samples and lines must be equal to the unit, and in the same order.
//!
//! Two things differ on purpose. heaptide leaves out calls of value 0, which occur only in a
//! difference. It also shows samples without a stack.

use std::{fs, path::Path, process::Command};

use pprof_text::{
    ParsedBlock, ParsedRoutine, ParsedTrace, blocks, listing, our_blocks, our_listing, our_traces,
    traces,
};
use ten_profiles::{example, kinds, profiles, write};

mod pprof_text;
mod ten_profiles;

/// Options of both commands, in `pprof`'s spelling with one dash.
const FILTERS: [&[&str]; 8] = [
    &[],
    &["-focus=put|^f3$|fill|ping|index"],
    &["-ignore=put|^f4$|malg|alloc"],
    &["-hide=run|^f[1-5]$|runtime|alloc"],
    &["-show=put|main|^f[4-9]$|keep|grow"],
    &["-tagfocus=bytes=1kb:"],
    &["-tagignore=bytes=:64b"],
    &["-focus=f1|main", "-hide=f1|runtime", "-ignore=f2|walk"],
];

/// Functions to look for; each has a match in every profile.
const WANTED: [&str; 3] = [
    "main|profiles",
    "put|f3|fill|grow|keep|small|call_once",
    "^(?i:.*[NE])$",
];

fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!(
            "{:?} does not start (Debian golang-go): {error}",
            command.get_program()
        )
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// The output of `pprof`. `report` is `tree`, or `peek` and an expression.
fn pprof(report: &[&str], options: &[&str], files: &[&str]) -> String {
    let mut pprof = Command::new("go");
    pprof.args(["tool", "pprof", "-symbolize=none", "-unit=B"]);
    pprof.arg(format!("-{}", report.join("="))).args(options);
    stdout(pprof.args(files))
}

/// The output of heaptide for the same.
fn heaptide(report: &[&str], options: &[&str], files: &[&str]) -> String {
    let mut heaptide = Command::new(env!("CARGO_BIN_EXE_heaptide"));
    heaptide.args(report).args(["--exact", "--no-error"]);
    heaptide.args(options.iter().map(|option| format!("-{option}")));
    stdout(heaptide.args(files))
}

fn both(report: &[&str], options: &[&str], files: &[&str]) -> (String, String) {
    (
        pprof(report, options, files),
        heaptide(report, options, files),
    )
}

/// heaptide leaves out the calls of a difference whose value is 0. Two of one size with different
/// signs have no order in `pprof`.
fn as_ours(mut blocks: Vec<ParsedBlock>) -> Vec<ParsedBlock> {
    for block in &mut blocks {
        for calls in [&mut block.callers, &mut block.callees] {
            calls.retain(|call| call.value != 0);
            calls.sort_by(|a, b| {
                let size = |value: i64| std::cmp::Reverse(value.unsigned_abs());
                (size(a.value), a.function()).cmp(&(size(b.value), b.function()))
            });
        }
    }
    blocks
}

/// Compares, and returns the number of calls.
fn assert_graphs_are_equal(report: &[&str], options: &[&str], files: &[&str]) -> usize {
    let (theirs, ours) = both(report, options, files);
    let mut theirs = blocks(&theirs);
    if options.iter().any(|option| option.contains("base=")) {
        theirs = as_ours(theirs);
    }
    let ours = our_blocks(&ours);
    let place = format!("{report:?} {options:?} of {files:?}");
    assert_eq!(ours.len(), theirs.len(), "{place}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs, "{place}");
        let calls = |block: &ParsedBlock| [block.callers.clone(), block.callees.clone()].concat();
        for (ours, theirs) in calls(ours).iter().zip(calls(theirs)) {
            // pprof rounds to 100 from 99.95 on, and to two digits below 1.
            assert!(
                (ours.percent - theirs.percent).abs() < 0.06,
                "{place}: {ours:?} {theirs:?}"
            );
        }
    }
    ours.iter()
        .map(|block| block.callers.len() + block.callees.len())
        .sum()
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn tree_equals_pprof() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let all = ["-nodecount=0", "-nodefraction=0", "-edgefraction=0"];
    let views: [&[&str]; 7] = [
        &[],
        &all,
        &["-cum", "-nodecount=7", "-edgefraction=0.02"],
        &["-nodecount=5", "-nodefraction=0"],
        &["-nodefraction=0.1", "-edgefraction=0.05"],
        &["-lines"],
        &["-lines", "-cum", "-nodecount=12"],
    ];
    for file in profiles(folder.path()) {
        let mut compared = 0;
        let kinds = kinds(&file);
        let mut kinds = kinds.iter().cycle();
        for options in views.iter().chain(&FILTERS) {
            let kind = format!("-sample_index={}", kinds.next().expect("a sample type"));
            let options = [*options, &[&*kind]].concat();
            compared += assert_graphs_are_equal(&["tree"], &options, &[&file]);
        }
        assert!(compared > 20, "{file}: {compared} calls compared");
    }
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn tree_of_a_difference_equals_pprof() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = profiles(folder.path());
    let all = ["-nodecount=0", "-nodefraction=0", "-edgefraction=0"];
    for pair in files[..10].chunks(2) {
        let [base, new] = pair else { panic!("no pair") };
        for kind in kinds(base) {
            for option in ["base", "diff_base"] {
                let base = format!("-{option}={base}");
                let kind = format!("-sample_index={kind}");
                let asked = [&*base, &kind];
                let whole = [&asked[..], &all].concat();
                let filtered = [&asked[..], &["-focus=put|f1|fill", "-hide=f2|run"]].concat();
                let few = [&asked[..], &["-nodecount=6", "-lines"]].concat();
                for options in [&asked[..], &whole, &filtered, &few] {
                    assert_graphs_are_equal(&["tree"], options, &[new]);
                }
                assert_graphs_are_equal(&["peek", WANTED[0]], &asked, &[new]);
            }
        }
        assert_graphs_are_equal(&["tree"], &[], &[base, new]);
    }
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn peek_equals_pprof() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for file in profiles(folder.path()) {
        let mut compared = 0;
        let kinds = kinds(&file);
        for (at, kind) in kinds.iter().enumerate() {
            let kind = format!("-sample_index={kind}");
            for regex in WANTED {
                compared += assert_graphs_are_equal(&["peek", regex], &[&kind], &[&file]);
            }
            let filter = FILTERS[6 * (at % 2)];
            let options = [filter, &["-lines", &kind]].concat();
            compared += assert_graphs_are_equal(&["peek", WANTED[0]], &options, &[&file]);
        }
        assert!(compared > 10, "{file}: {compared} calls compared");
    }
}

/// heaptide's rows for addresses are those of `pprof -addresses`.
#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn tree_of_addresses_equals_pprof() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let raw = "
        0x10 / 0x20 / 0x30 = 1 100 1 100
        0x10 / 0x20 / 0x40 = 2 200 1 100
        0x10 / libz.so!0x30 = 3 300 2 200
        0x10 / 0x20 / 0x20 = 4 400 4 400";
    let file = write(folder.path(), "raw", &example::profile(raw, 0));
    let theirs = pprof(&["tree"], &["-addresses"], &[&file]);
    let hexadecimal = |name: &str| {
        let (address, file) = name.split_once(' ').expect("an address and a file");
        let address = u64::from_str_radix(address, 16).expect("an address");
        format!("{address:#x} {file}")
    };
    let mut theirs = blocks(&theirs);
    for block in &mut theirs {
        block.name = hexadecimal(&block.name);
        for call in block.callers.iter_mut().chain(&mut block.callees) {
            call.name = hexadecimal(&call.name);
        }
    }
    let ours = heaptide(&["tree"], &[], &[&file]);
    assert_eq!(our_blocks(&ours), theirs);
    assert_eq!(theirs.len(), 5);
}

fn assert_traces_are_equal(options: &[&str], files: &[&str]) -> usize {
    let (theirs, ours) = both(&["traces"], options, files);
    let (theirs, ours) = (traces(&theirs), our_traces(&ours));
    let mut ours: Vec<ParsedTrace> = ours
        .into_iter()
        .filter(|trace| trace.frames != ["[no stack]"])
        .collect();
    if files.len() > 1 || options.iter().any(|option| option.contains("base=")) {
        // heaptide states if a profile's samples were drawn at another interval. pprof forgets it.
        for trace in &mut ours {
            trace.labels.retain(|label| label.key != "sample_interval");
        }
    }
    assert_eq!(ours.len(), theirs.len(), "{options:?} of {files:?}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let same = (ours.value, &ours.frames) == (theirs.value, &theirs.frames)
            && ours.labels.len() == theirs.labels.len()
            && ours
                .labels
                .iter()
                .zip(&theirs.labels)
                .all(|(a, b)| a.is_like(b));
        assert!(same, "{options:?} of {files:?}: {ours:?} {theirs:?}");
    }
    theirs.len()
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn traces_equal_pprof() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = profiles(folder.path());
    for file in &files {
        let kinds = kinds(file);
        let mut compared = 0;
        for (at, filter) in FILTERS.iter().enumerate() {
            let kind = format!("-sample_index={}", kinds[at % kinds.len()]);
            let lines: &[&str] = if at % 2 == 0 { &["-lines"] } else { &[] };
            let options = [*filter, &[&*kind], lines].concat();
            compared += assert_traces_are_equal(&options, &[file]);
        }
        assert!(compared > 10, "{file}: {compared} samples compared");
    }
    for pair in files[..10].chunks(2) {
        let [base, new] = pair else { panic!("no pair") };
        assert_traces_are_equal(&[], &[base, new]);
        for option in ["base", "diff_base"] {
            assert_traces_are_equal(&[&format!("-{option}={base}")], &[new]);
        }
    }
}

/// Source files for all profiles that have any. Those of the synthetic ones are made up.
fn sources(folder: &Path) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../heaptide-profile/tests/data");
    fs::create_dir(folder).expect("a new folder");
    for file in 0..16 {
        let lines = (1..=1000).map(|line| format!("\tline {line} of {file:x}\n"));
        let text: String = lines.collect();
        fs::write(folder.join(format!("{file:x}.rs")), text).expect("a new file");
    }
    for (from, to) in [
        ("jemalloc-0.9.rs", "main.rs"),
        ("go-1.19-heap.go", "main.go"),
        ("go-1.19-sampled.go", "go-1.19-sampled.go"),
        ("go-1.19-calls.go", "go-1.19-calls.go"),
        ("heaptide-0.1.rs", "heaptide-0.1.rs"),
    ] {
        fs::copy(data.join(from), folder.join(to)).expect("the source of a profile");
    }
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn list_equals_pprof() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let code = folder.path().join("code");
    sources(&code);
    let source = format!("-source_path={}", code.join("none").display());
    let trim = "-trim_path=/src:/example/src/:example:/build/example";
    for file in profiles(folder.path()) {
        let mut compared = 0;
        for kind in kinds(&file) {
            let kind = format!("-sample_index={kind}");
            for (regex, filter) in WANTED.iter().zip([FILTERS[0], FILTERS[0], FILTERS[6]]) {
                let options = [filter, &[&*kind, &source, trim]].concat();
                let (theirs, ours) = both(&["list", regex], &options, &[&file]);
                let (theirs, ours) = (listing(&theirs), our_listing(&ours));
                let place = format!("{regex} {options:?} of {file}");
                assert_eq!(ours.len(), theirs.len(), "{place}");
                for (ours, theirs) in ours.iter().zip(&theirs) {
                    assert_routines_are_equal(ours, theirs, &place);
                    compared += theirs.lines.len();
                }
            }
        }
        // The tests' own sources are in their place, unless the tests run elsewhere.
        assert!(compared > 30, "{file}: {compared} lines compared");
    }
}

fn assert_routines_are_equal(ours: &ParsedRoutine, theirs: &ParsedRoutine, place: &str) {
    if theirs.file.is_empty() {
        // pprof gives no numbers in this case.
        assert_eq!((&ours.name, &*ours.file), (&theirs.name, ""), "{place}");
        return;
    }
    assert_eq!(
        (&ours.name, ours.flat, ours.cum),
        (&theirs.name, theirs.flat, theirs.cum),
        "{place}"
    );
    assert!(
        ours.file.ends_with(&theirs.file),
        "{place}: {ours:?} {theirs:?}"
    );
    assert_eq!(ours.is_missing, theirs.is_missing, "{place}: {ours:?}");
    if theirs.is_missing {
        // heaptide lists lines that hold something in any case.
        let sums = ours.lines.iter().map(|line| (line.flat, line.cum));
        let sums = sums.fold((0, 0), |sum, line| (sum.0 + line.0, sum.1 + line.1));
        assert_eq!(sums, (ours.flat, ours.cum), "{place}: {ours:?}");
    } else {
        assert_eq!(ours.lines, theirs.lines, "{place}: {}", ours.name);
    }
}

/// The command below a report shows the same. A shell runs it, as a user would.
#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn the_command_below_a_report_shows_the_same() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let code = folder.path().join("code");
    sources(&code);
    let files = profiles(folder.path());
    let quoted = folder.path().join("it's a profile");
    fs::copy(&files[0], &quoted).expect("a copy");
    let run = |arguments: &[&str]| {
        let mut heaptide = Command::new(env!("CARGO_BIN_EXE_heaptide"));
        heaptide.args(arguments).args(["--exact", "--no-error"]);
        let ours = stdout(heaptide.arg(&quoted).current_dir(&code));
        let same = ours
            .lines()
            .find_map(|line| line.strip_prefix("The same with pprof: "));
        let same = same
            .unwrap_or_else(|| panic!("no command in\n{ours}"))
            .to_owned();
        let mut shell = Command::new("sh");
        let theirs = stdout(shell.args(["-c", &same]).current_dir(&code));
        (theirs, ours)
    };
    let (theirs, ours) = run(&["tree", "--focus", "put|walk", "--cum", "--lines", "-n", "5"]);
    assert_eq!(our_blocks(&ours), blocks(&theirs));
    let base = format!("--diff-base={}", files[1]);
    let (theirs, ours) = run(&["peek", "<.*>::index|^put$", &base]);
    assert_eq!(our_blocks(&ours), as_ours(blocks(&theirs)));
    let (theirs, ours) = run(&[
        "traces",
        "--tagignore",
        "tenant=red",
        "--sample-index=alloc_objects",
    ]);
    let frames = |traces: Vec<ParsedTrace>| {
        let traces = traces.into_iter();
        traces
            .map(|trace| (trace.value, trace.frames))
            .collect::<Vec<_>>()
    };
    assert_eq!(frames(our_traces(&ours)), frames(traces(&theirs)));
    let (theirs, ours) = run(&[
        "list",
        "put",
        "--source-path=.",
        "--trim-path=/src",
        "--hide=walk",
    ]);
    let (theirs, ours) = (listing(&theirs), our_listing(&ours));
    assert_eq!(ours.len(), theirs.len());
    assert!(
        theirs.iter().any(|routine| !routine.is_missing),
        "{theirs:?}"
    );
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_routines_are_equal(ours, theirs, "below");
    }
}
