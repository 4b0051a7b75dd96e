//! What `heaptide` writes besides reports: other formats, sums, descriptions of profiles, growth,
//! shell completions and the manual page.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use heaptide_profile::testing::canned_server::{Canned, serve};
use heaptide_profile::testing::{browser, example, readers};
use heaptide_profile::{internal::units, report, *};
use serde_json::Value;

const STACKS: &str = "
    main / server::run / server::cache::put // <alloc::vec::Vec<T,A>>::push = 900 9000000 500 \
    5000000 bytes=10240
    main / server::run / libz.so!inflate = 100 6553600 1 65536 bytes=65536
    main / server::run / walk / walk / walk = 7 7168 7 7168 tenant=blue bytes=1024
    main / 0x4a10 = 3 48 3 48 bytes=16";

const COMMANDS: [&str; 16] = [
    "top",
    "diff",
    "tree",
    "peek",
    "traces",
    "list",
    "leaks",
    "flamegraph",
    "fetch",
    "watch",
    "info",
    "symbolize",
    "convert",
    "merge",
    "completions",
    "man",
];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    save(
        &folder.path().join("heap.pb.gz"),
        &example::profile(STACKS, 0),
    );
    folder
}

fn save(file: &Path, profile: &Profile) {
    profile
        .write(fs::File::create(file).expect("a new file"))
        .expect("a valid profile");
}

fn read(file: &Path) -> Profile {
    Profile::read(&fs::read(file).expect("the file")).expect("a profile")
}

