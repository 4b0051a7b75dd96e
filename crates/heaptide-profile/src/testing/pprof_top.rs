//! The tables of `go tool pprof -top` and of the `heaptide` command, compared.

use std::path::Path;
use std::process::Command;

pub const KINDS: [&str; 4] = [
    "alloc_objects",
    "alloc_space",
    "inuse_objects",
    "inuse_space",
];

/// A table: the sum of its functions, the total, and flat, cum and name of each row, in order.
#[derive(Debug, PartialEq)]
pub struct PprofTable {
    pub accounted: i64,
    pub total: i64,
    pub rows: Vec<(i64, i64, String)>,
}

pub fn parse(output: &str) -> PprofTable {
    let header = output
        .lines()
        .find_map(|line| line.strip_prefix("Showing nodes accounting for "))
        .unwrap_or_else(|| panic!("no header in\n{output}"));
    let words: Vec<&str> = header.split_whitespace().collect();
    let table = output
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("flat "));
    let rows = table.skip(1).map(row).collect();
    PprofTable {
        accounted: number(words[0].trim_end_matches(',')),
        total: number(words[3]),
        rows,
    }
}

/// A line `flat flat% sum% cum cum%  name`. The name may have spaces.
pub fn row(line: &str) -> (i64, i64, String) {
    let mut rest = line;
    let mut word = || {
        let (word, after) = rest.trim_start().split_once(' ').expect("six columns");
        rest = after;
        word
    };
    let (flat, _, _, cum, _) = (word(), word(), word(), word(), word());
    // Only heaptide marks functions that are new or gone.
    let name = rest.trim();
    let name = name.strip_suffix(" (new)").unwrap_or(name);
    let name = name.strip_suffix(" (gone)").unwrap_or(name);
    (number(flat), number(cum), name.to_owned())
}

/// A plain number, with a sign or without, or one with pprof's unit of one byte.
pub fn number(text: &str) -> i64 {
    let digits = text.trim_start_matches('+').trim_end_matches('B');
    digits
        .parse()
        .unwrap_or_else(|_| panic!("`{text}` is not a whole number"))
}

pub fn stdout(command: &mut Command) -> String {
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

pub fn pprof(kind: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("go");
    command.args([
        "tool",
        "pprof",
        "-top",
        "-unit=B",
        "-symbolize=none",
        "-sample_index",
        kind,
    ]);
    command.args(["-nodefraction=0", "-edgefraction=0", "-nodecount=0"]);
    stdout(command.args(arguments))
}

pub fn heaptide(command: &Path, kind: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(command);
    command.args(arguments);
    stdout(command.args(["--exact", "--no-error", "-n", "0", "--sample-index", kind]))
}

pub fn assert_top_is_equal(command: &Path, file: &str) {
    for kind in KINDS {
        let ours = heaptide(command, kind, &["top", file]);
        assert_eq!(
            parse(&ours),
            parse(&pprof(kind, &[file])),
            "{kind} of {file}"
        );
    }
}

pub fn assert_diff_is_equal(command: &Path, base: &str, new: &str) {
    for kind in KINDS {
        let theirs = pprof(kind, &["-diff_base", base, new]);
        let ours = heaptide(command, kind, &["diff", base, new]);
        assert_eq!(parse(&ours), parse(&theirs), "{kind} of {new} less {base}");
    }
}
