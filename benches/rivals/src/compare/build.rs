//! Builds the programs, each set of features in a folder of its own.
//!
//! Separate folders are necessary because cargo unifies features within a build.

use super::contender::Contender;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// This package's folder.
fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Builds the programs of these contenders.
///
/// # Errors
///
/// When cargo cannot be run or fails.
pub fn build(contenders: &[Contender]) -> Result<(), String> {
    let mut built = Vec::new();
    for contender in contenders {
        let folder = folder(contender);
        if built.contains(&folder) {
            continue;
        }
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(package());
        cargo.args(["build", "--quiet", "--release", "--locked", "--bins"]);
        cargo.args(["--features", contender.features, "--target-dir"]);
        cargo.arg(&folder);
        let frame_pointers = "-Cforce-frame-pointers=yes";
        let flags = contender.frame_pointers.then_some(frame_pointers);
        cargo.env("RUSTFLAGS", flags.unwrap_or_default());
        eprintln!("building {}", folder.display());
        let status = cargo.status().map_err(|error| format!("cargo: {error}"))?;
        if !status.success() {
            return Err(format!(
                "the build of {} failed: {status}",
                contender.features
            ));
        }
        built.push(folder);
    }
    Ok(())
}

fn folder(contender: &Contender) -> PathBuf {
    let suffix = if contender.frame_pointers { "-fp" } else { "" };
    let name = [contender.features, suffix].concat();
    package().join("target").join(name)
}

/// The path of a contender's program after the build.
pub fn program(contender: &Contender) -> PathBuf {
    folder(contender).join("release").join(contender.program)
}
