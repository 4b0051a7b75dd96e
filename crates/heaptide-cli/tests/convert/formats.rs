//! `heaptide convert`: the choice of a format, and other programs that read the files.

use std::{fs, path::Path};

use heaptide_profile::testing::{example, readers};
use heaptide_profile::{Profile, report};
use serde_json::Value;

use crate::{STACKS, assert_refused, folder, read, run_ok, speedscope::check_speedscope, text};

#[test]
fn the_file_name_decides_the_format_and_inputs_are_added_up() {
    let folder = folder();
    let path = folder.path();
    let profile = example::profile(STACKS, 0);
    run_ok(
        path,
        "convert heap.pb.gz -o a.folded --sample-index alloc_space",
    );
    let expected = report::folded(profile.sample_type_at(1).expect("folded stacks"))
        .expect("folded stacks")
        .to_string();
    let written = fs::read_to_string(path.join("a.folded")).expect("the file");
    assert_eq!(written, expected);
    // inferno skips lines that it does not understand, so the total must be the profile's own.
    let mut svg = Vec::new();
    let mut options = inferno::flamegraph::Options::default();
    inferno::flamegraph::from_lines(&mut options, written.lines(), &mut svg)
        .expect("folded stacks");
    let total = format!(
        "total_samples=\"{}\"",
        report::total(profile.sample_type_at(1).unwrap())
    );
    for wanted in [
        &total,
        "&lt;alloc::vec::Vec&lt;T,A&gt;&gt;::push (9,000,000 ",
    ] {
        assert!(text(&svg).contains(wanted), "{wanted}");
    }
    run_ok(path, "convert heap.pb.gz heap.pb.gz -o twice.pb.gz");
    let twice = Profile::merge(&[&profile, &profile]).expect("a sum");
    assert_eq!(read(&path.join("twice.pb.gz")), twice);
    assert_refused(
        path,
        "convert heap.pb.gz -o heap.svg",
        "heap.svg: in which format? Say --to pprof, folded, speedscope or json",
    );
    assert_refused(
        path,
        "convert heap.pb.gz -o none/heap.json",
        "none/heap.json: No such file or directory (os error 2)",
    );
}

#[test]
#[ignore = "needs node, and tests/readers' packages in target/readers (Debian nodejs, npm)"]
fn other_readers_read_our_files() {
    let folder = folder();
    let profile = example::profile(STACKS, 0);
    run_ok(folder.path(), "convert heap.pb.gz -o heap.speedscope.json");
    // By the schema that speedscope comes with.
    check_speedscope(
        &read_by("speedscope", &folder.path().join("heap.speedscope.json")),
        &profile,
    );

    run_ok(folder.path(), "convert heap.pb.gz -o out.pb.gz");
    let read = read_by("pprof", &folder.path().join("out.pb.gz"));
    let types: Vec<Value> = profile
        .sample_types
        .iter()
        .map(|kind| serde_json::json!([&*kind.kind, &*kind.unit]))
        .collect();
    assert_eq!(read["types"], Value::from(types));
    let samples: Vec<Value> = profile
        .samples
        .iter()
        .map(|s| serde_json::json!({"depth": s.locations.len(), "values": s.values}))
        .collect();
    assert_eq!(read["samples"], Value::from(samples));
    let functions: Vec<&str> = profile.functions.iter().map(|f| &*f.name).collect();
    assert_eq!(read["functions"], serde_json::json!(functions));
}

/// The content of a file, as one of the readers reports it.
fn read_by(kind: &str, file: &Path) -> Value {
    serde_json::from_str(&readers::read(kind, file)).expect("JSON")
}
