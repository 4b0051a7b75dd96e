//! Builds and finds the command `heaptide`, which is in another package.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

/// The path of the command, built with the same cargo profile as this test.
pub(crate) fn heaptide() -> &'static Path {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let test = env::current_exe().expect("this program");
        // target/debug/deps/test-0123456789abcdef
        let folder = test
            .parent()
            .and_then(Path::parent)
            .expect("a profile's folder");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        // With the features of the test command, so that nothing is built anew.
        cargo.args(["build", "--quiet", "--workspace", "--all-features"]);
        cargo.args(["--bin", "heaptide"]);
        cargo
            .arg("--target-dir")
            .arg(folder.parent().expect("a target folder"));
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        let built = cargo.status().expect("cargo starts");
        assert!(built.success(), "the command does not build");
        folder.join("heaptide")
    });
    &BUILT
}
