//! `heaptide symbolize` from files gives the profile that the process itself would have written.
//!
//! They are compared line by line. The debug information may be in any place. Missing files are
//! reported.
#![cfg(all(feature = "symbolize", target_os = "linux"))]

mod c_programs;
#[path = "../../support/command.rs"]
mod command;
mod missing_files;
mod this_program;

use heaptide::{Profile, ProfileOptions};
use heaptide_profile::{Location, LocationId, Mapping, MappingId, Sample, ValueType};
use std::{
    alloc::System,
    collections::BTreeMap,
    fs,
    hint::black_box,
    path::Path,
    process::{Command, Output},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(1);

#[inline(always)]
fn inlined(map: &mut BTreeMap<u32, String>) {
    for key in 0..100 {
        map.insert(key, format!("value {key}"));
    }
}

#[inline(never)]
fn keep() -> (BTreeMap<u32, String>, Vec<Vec<u8>>) {
    let mut map = BTreeMap::new();
    inlined(&mut map);
    let list = (0..100).map(|byte| black_box(vec![byte | 1; 1234]));
    (map, list.collect())
}

fn symbolize(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(command::heaptide());
    command.args(["symbolize", "raw.pb.gz", "-o", "out.pb.gz"]);
    command.args(arguments).current_dir(folder);
    for variable in ["PPROF_BINARY_PATH", "DEBUGINFOD_URLS"] {
        command.env_remove(variable);
    }
    command.output().expect("the command starts")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

fn run(tool: &str, arguments: &[&str]) {
    let output = Command::new(tool).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{tool}: {error}"));
    assert!(output.status.success(), "{tool} {arguments:?}: {output:?}");
}

fn read(file: &Path) -> Profile {
    Profile::read(&fs::read(file).expect("the file")).expect("a profile")
}

/// The names, symbols, files and lines of every stack.
fn lines(profile: &Profile) -> Vec<String> {
    let mut lines = Vec::new();
    for sample in &profile.samples {
        lines.push(format!("{:?}", sample.values));
        for frame in profile.frames(sample) {
            let function = frame.function.map(|f| (&f.name, &f.system_name, &f.file));
            let address = frame.location.address;
            lines.push(format!(
                "{address:#x} {function:?}:{} {}",
                frame.line, frame.inlined
            ));
        }
    }
    lines
}

fn same_lines(found: &Profile, expected: &Profile) {
    let (found, expected) = (lines(found), lines(expected));
    assert!(expected.iter().any(|line| line.contains("offline::keep")));
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "line {at}");
    }
    assert_eq!(found.len(), expected.len());
}

/// A raw profile of one sample with these addresses in a mapping.
fn raw(mapping: Mapping, addresses: &[u64]) -> Profile {
    let location = |&address| Location {
        address,
        mapping: MappingId::new(0),
        ..Location::default()
    };
    Profile {
        sample_types: vec![ValueType::new("inuse_space", "bytes")],
        mappings: vec![mapping],
        locations: addresses.iter().map(location).collect(),
        samples: vec![Sample {
            locations: (0..addresses.len()).filter_map(LocationId::new).collect(),
            values: vec![12_345_678],
            labels: vec![],
        }],
        ..Profile::default()
    }
}

#[test]
fn a_symbolized_profile_is_unchanged_unless_forced() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = keep();
    let mut profile = ProfileOptions::new().heap().expect("a profile");
    drop(kept);
    for mapping in &mut profile.mappings {
        mapping.has_functions = true;
    }
    let function = profile
        .functions
        .iter_mut()
        .find(|f| &*f.name == "offline::keep");
    function.expect("the function").name = "named by hand".into();
    let file = folder.path().join("raw.pb.gz");
    profile
        .write(fs::File::create(&file).expect("a new file"))
        .expect("a valid profile");
    let output = symbolize(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "heaptide: raw.pb.gz: all of it is symbolized already, and is written as it is; --force \
         does it anew\n"
    );
    assert_eq!(read(&folder.path().join("out.pb.gz")), profile);

    let output = symbolize(folder.path(), &["--force"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let forced = read(&folder.path().join("out.pb.gz"));
    let has = |name: &str| forced.functions.iter().any(|f| &*f.name == name);
    assert!(has("offline::keep") && !has("named by hand"));
}
