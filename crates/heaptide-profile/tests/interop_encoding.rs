//! The real `pprof` reads what this package writes.

mod synthetic;

use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A synthetic heap profile in a file, and a home folder in which `pprof` finds nothing.
struct Written {
    folder: TempDir,
}

impl Written {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let written = Self { folder };
        let file = std::fs::File::create(written.path()).unwrap();
        synthetic::heap_profile().write(file).unwrap();
        written
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("heap.pb.gz")
    }

    fn pprof(&self, arguments: &[&str]) -> String {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new("go")
            .args(["tool", "pprof"])
            .args(arguments)
            .arg(self.path())
            .env("HOME", self.folder.path())
            .env("PPROF_TMPDIR", self.folder.path())
            .env_remove("PPROF_BINARY_PATH")
            .output()
            .expect("`go` is in the path: install golang-go");
        let stderr = String::from_utf8(stderr).unwrap();
        assert!(status.success(), "{stderr}");
        assert_eq!(stderr, "", "no warning");
        String::from_utf8(stdout).unwrap()
    }
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn raw_shows_types_default_period_and_mappings() {
    let raw = Written::new().pprof(&["-raw"]);
    let lines: Vec<&str> = raw.lines().map(str::trim_end).collect();
    let has = |line: &str| assert!(lines.contains(&line), "no line `{line}` in\n{raw}");
    has("PeriodType: space bytes");
    has("Period: 524288");
    has("alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes[dflt]");
    has("        200     204800        150     153600: 1 2");
    has("                bytes:[1024 bytes]");
    has(&format!(
        "1: 0x555555554000/0x555555654000/0x1000 /nonexistent/service {} [FN][FL][LN][IN]",
        synthetic::BUILD_ID
    ));
    has("2: 0x7ffff7dc0000/0x7ffff7f40000/0x0 /nonexistent/libplugin.so  [FN]");
    assert!(!raw.contains("Duration:"), "{raw}");
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn top_shows_the_default_type_the_executable_and_generic_names_whole() {
    let top = Written::new().pprof(&["-top"]);
    assert!(
        top.starts_with("File: service\nBuild ID: 4f1c9a0b"),
        "{top}"
    );
    assert!(top.contains("\nType: inuse_space\n"), "{top}");
    let generic = top
        .lines()
        .find(|line| line.ends_with(&format!("  {} (inline)", synthetic::GENERIC_NAME)));
    let generic = generic.unwrap_or_else(|| panic!("no whole generic name in\n{top}"));
    assert!(generic.trim_start().starts_with("150kB"), "{generic}");
}

#[test]
#[ignore = "needs Go's pprof (Debian golang-go)"]
fn each_sample_type_can_be_asked_for_as_in_a_go_profile() {
    let written = Written::new();
    for (flag, total) in [
        ("-alloc_objects", "203 total"),
        ("-alloc_space", "3272kB total"),
        ("-inuse_objects", "151 total"),
        ("-inuse_space", "1174kB total"),
    ] {
        let top = written.pprof(&[flag, "-top"]);
        assert!(top.contains(total), "{flag}: {top}");
    }
}
