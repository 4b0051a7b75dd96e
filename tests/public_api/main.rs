//! The public API of the packages that programs depend on, compared with the lists beside this
//! file.
//!
//! ```text
//! BLESS=1 cargo test --test public_api -- --ignored
//! ```
//!
//! rewrites the lists. The difference is what a reviewer looks at: a line that goes, or that
//! changes, breaks somebody's program.
#![cfg(not(loom))]

use std::{env, fs, path::Path, process::Command};

/// The public items of a package, a line each.
fn public_api(package: &str, features: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // A folder of its own: the tests' own build is by another compiler.
    let target = root.join("target/public-api");
    let built = Command::new("cargo")
        .args([
            "+nightly",
            "rustdoc",
            "--quiet",
            "--lib",
            "--package",
            package,
        ])
        .args(["--no-default-features", "--features", features])
        .arg("--target-dir")
        .arg(&target)
        .args(["--", "-Zunstable-options", "--output-format", "json"])
        .current_dir(root)
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTDOCFLAGS")
        .output()
        .expect("cargo starts");
    let errors = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "nightly's rustdoc: {errors}");
    let json = target
        .join("doc")
        .join(package.replace('-', "_"))
        .with_extension("json");
    let api = public_api::Builder::from_rustdoc_json(json)
        .sorted(true)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .expect("the JSON of this rustdoc: update `public-api`");
    format!("{api}")
}

fn is_as_listed(package: &str, features: &str) {
    let api = public_api(package, features);
    assert!(api.lines().count() > 20, "{api}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/public_api")
        .join(package);
    let file = file.with_extension("txt");
    if env::var_os("BLESS").is_some() {
        fs::write(file, api).unwrap();
        return;
    }
    let listed = fs::read_to_string(&file).unwrap();
    let is_in = |list: &str, line: &str| list.lines().any(|other| other == line);
    let gone = listed
        .lines()
        .filter(|line| !is_in(&api, line))
        .map(|line| format!("- {line}\n"));
    let new = api
        .lines()
        .filter(|line| !is_in(&listed, line))
        .map(|line| format!("+ {line}\n"));
    let changes: String = gone.chain(new).collect();
    assert!(
        changes.is_empty(),
        "the public API of {package} changed:\n{changes}"
    );
}

#[test]
#[ignore = "needs the nightly toolchain, whose rustdoc writes JSON"]
fn the_public_api_of_heaptide_is_as_listed() {
    is_as_listed("heaptide", "full");
}

#[test]
#[ignore = "needs the nightly toolchain, whose rustdoc writes JSON"]
fn the_public_api_of_heaptide_profile_is_as_listed() {
    is_as_listed("heaptide-profile", "flamegraph");
}
