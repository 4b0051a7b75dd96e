//! Other people's readers of our files, from npm.

use std::{path::Path, process::Command};

/// Reads a file with a reader from npm, and returns the content in JSON.
///
/// `kind` is `speedscope` or `pprof`, as `read.cjs` explains. The packages are in target/readers.
#[must_use]
pub fn read(kind: &str, file: &Path) -> String {
    run("read.cjs", kind, file)
}

/// Runs a script of tests/readers on a file, and returns its output in JSON.
#[must_use]
pub fn run(script: &str, argument: &str, file: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new("node")
        .arg(root.join("tests/readers").join(script))
        .arg(root.join("target/readers"))
        .args([Path::new(argument), file])
        .output()
        .expect("node starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).expect("text")
}
