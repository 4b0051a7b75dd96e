//! A profile as JSON, for programs: all of it, as the library models it. docs/cli.md has the fields.
//!
//! One entry of a table to a line, in a fixed order, so that two files can be compared by lines.
//! Addresses are texts, since JavaScript's numbers have 53 bits.

use heaptide::{
    Profile,
    profile::{Function, Label, LabelValue, Location, Mapping, Sample, ValueType},
};
use serde_json::{Value, json};

pub(crate) fn write(profile: &Profile) -> String {
    let fields = [
        ("sample_types", table(&profile.sample_types, kind)),
        (
            "default_sample_type",
            json!(&*profile.default_sample_type).to_string(),
        ),
        ("time_nanos", profile.time_nanos.to_string()),
        ("duration_nanos", profile.duration_nanos.to_string()),
        (
            "period_type",
            profile
                .period_type
                .as_ref()
                .map_or(Value::Null, kind)
                .to_string(),
        ),
        ("period", profile.period.to_string()),
        (
            "comments",
            table(&profile.comments, |comment| json!(&**comment)),
        ),
        ("drop_frames", json!(&*profile.drop_frames).to_string()),
        ("keep_frames", json!(&*profile.keep_frames).to_string()),
        ("doc_url", json!(&*profile.doc_url).to_string()),
        ("mappings", table(&profile.mappings, mapping)),
        ("functions", table(&profile.functions, function)),
        ("locations", table(&profile.locations, location)),
        ("samples", table(&profile.samples, sample)),
    ];
    let fields = fields.map(|(name, value)| format!("\"{name}\":{value}"));
    format!("{{\n{}\n}}\n", fields.join(",\n"))
}

fn table<T>(entries: &[T], entry: impl Fn(&T) -> Value) -> String {
    let lines: Vec<String> = entries.iter().map(|e| entry(e).to_string()).collect();
    match lines.is_empty() {
        true => "[]".into(),
        false => format!("[\n{}\n]", lines.join(",\n")),
    }
}

fn kind(kind: &ValueType) -> Value {
    json!({"type": &*kind.kind, "unit": &*kind.unit})
}

fn hex(address: u64) -> String {
    format!("{address:#x}")
}

fn mapping(mapping: &Mapping) -> Value {
    json!({
        "start": hex(mapping.start),
        "limit": hex(mapping.limit),
        "file_offset": hex(mapping.file_offset),
        "file": &*mapping.file,
        "build_id": &*mapping.build_id,
        "has_functions": mapping.has_functions,
        "has_filenames": mapping.has_filenames,
        "has_line_numbers": mapping.has_line_numbers,
        "has_inline_frames": mapping.has_inline_frames,
    })
}

fn function(function: &Function) -> Value {
    json!({
        "name": &*function.name,
        "system_name": &*function.system_name,
        "file": &*function.file,
        "start_line": function.start_line,
    })
}

fn location(location: &Location) -> Value {
    let lines = location.lines.iter().map(
        |line| json!({"function": line.function.index(), "line": line.line, "column": line.column}),
    );
    json!({
        "mapping": location.mapping.map(|id| id.index()),
        "address": hex(location.address),
        "is_folded": location.is_folded,
        "lines": lines.collect::<Vec<_>>(),
    })
}

fn sample(sample: &Sample) -> Value {
    json!({
        "locations": sample.locations.iter().map(|id| id.index()).collect::<Vec<_>>(),
        "values": sample.values,
        "labels": sample.labels.iter().map(label).collect::<Vec<_>>(),
    })
}

fn label(label: &Label) -> Value {
    match &label.value {
        LabelValue::Text(text) => json!({"key": &*label.key, "text": &**text}),
        LabelValue::Number { value, unit } => {
            json!({"key": &*label.key, "number": value, "unit": &**unit})
        }
    }
}
