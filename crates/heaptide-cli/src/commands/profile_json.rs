//! A whole profile as JSON, for programs. docs/cli.md has the fields.
//!
//! Each entry of a table is a line, in a fixed order, so that two files can be compared by lines.
//! Addresses are texts, because JavaScript's numbers have 53 bits.

use heaptide_profile::{
    Function, Label, LabelValue, Line, Location, Mapping, Profile, Sample, ValueType,
};

use heaptide_profile::internal::json::{array, object, string};

pub(crate) fn write(profile: &Profile) -> String {
    let period_type = profile.period_type.as_ref();
    let fields = [
        ("sample_types", table(&profile.sample_types, kind)),
        ("default_sample_type", string(&profile.default_sample_type)),
        ("time_nanos", profile.time_nanos.to_string()),
        ("duration_nanos", profile.duration_nanos.to_string()),
        ("period_type", period_type.map_or("null".into(), kind)),
        ("period", profile.period.to_string()),
        ("comments", table(&profile.comments, |text| string(text))),
        ("drop_frames", string(&profile.drop_frames)),
        ("keep_frames", string(&profile.keep_frames)),
        ("doc_url", string(&profile.doc_url)),
        ("mappings", table(&profile.mappings, mapping)),
        ("functions", table(&profile.functions, function)),
        ("locations", table(&profile.locations, location)),
        ("samples", table(&profile.samples, sample)),
    ];
    let fields = fields.map(|(name, value)| format!("\"{name}\":{value}"));
    format!("{{\n{}\n}}\n", fields.join(",\n"))
}

fn table<T>(entries: &[T], entry: impl Fn(&T) -> String) -> String {
    let lines: Vec<String> = entries.iter().map(entry).collect();
    match lines.is_empty() {
        true => "[]".into(),
        false => format!("[\n{}\n]", lines.join(",\n")),
    }
}

fn kind(kind: &ValueType) -> String {
    object([("type", string(&kind.kind)), ("unit", string(&kind.unit))])
}

fn hex(address: u64) -> String {
    string(&format!("{address:#x}"))
}

fn mapping(mapping: &Mapping) -> String {
    object([
        ("start", hex(mapping.start)),
        ("limit", hex(mapping.limit)),
        ("file_offset", hex(mapping.file_offset)),
        ("file", string(&mapping.file)),
        ("build_id", string(&mapping.build_id)),
        ("has_functions", mapping.has_functions.to_string()),
        ("has_filenames", mapping.has_filenames.to_string()),
        ("has_line_numbers", mapping.has_line_numbers.to_string()),
        ("has_inline_frames", mapping.has_inline_frames.to_string()),
    ])
}

fn function(function: &Function) -> String {
    object([
        ("name", string(&function.name)),
        ("system_name", string(&function.system_name)),
        ("file", string(&function.file)),
        ("start_line", function.start_line.to_string()),
    ])
}

fn location(location: &Location) -> String {
    let mapping = location.mapping.map(|id| id.index().to_string());
    object([
        ("address", hex(location.address)),
        ("mapping", mapping.unwrap_or_else(|| "null".into())),
        ("is_folded", location.is_folded.to_string()),
        ("lines", array(location.lines.iter().map(line))),
    ])
}

fn line(line: &Line) -> String {
    object([
        ("function", line.function.index().to_string()),
        ("line", line.line.to_string()),
        ("column", line.column.to_string()),
    ])
}

fn sample(sample: &Sample) -> String {
    let locations = sample.locations.iter().map(|id| id.index().to_string());
    object([
        ("locations", array(locations)),
        ("values", array(sample.values.iter().map(i64::to_string))),
        ("labels", array(sample.labels.iter().map(label))),
    ])
}

fn label(label: &Label) -> String {
    let key = ("key", string(&label.key));
    match &label.value {
        LabelValue::Text(text) => object([key, ("text", string(text))]),
        LabelValue::Number { value, unit } => {
            object([key, ("number", value.to_string()), ("unit", string(unit))])
        }
    }
}