fn heaptide(folder: &Path, command_line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heaptide"));
    command
        .args(command_line.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

fn run(folder: &Path, command_line: &str) -> Output {
    heaptide(folder, command_line)
        .output()
        .expect("the command starts")
}

/// Its standard output. There must be nothing on standard error.
fn fine(folder: &Path, command_line: &str) -> String {
    let output = run(folder, command_line);
    assert_eq!(text(&output.stderr), "", "{command_line}");
    assert_eq!(output.status.code(), Some(0), "{command_line}");
    text(&output.stdout).to_owned()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

fn refused(folder: &Path, command_line: &str, line: &str) {
    let output = run(folder, command_line);
    assert_eq!(
        text(&output.stderr),
        format!("heaptide: {line}\n"),
        "{command_line}"
    );
    assert_eq!(output.status.code(), Some(2), "{command_line}");
}

/// A profile from the JSON that docs/cli.md describes.
fn from_json(json: &Value) -> Profile {
    let text = |value: &Value| value.as_str().expect("a text").into();
    let number = |value: &Value| value.as_i64().expect("a number");
    let truth = |value: &Value| value.as_bool().expect("true or false");
    let index = |value: &Value| usize::try_from(number(value)).expect("an index");
    let hex = |value: &Value| {
        let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
        u64::from_str_radix(digits.expect("an address"), 16).expect("an address")
    };
    let all = |value: &Value| value.as_array().expect("a table").clone();
    let kind = |value: &Value| ValueType {
        kind: text(&value["type"]),
        unit: text(&value["unit"]),
    };
    let line = |value: &Value| Line {
        function: FunctionId::new(index(&value["function"])).expect("an id"),
        line: number(&value["line"]),
        column: number(&value["column"]),
    };
    let label = |value: &Value| Label {
        key: text(&value["key"]),
        value: match value.get("text") {
            Some(value) => LabelValue::Text(text(value)),
            None => LabelValue::Number {
                value: number(&value["number"]),
                unit: text(&value["unit"]),
            },
        },
    };
    let location = |value: &Value| Location {
        mapping: match &value["mapping"] {
            Value::Null => None,
            known => MappingId::new(index(known)),
        },
        address: hex(&value["address"]),
        lines: all(&value["lines"]).iter().map(line).collect(),
        is_folded: truth(&value["is_folded"]),
    };
    Profile {
        sample_types: all(&json["sample_types"]).iter().map(kind).collect(),
        default_sample_type: text(&json["default_sample_type"]),
        samples: all(&json["samples"])
            .iter()
            .map(|value| Sample {
                locations: all(&value["locations"])
                    .iter()
                    .filter_map(|value| LocationId::new(index(value)))
                    .collect(),
                values: all(&value["values"]).iter().map(number).collect(),
                labels: all(&value["labels"]).iter().map(label).collect(),
            })
            .collect(),
        mappings: all(&json["mappings"])
            .iter()
            .map(|value| Mapping {
                start: hex(&value["start"]),
                limit: hex(&value["limit"]),
                file_offset: hex(&value["file_offset"]),
                file: text(&value["file"]),
                build_id: text(&value["build_id"]),
                has_functions: truth(&value["has_functions"]),
                has_filenames: truth(&value["has_filenames"]),
                has_line_numbers: truth(&value["has_line_numbers"]),
                has_inline_frames: truth(&value["has_inline_frames"]),
            })
            .collect(),
        locations: all(&json["locations"]).iter().map(location).collect(),
        functions: all(&json["functions"])
            .iter()
            .map(|value| Function {
                name: text(&value["name"]),
                system_name: text(&value["system_name"]),
                file: text(&value["file"]),
                start_line: number(&value["start_line"]),
            })
            .collect(),
        time_nanos: number(&json["time_nanos"]),
        duration_nanos: number(&json["duration_nanos"]),
        period_type: match &json["period_type"] {
            Value::Null => None,
            known => Some(kind(known)),
        },
        period: number(&json["period"]),
        comments: all(&json["comments"]).iter().map(text).collect(),
        drop_frames: text(&json["drop_frames"]),
        keep_frames: text(&json["keep_frames"]),
        doc_url: text(&json["doc_url"]),
    }
}

#[test]
fn json_has_all_of_a_profile() {
    let folder = folder();
    let mut profile = example::profile(STACKS, 0x7000_0000_0000);
    profile.comments = vec!["a \"quoted\"\nremark".into(), "π".into()];
    profile.drop_frames = "^malloc\\(".into();
    profile.mappings[0].has_functions = true;
    save(&folder.path().join("all.pb.gz"), &profile);
    fine(folder.path(), "convert all.pb.gz -o all.json");
    let json = fs::read_to_string(folder.path().join("all.json")).expect("the file");
    assert_eq!(
        from_json(&serde_json::from_str(&json).expect("JSON")),
        profile
    );
    assert_eq!(
        fine(folder.path(), "convert all.pb.gz --to json -o -"),
        json
    );
}

/// The stacks of a speedscope profile with their sums, in the form of folded stacks.
fn folded(file: &Value, profile: &Value) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    let samples = profile["samples"].as_array().expect("samples");
    let weights = profile["weights"].as_array().expect("weights");
    assert_eq!(samples.len(), weights.len());
    for (stack, weight) in samples.iter().zip(weights) {
        let names = stack.as_array().expect("a stack").iter().map(|frame| {
            let frame = usize::try_from(frame.as_u64().expect("an index")).expect("an index");
            let name = file["shared"]["frames"][frame]["name"].as_str();
            name.expect("a name").replace(';', ":")
        });
        let names: Vec<String> = names.collect();
        *sums.entry(names.join(";")).or_insert(0) += weight.as_i64().expect("a weight");
    }
    sums
}

fn check_speedscope(file: &Value, profile: &Profile) {
    let parts = file["profiles"].as_array().expect("profiles");
    assert_eq!(parts.len(), 4);
    assert_eq!(file["activeProfileIndex"], 3);
    for (index, part) in parts.iter().enumerate() {
        assert_eq!(part["name"], *profile.sample_types[index].kind);
        assert_eq!(part["unit"], if index % 2 == 0 { "none" } else { "bytes" });
        assert_eq!(
            part["endValue"],
            report::total(profile.sample_type_at(index).unwrap())
        );
        let expected = report::folded(profile.sample_type_at(index).expect("folded stacks"))
            .expect("folded stacks");
        let expected: BTreeMap<String, i64> = expected
            .iter()
            .map(|(stack, value)| (stack.to_owned(), value))
            .collect();
        assert_eq!(folded(file, part), expected);
    }
    let names = file["shared"]["frames"].to_string();
    assert!(names.contains("push"), "inlined calls are frames");
}

#[test]
fn speedscope_has_every_sample_type_and_inlined_calls() {
    let folder = folder();
    fine(folder.path(), "convert heap.pb.gz -o heap.speedscope.json");
    let written = fs::read(folder.path().join("heap.speedscope.json")).expect("the file");
    let written = serde_json::from_slice(&written).expect("JSON");
    check_speedscope(&written, &example::profile(STACKS, 0));

    let shrunk = STACKS.replace(" = 3 48 3 48", " = -3 -48 -3 -48");
    save(
        &folder.path().join("shrunk.pb.gz"),
        &example::profile(&shrunk, 0),
    );
    let output = run(
        folder.path(),
        "convert shrunk.pb.gz --to speedscope -o s.json",
    );
    let told = "negative alloc_objects are left out: speedscope has no room for them";
    assert!(text(&output.stderr).starts_with(&format!("heaptide: 1 {told}\n")));

    // A type's name is foreign text, and remarks go to a terminal.
    let mut foreign = example::profile(&shrunk, 0);
    foreign.sample_types[0].kind = "\x1b]0;title".into();
    save(&folder.path().join("shrunk.pb.gz"), &foreign);
    let output = run(
        folder.path(),
        "convert shrunk.pb.gz --to speedscope -o s.json",
    );
    let told = "heaptide: 1 negative \\u{1b}]0;title are left out: ";
    assert!(text(&output.stderr).starts_with(told), "{output:?}");
}

#[test]
fn formats_go_by_the_name_and_inputs_are_added_up() {
    let folder = folder();
    let path = folder.path();
    let profile = example::profile(STACKS, 0);
    fine(
        path,
        "convert heap.pb.gz -o a.folded --sample-index alloc_space",
    );
    let expected = report::folded(profile.sample_type_at(1).expect("folded stacks"))
        .expect("folded stacks")
        .to_string();
    let written = fs::read_to_string(path.join("a.folded")).expect("the file");
    assert_eq!(written, expected);
    // As a reader of such files does, which leaves out lines that it does not understand.
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
    fine(path, "convert heap.pb.gz heap.pb.gz -o twice.pb.gz");
    let twice = Profile::merge(&[&profile, &profile]).expect("a sum");
    assert_eq!(read(&path.join("twice.pb.gz")), twice);
    refused(
        path,
        "convert heap.pb.gz -o heap.svg",
        "heap.svg: in which format? Say --to pprof, folded, speedscope or json",
    );
    refused(
        path,
        "convert heap.pb.gz -o none/heap.json",
        "none/heap.json: No such file or directory (os error 2)",
    );
}

#[test]
#[ignore = "needs node, and tests/readers' packages in target/readers (Debian nodejs, npm)"]
fn other_readers_read_what_is_written() {
    let folder = folder();
    let profile = example::profile(STACKS, 0);
    fine(folder.path(), "convert heap.pb.gz -o heap.speedscope.json");
    // By the schema that speedscope comes with.
    check_speedscope(
        &read_by("speedscope", &folder.path().join("heap.speedscope.json")),
        &profile,
    );

    fine(folder.path(), "convert heap.pb.gz -o out.pb.gz");
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

/// The functions of a profile with total and self, as speedscope writes them, without the shares.
fn functions(profile: &Profile) -> BTreeMap<String, [String; 2]> {
    let top = report::Top::new(profile.sample_type_at(3).expect("four sample types"));
    let bytes = |value| units::Bytes(value).to_string().replace("iB", "B");
    let rows = top.rows.iter();
    rows.map(|row| (row.name.to_string(), [bytes(row.cum), bytes(row.flat)]))
        .collect()
}

/// The same, as speedscope's page shows them.
fn shown(file: &Path) -> BTreeMap<String, [String; 2]> {
    let shown = readers::run("show.mjs", browser::browser(), file);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["title"], "heap.pb.gz - speedscope");
    assert_eq!(shown["complaints"], serde_json::json!([]));
    let rows = shown["rows"].as_array().expect("rows").iter();
    rows.map(|row| {
        let text = |at: usize| row[at].as_str().expect("a text");
        let bytes = |at| text(at).split(" (").next().unwrap_or_default().to_owned();
        (text(2).to_owned(), [bytes(0), bytes(1)])
    })
    .collect()
}

#[test]
#[ignore = "needs a browser (Debian package chromium-headless-shell or chromium), node 20, and \
tests/readers' packages in target/readers (npm)"]
fn speedscope_shows_what_is_written() {
    let folder = folder();
    let stacks = STACKS.replace("main / 0x4a10", "main / app.so!leaf");
    let mut profile = example::profile(&stacks, 0);
    save(&folder.path().join("heap.pb.gz"), &profile);
    fine(folder.path(), "convert heap.pb.gz -o heap.speedscope.json");
    let converted = shown(&folder.path().join("heap.speedscope.json"));
    assert_eq!(converted, functions(&profile));
    assert!(converted.keys().any(|name| name.ends_with("push")));

    // It takes only the calls of a pprof file that are not inlined.
    let read = shown(&folder.path().join("heap.pb.gz"));
    for location in &mut profile.locations {
        location.lines = location.lines.pop().into_iter().collect();
    }
    assert_eq!(read, functions(&profile));
    assert_eq!(read["server::cache::put"], ["4.77 MB", "4.77 MB"]);
}

#[test]
fn a_merge_is_the_sum_and_says_what_does_not_fit() {
    let folder = folder();
    let path = folder.path();
    let profile = example::profile(STACKS, 0);
    let mut cpu = profile.clone();
    cpu.sample_types[3] = ValueType::new("cpu", "nanoseconds");
    save(&path.join("cpu.pb.gz"), &cpu);
    let mut fine_grained = profile.clone();
    fine_grained.period = 1;
    save(&path.join("fine.pb.gz"), &fine_grained);
    let mut unstated = profile.clone();
    unstated.period = 0;
    save(&path.join("unstated.pb.gz"), &unstated);
    fs::create_dir(path.join("pods")).expect("a new folder");
    let pods: Vec<Profile> = (0..3)
        .map(|pod| example::profile(STACKS, pod << 20))
        .collect();
    for (pod, profile) in pods.iter().enumerate() {
        save(&path.join(format!("pods/{pod}.pb.gz")), profile);
    }
    fine(path, "merge pods -o all.pb.gz");
    let all: Vec<&Profile> = pods.iter().collect();
    assert_eq!(
        read(&path.join("all.pb.gz")),
        Profile::merge(&all).expect("a sum")
    );

    let with_units = "alloc_objects/count, alloc_space/bytes, inuse_objects/count";
    let types = format!(
        "the profiles have different sample types: [{with_units}, inuse_space/bytes] and \
         [{with_units}, cpu/nanoseconds]"
    );
    refused(
        path,
        "merge pods heap.pb.gz cpu.pb.gz -o x.pb.gz",
        &format!("pods/0.pb.gz and cpu.pb.gz: {types}"),
    );
    refused(
        path,
        "merge heap.pb.gz unstated.pb.gz -o x.pb.gz",
        "heap.pb.gz and unstated.pb.gz: the profiles have different periods: 524288 and 0, so no \
         sample of the sum would say what it stands for",
    );
    assert!(!path.join("x.pb.gz").exists());
    // Each sample of a heap states the interval it was drawn at.
    fine(path, "merge fine.pb.gz heap.pb.gz -o x.pb.gz");
    let sum = read(&path.join("x.pb.gz"));
    let drawn = |sample| {
        sum.population(sample)
            .expect("a heap's sample")
            .interval_bytes
    };
    let drawn: Vec<i64> = sum.samples.iter().map(drawn).collect();
    assert_eq!(drawn, [1, 1, 1, 1, 524_288, 524_288, 524_288, 524_288]);
}

#[test]
fn snapshots_of_one_process_are_warned_of() {
    let folder = folder();
    let path = folder.path();
    let mut later = example::profile(STACKS, 0x5555_0000_0000);
    save(&path.join("1.pb.gz"), &later);
    later.time_nanos += 1;
    save(&path.join("2.pb.gz"), &later);
    let warned = |command_line: &str| {
        let output = run(path, command_line);
        assert_eq!(output.status.code(), Some(0));
        text(&output.stderr).to_owned()
    };
    let warning = "heaptide: 1 of the 3 profiles is a further snapshot of a process that is in it \
    already: \
                   what lived on is counted in each of them\n";
    assert_eq!(
        warned("merge 1.pb.gz 2.pb.gz heap.pb.gz -o all.pb.gz"),
        warning
    );

    // At a fixed address too, if they state their process.
    for (name, pid) in [("a", 7), ("b", 7), ("c", 8)] {
        let mut fixed = example::profile(STACKS, 0);
        fixed.comments = vec![format!("#heaptide process: pid={pid} start=1700000000.12").into()];
        save(&path.join(format!("{name}.pb.gz")), &fixed);
    }
    assert_eq!(
        warned("merge a.pb.gz b.pb.gz c.pb.gz -o all.pb.gz"),
        warning
    );
    assert_eq!(warned("merge a.pb.gz c.pb.gz -o all.pb.gz"), "");
}

#[test]
#[cfg(target_os = "linux")]
fn a_merge_of_ten_thousand_needs_no_more_memory_than_of_ten() {
    let folder = tempfile::tempdir().expect("a folder");
    let pods = folder.path().join("pods");
    fs::create_dir(&pods).expect("a new folder");
    // All at once they would take 150 MB.
    let stacks: String = (0..20)
        .map(|at| {
            format!(
                "main / run{} / of / depth / ten / or / so / handler{at} = 1 64 1 64 bytes=64\n",
                at % 7
            )
        })
        .collect();
    let profile = example::profile(&stacks, 0);
    let mut bytes = Vec::new();
    profile.write(&mut bytes).expect("a valid profile");
    for pod in 0..10_000 {
        fs::write(pods.join(format!("{pod}.pb.gz")), &bytes).expect("a new file");
    }
    // A limit of the address space, so of more than can ever be resident.
    let limited = format!(
        "ulimit -v {}; exec {} merge pods -o all.pb.gz",
        64 << 10,
        env!("CARGO_BIN_EXE_heaptide")
    );
    let output = Command::new("sh")
        .args(["-c", &limited])
        .current_dir(&folder)
        .output();
    let output = output.expect("sh starts");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let all = read(&folder.path().join("all.pb.gz"));
    assert_eq!(
        report::total(all.sample_type_at(0).unwrap()),
        10_000 * report::total(profile.sample_type_at(0).unwrap())
    );
}

#[test]
fn a_profile_is_described_with_what_it_lacks() {
    let folder = folder();
    let mut raw = example::profile("main / 0x4a10 / lib.so!0x10 = 3 48 3 48", 0);
    raw.functions.clear();
    raw.locations
        .iter_mut()
        .for_each(|location| location.lines.clear());
    raw.mappings[1].build_id = "".into();
    raw.comments = vec!["one".into(), "two\x1b[2J".into()];
    raw.duration_nanos = 30_000_000_000;
    raw.time_nanos = 0;
    save(&folder.path().join("raw.pb.gz"), &raw);
    let size = fs::metadata(folder.path().join("raw.pb.gz"))
        .expect("the file")
        .len();
    let told = fine(folder.path(), "info raw.pb.gz");
    assert_eq!(
        told,
        format!(
            "\
Profile:   raw.pb.gz, {size} B
Types:     alloc_objects: 3 count
           alloc_space: 48 B
           inuse_objects: 3 count
           inuse_space: 48 B, the default
Period:    one sample for 512.00 KiB of space, on average
Taken:     at no stated time
Duration:  30.00s: what was allocated, and what lived on, in that time
Samples:   1, of 1 stack, 3 addresses, 0 functions
Mappings:  /usr/bin/server, build id {}, raw, 2 addresses
           /usr/bin/lib.so, no build id, raw, 1 address
Comments:  one
           two\\u{{1b}}[2J

Missing:
- the names of what is in /usr/bin/server: `heaptide symbolize` gives them, from the program or \
its debug file
- a build id of /usr/bin/lib.so, by which its debug information is known: link with -C \
link-arg=-Wl,--build-id
- the names of what is in /usr/bin/lib.so: `heaptide symbolize` gives them, from the program or \
its debug file
- the time it was taken: `leaks` cannot put it in order
- the label `bytes` on samples: there are no error bars without it
",
            raw.mappings[0].build_id
        )
    );
    let mut whole = example::profile(STACKS, 0);
    let start = whole.time_nanos / 1_000_000_000 - 90;
    let process = format!("#heaptide process: pid=7 start={start}.00");
    whole.comments = vec![process.as_str().into(), "# another's".into()];
    save(&folder.path().join("whole.pb.gz"), &whole);
    let told = fine(folder.path(), "info whole.pb.gz");
    assert!(
        told.contains("Taken:     2023-11-14 22:13:20 UTC, "),
        "{told}"
    );
    let since = " ago\nProcess:   7, started 2023-11-14 22:11:50 UTC, 1m 30s before it was taken\n";
    assert!(told.contains(since), "{told}");
    assert!(told.contains("\nComments:  # another's\n"), "{told}");
    whole.comments.push(process.replace("=7", "=8").into());
    save(&folder.path().join("whole.pb.gz"), &whole);
    let told = fine(folder.path(), "info whole.pb.gz");
    assert!(
        told.contains("\nProcess:   2 of them, added up\n"),
        "{told}"
    );
}

#[test]
fn what_a_profile_does_not_state_is_described_too() {
    let folder = folder();
    let path = folder.path();
    let mut some = example::profile("main / run = 3 48 3 48 bytes=16", 0);
    let whole = described(path, &some);
    for line in [
        "Duration:  none stated: as of that time, since the start of the process",
        "Samples:   1, of 1 stack, 2 addresses, 2 functions",
    ] {
        assert!(whole.lines().any(|told| told == line), "{line}: {whole}");
    }
    assert!(whole.contains(", 2 of 2 addresses have names\n"), "{whole}");
    assert!(!whole.contains("Hidden") && !whole.contains("Docs"));
    let unused = |name: &str| Mapping {
        file: name.into(),
        ..some.mappings[0].clone()
    };
    let unused = [unused("/a.so"), unused("/b.so")];
    some.mappings.extend(unused);
    some.mappings[0].file = "".into();
    some.locations.truncate(1);
    some.samples[0].locations.remove(0);
    some.period = 1;
    some.time_nanos = i64::MAX;
    some.drop_frames = "malloc|free".into();
    some.doc_url = "http://localhost/heap".into();
    let told = described(path, &some);
    for line in [
        "Period:    1 byte of space: every allocation is in it",
        "Taken:     2262-04-11 23:47:16 UTC, in the future by this clock",
        "           and 2 without an address",
        "Hidden:    frames that match malloc|free",
        "Docs:      http://localhost/heap",
    ] {
        assert!(told.lines().any(|told| told == line), "{line}: {told}");
    }
    assert!(told.contains("\nMappings:  (no path), build id "), "{told}");
    assert!(told.contains(", 1 address, which has a name\n"), "{told}");
    some.period = 0;
    some.samples.clear();
    some.locations.clear();
    let none = described(path, &some);
    for part in ["Period:    none stated\n", ", no address in it\n"] {
        assert!(none.contains(part), "{none}");
    }
}

fn described(folder: &Path, profile: &Profile) -> String {
    save(&folder.join("some.pb.gz"), profile);
    fine(folder, "info some.pb.gz")
}

/// The lines of a block of `watch`, up to the empty one.
fn block(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Vec<String> {
    let lines = lines.map(|line| line.expect("a line"));
    let block: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    assert!(
        block[0].starts_with("== 20") && block[0].ends_with(" UTC"),
        "{block:?}"
    );
    block[1..].to_vec()
}

#[test]
fn watch_shows_growth_failures_and_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let write = |name: &str, kept: i64, later: i64| {
        let stacks = format!(
            "main / server::track = {kept} {} {kept} {} bytes=1024",
            kept << 10,
            kept << 10
        );
        let mut profile = example::profile(&stacks, 0);
        profile.time_nanos += later * 1_000_000_000;
        // The whole file at once, as the snapshotter does it.
        save(&path.join("new"), &profile);
        fs::rename(path.join("new"), path.join(name)).expect("it can be renamed");
    };
    write("1.pb.gz", 1024, 0);
    let mut watch = heaptide(path, "watch --every 100ms --count 200 .")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines();
    let base = [
        "2023-11-14 22:13:20 UTC, the base",
        "inuse_space: 1.00 MiB, 0 B ± 0 B since the base",
        "nothing has grown",
    ];
    assert_eq!(block(&mut lines), base);

    let mut until = |wanted: &str| {
        let found = (0..150)
            .map(|_| block(&mut lines))
            .find(|block| block.join("\n").contains(wanted));
        found.unwrap_or_else(|| panic!("never said: {wanted}"))
    };
    write("2.pb.gz", 3072, 60);
    let grown = until("1m 0s after");
    assert_eq!(grown[0], "2023-11-14 22:14:20 UTC, 1m 0s after the base");
    assert!(
        grown[1].starts_with("inuse_space: 3.00 MiB, +2.00 MiB ± "),
        "{grown:?}"
    );
    assert!(
        grown[3].starts_with("   +2.00 MiB ") && grown[3].ends_with("  server::track"),
        "{grown:?}"
    );

    fs::write(path.join("new"), "no profile").expect("a new file");
    fs::rename(path.join("new"), path.join("3.pb.gz")).expect("it can be renamed");
    let failed = until("not a pprof profile");
    assert!(
        failed[0].starts_with("./3.pb.gz: ") && failed[0].ends_with("; again in 200.00ms"),
        "{failed:?}"
    );

    write("4.pb.gz", 10, 90);
    let restarted = until("restarted");
    assert_eq!(
        restarted[0],
        "the process was restarted: this is the new base"
    );
    watch.kill().expect("it can be ended");
    watch.wait().expect("it has ended");
}

#[test]
fn watch_ends_with_its_count_and_its_reader() {
    let folder = folder();
    let body = fs::read(folder.path().join("heap.pb.gz")).expect("the file");
    let server = serve(vec![Canned {
        path: "/debug/pprof/heap",
        head: "200 OK",
        body,
    }]);
    let told = fine(
        folder.path(),
        &format!("watch --every 100ms --count 3 {}", server.url),
    );
    assert_eq!(told.matches("== ").count(), 3);
    assert_eq!(server.requests.try_iter().count(), 3);

    let mut watch = heaptide(
        folder.path(),
        &format!("watch --every 100ms {}", server.url),
    )
    .stdout(Stdio::piped())
    .spawn()
    .expect("the command starts");
    drop(watch.stdout.take());
    assert!(watch.wait().expect("it has ended").success());
    refused(
        folder.path(),
        "watch heap.pb.gz",
        "heap.pb.gz: neither an http:// URL nor a folder: there is nothing to look at again",
    );
}

#[test]
#[ignore = "needs script, which makes a terminal (Debian bsdutils)"]
fn watch_gives_the_terminal_back() {
    let folder = folder();
    let command = format!(
        "{} watch --every 100ms --count 2 .",
        env!("CARGO_BIN_EXE_heaptide")
    );
    let output = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("TERM", "xterm")
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .expect("script starts");
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}");
    let (screen, after) = told
        .rsplit_once("\x1b[?1049l")
        .expect("it leaves the other screen");
    assert!(screen.starts_with("\x1b[?1049h\x1b[?25l"), "{told:?}");
    assert!(screen.ends_with("\x1b[?25h"), "the cursor is back");
    assert!(screen.contains("Ctrl-C ends it"));
    assert!(
        after.contains("nothing has grown") && !after.contains("\x1b"),
        "{after:?}"
    );
}

/// A command in a terminal of its own. The terminal is closed after a while, so a command that is
/// stopped for ever ends too.
fn in_a_terminal(folder: &Path, command: &str) -> Child {
    Command::new("timeout")
        .args(["60", "script", "-qec", command, "/dev/null"])
        .env("TERM", "xterm")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("timeout starts")
}

/// The output on a terminal, up to and with the text that is waited for.
fn until(terminal: &mut impl Read, wanted: &str) -> String {
    let mut shown = Vec::new();
    while !shown.ends_with(wanted.as_bytes()) {
        let mut byte = [0];
        let count = terminal.read(&mut byte).expect("the terminal can be read");
        assert_eq!(count, 1, "never shown: {wanted:?}; but {}", text(&shown));
        shown.push(byte[0]);
    }
    text(&shown).to_owned()
}

#[test]
#[ignore = "needs script, which makes a terminal (Debian bsdutils)"]
fn watch_gives_the_terminal_back_while_it_is_stopped() {
    const ENTER: &str = "\x1b[?1049h\x1b[?25l";
    const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
    let folder = folder();
    // A shell with job control, as an interactive one has.
    let command = format!(
        "bash -c 'set -m; {} watch --every 1h .; echo STOPPED; bg; jobs; fg; echo ENDED'",
        env!("CARGO_BIN_EXE_heaptide")
    );
    let mut script = in_a_terminal(folder.path(), &command);
    let mut keys = script.stdin.take().expect("a pipe");
    let mut terminal = script.stdout.take().expect("a pipe");
    until(&mut terminal, "Ctrl-C ends it");
    keys.write_all(b"\x1a").expect("Ctrl-Z is pressed");
    let stopped = until(&mut terminal, "STOPPED");
    assert!(stopped.contains(LEAVE), "{stopped:?}");
    let drawn = until(&mut terminal, "Ctrl-C ends it");
    let (shell, drawn) = drawn.split_once(ENTER).expect("it takes it again");
    assert!(!shell.contains("\x1b"), "not in the background: {shell:?}");
    assert!(drawn.contains("nothing has grown"), "{drawn:?}");
    keys.write_all(b"\x03").expect("Ctrl-C is pressed");
    let ended = until(&mut terminal, "ENDED");
    assert!(ended.contains(LEAVE), "{ended:?}");
    assert!(script.wait().expect("it has ended").success());
}

#[test]
#[ignore = "needs script, which makes a terminal (Debian bsdutils)"]
fn without_a_shell_that_could_continue_it_watch_goes_on_at_ctrl_z() {
    let folder = folder();
    let command = format!(
        "exec {} watch --every 100ms --count 8 .",
        env!("CARGO_BIN_EXE_heaptide")
    );
    let mut script = in_a_terminal(folder.path(), &command);
    let mut keys = script.stdin.take().expect("a pipe");
    let mut terminal = script.stdout.take().expect("a pipe");
    until(&mut terminal, "Ctrl-C ends it");
    keys.write_all(b"\x1a").expect("Ctrl-Z is pressed");
    // It ends by its count.
    let mut rest = String::new();
    terminal.read_to_string(&mut rest).expect("text");
    assert!(!rest.contains("\x1b[?1049h"), "{rest:?}");
    assert_eq!(rest.matches("\x1b[?1049l").count(), 1, "{rest:?}");
    assert!(script.wait().expect("it has ended").success());
}

#[test]
fn completions_and_manual_name_every_command() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = fine(folder.path(), &format!("completions {shell}"));
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
        }
        if shell == "bash" {
            fs::write(folder.path().join("completions"), script).expect("a new file");
            let checked = Command::new("bash")
                .args(["-n", "completions"])
                .current_dir(&folder)
                .output();
            let checked = checked.expect("bash starts");
            assert!(
                checked.status.success() && checked.stderr.is_empty(),
                "{checked:?}"
            );
        }
    }
    let page = fine(folder.path(), "man");
    let help = fine(folder.path(), "--help");
    for command in COMMANDS {
        let title = format!(".SH \"{}\"\n", command.to_uppercase());
        assert!(page.contains(&title), "{title}");
        assert!(help.contains(&format!("  {command} ")), "{command}");
    }
}

#[test]
#[ignore = "needs groff (Debian groff-base)"]
fn the_manual_is_set_without_a_warning() {
    let folder = folder();
    fs::write(folder.path().join("heaptide.1"), fine(folder.path(), "man")).expect("a new file");
    let set = Command::new("groff")
        .args(["-man", "-ww", "-Tutf8", "heaptide.1"])
        .current_dir(&folder)
        .output()
        .expect("groff starts");
    assert!(set.status.success());
    assert_eq!(text(&set.stderr), "");
    let page = text(&set.stdout);
    assert!(page.contains("--ignore '^tokio::' \\\n"), "{page}");
    assert!(
        page.contains("heaptide symbolize raw.pb.gz --binary ./app -o heap.pb.gz"),
        "{page}"
    );
}

/// What one of the readers makes of a file.
fn read_by(kind: &str, file: &Path) -> Value {
    serde_json::from_str(&readers::read(kind, file)).expect("JSON")
}
