//! Readers of our files that others have written, from npm: what they make of one.

use serde_json::Value;
use std::{path::Path, process::Command};

/// `kind` is `speedscope` or `pprof`; `read.cjs` says what it gives. The packages are in target/readers.
pub(crate) fn read(kind: &str, file: &Path) -> Value {
    run("read.cjs", kind, file)
}

/// What a script beside this file says of a file.
pub(crate) fn run(script: &str, argument: &str, file: &Path) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("node")
        .arg(root.join("tests/readers").join(script))
        .arg(root.join("target/readers"))
        .args([Path::new(argument), file])
        .output()
        .expect("node starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}
