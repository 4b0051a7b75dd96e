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

use std::{collections::BTreeSet, env, fs, path::Path, process::Command};

/// The structs and enums with public parts that are exhaustive, because they cannot grow.
///
/// They are the messages of `profile.proto`, a finished format, what is built from them, and
/// choices that are complete.
const PLAIN_DATA: &[&str] = &[
    "heaptide_profile::Function",
    "heaptide_profile::Label",
    "heaptide_profile::LabelValue",
    "heaptide_profile::Line",
    "heaptide_profile::Location",
    "heaptide_profile::Mapping",
    "heaptide_profile::Population",
    "heaptide_profile::Profile",
    "heaptide_profile::Sample",
    "heaptide_profile::SymbolLine",
    "heaptide_profile::ValueType",
    "heaptide_profile::report::Change",
    "heaptide_profile::report::Inlined",
];

/// Each struct and enum with public parts that is exhaustive.
fn exhaustive(api: &str) -> BTreeSet<&str> {
    let types = api.lines().filter_map(|line| {
        let rest = line
            .strip_prefix("pub struct ")
            .or(line.strip_prefix("pub enum "))?;
        rest.split(['<', '(', ' ']).next()
    });
    let has_parts = |name: &&str| {
        let parts = format!("pub {name}::");
        api.lines().any(|line| line.starts_with(&parts))
    };
    types.filter(has_parts).collect()
}

/// The public items of a package, a line each.
fn public_api(package: &str, features: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // A folder of its own: the tests' own build is by another compiler.
    let target = root.join("target/public-api");
    // Nothing is linked, so this stands for jemalloc, whose C source need not be built then.
    let jemalloc = target.join("libjemalloc.so");
    fs::create_dir_all(&target).unwrap();
    fs::write(&jemalloc, "").unwrap();
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
        .env("JEMALLOC_OVERRIDE", &jemalloc)
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
    let name = package.replace('-', "_") + "::";
    let plain = PLAIN_DATA
        .iter()
        .copied()
        .filter(|data| data.starts_with(&name));
    assert_eq!(
        exhaustive(&api),
        plain.collect(),
        "add #[non_exhaustive], or a reason"
    );
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
