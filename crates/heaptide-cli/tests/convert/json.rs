//! `heaptide convert --to json`: the whole profile, read back from its JSON.

use std::fs;

use heaptide_profile::testing::example;
use heaptide_profile::*;
use serde_json::Value;

use crate::{STACKS, folder, run_ok, save};

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
fn json_holds_the_whole_profile() {
    let folder = folder();
    let mut profile = example::profile(STACKS, 0x7000_0000_0000);
    profile.comments = vec!["a \"quoted\"\nremark".into(), "π".into()];
    profile.drop_frames = "^malloc\\(".into();
    profile.mappings[0].has_functions = true;
    save(&folder.path().join("all.pb.gz"), &profile);
    run_ok(folder.path(), "convert all.pb.gz -o all.json");
    let json = fs::read_to_string(folder.path().join("all.json")).expect("the file");
    assert_eq!(
        from_json(&serde_json::from_str(&json).expect("JSON")),
        profile
    );
    assert_eq!(
        run_ok(folder.path(), "convert all.pb.gz --to json -o -"),
        json
    );
}
