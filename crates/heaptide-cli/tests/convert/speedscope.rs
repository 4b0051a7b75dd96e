//! `heaptide convert` for speedscope: the file, and what speedscope shows of it.

use std::{collections::BTreeMap, fs, path::Path};

use heaptide_profile::testing::{browser, example, readers};
use heaptide_profile::{Profile, internal::units, report};
use serde_json::Value;

use crate::{STACKS, folder, run, run_ok, save, text};

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

pub(crate) fn check_speedscope(file: &Value, profile: &Profile) {
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
    run_ok(folder.path(), "convert heap.pb.gz -o heap.speedscope.json");
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
fn speedscope_shows_the_values_of_the_profile() {
    let folder = folder();
    let stacks = STACKS.replace("main / 0x4a10", "main / app.so!leaf");
    let mut profile = example::profile(&stacks, 0);
    save(&folder.path().join("heap.pb.gz"), &profile);
    run_ok(folder.path(), "convert heap.pb.gz -o heap.speedscope.json");
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
