//! The page in a real browser, on a process with 5,000 call stacks.
//!
//! The bundle of the page's drawing code is built anew, too.

#![cfg(feature = "http")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

#[path = "page/service.rs"]
mod service;

/// Small enough to sample nearly every stack of the service, and large enough to show errors.
#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<std::alloc::System> =
    heaptide::SamplingAllocator::with_inner(std::alloc::System).sample_interval(4_096);

/// From navigation to picture, in milliseconds: the promise, and a limit for builds without the
/// optimizer.
const LIMIT: &str = if cfg!(debug_assertions) {
    "8000"
} else {
    "1000"
};

#[test]
#[ignore = "needs a browser (Debian package chromium-headless-shell or chromium), node 20 and npm"]
fn the_page_works_in_a_browser() {
    service::fill();
    let profile = heaptide::ProfileOptions::new().heap().unwrap();
    let live = profile.samples.iter().filter(|s| s.values[2] > 0).count();
    assert!(live >= service::STACKS, "{live} stacks hold memory");
    let server = heaptide::http::serve("127.0.0.1:0").unwrap();
    let change = service::change_on_demand();
    let folder = installed("tests/http/page", &["drive.mjs"]);
    let status = Command::new("node")
        .arg("drive.mjs")
        .args([
            &server.local_addr().to_string(),
            heaptide_profile::testing::browser::browser(),
        ])
        .arg(&folder)
        .args([LIMIT, &change.port().to_string()])
        .current_dir(&folder)
        .status()
        .expect("node 20");
    assert!(
        status.success(),
        "the output above names the failure; screenshots are in {}",
        folder.display()
    );
}

#[test]
#[ignore = "needs node 20 and npm"]
fn the_bundle_is_built_from_its_sources() {
    let folder = installed("src/http/page/web/bundle", &["entry.js"]);
    npm(&folder, &["run", "build"]);
    let made = fs::read(folder.join("../flamegraph.js")).unwrap();
    let shipped = fs::read(root().join("src/http/page/web/flamegraph.js")).unwrap();
    assert!(
        made == shipped,
        "flamegraph.js is not built from these sources: see bundle/entry.js"
    );
}

/// A copy of a folder in the target folder, with the packages of its lock file.
fn installed(source: &str, files: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(source);
    fs::create_dir_all(&folder).unwrap();
    for file in files.iter().chain(&["package.json", "package-lock.json"]) {
        fs::copy(root().join(source).join(file), folder.join(file)).unwrap();
    }
    npm(&folder, &["ci", "--no-audit", "--no-fund"]);
    folder
}

fn npm(folder: &Path, arguments: &[&str]) {
    let status = Command::new("npm")
        .args(arguments)
        .current_dir(folder)
        .status();
    assert!(status.expect("npm").success(), "npm {arguments:?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
