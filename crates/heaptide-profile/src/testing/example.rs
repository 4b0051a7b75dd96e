//! Profiles for tests, written as text: one call stack a line, root first.
//!
//! ```text
//! main / run / libz.so!deflate = 1 64 1 64 bytes=64
//! main / outer // inlined = 2 128 0 0
//! main / 0x40 = 1 16 1 16
//! ```
//!
//! ` / ` is a call, ` // ` an inlined call, `name.so!` puts a frame into another mapping, and `0x`
//! is an address without a name. Values are for Go's four sample types. The same text always gives
//! the same profile, moved by `shift` as address space randomization would.

use crate::{
    Function, FunctionId, Label, LabelValue, Line, Location, LocationId, Mapping, MappingId,
    Profile, Sample, ValueType,
};

/// Size of the mappings.
const SIZE: u64 = 0x10_0000;

/// The profile of `text`, with every mapping moved by `shift` bytes.
///
/// # Panics
///
/// If the text does not have the form that the module describes.
#[must_use]
pub fn profile(text: &str, shift: u64) -> Profile {
    let mut made = Profile {
        sample_types: vec![
            ValueType::new("alloc_objects", "count"),
            ValueType::new("alloc_space", "bytes"),
            ValueType::new("inuse_objects", "count"),
            ValueType::new("inuse_space", "bytes"),
        ],
        default_sample_type: "inuse_space".into(),
        period_type: Some(ValueType::new("space", "bytes")),
        period: 512 * 1024,
        time_nanos: 1_700_000_000_000_000_000,
        ..Profile::default()
    };
    mapping(&mut made, "server", shift);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (stack, rest) = line.rsplit_once(" = ").expect("a stack, ` = `, values");
        let locations = stack
            .trim()
            .split(" / ")
            .map(|call| location(&mut made, call, shift));
        let mut locations: Vec<LocationId> = locations.collect();
        locations.reverse();
        let (labels, values): (Vec<&str>, Vec<&str>) =
            rest.split_whitespace().partition(|word| word.contains('='));
        made.samples.push(Sample {
            locations,
            values: values.iter().map(|v| v.parse().expect("a value")).collect(),
            labels: labels.iter().map(|word| label(word)).collect(),
        });
    }
    made
}

fn label(word: &str) -> Label {
    let (key, value) = word.split_once('=').expect("a key, `=`, a value");
    let value = match value.parse() {
        Ok(value) => LabelValue::Number {
            value,
            unit: "".into(),
        },
        Err(_) => LabelValue::Text(value.into()),
    };
    Label {
        key: key.into(),
        value,
    }
}

fn mapping(made: &mut Profile, file: &str, shift: u64) -> MappingId {
    let path = format!("/usr/bin/{file}");
    let found = made.mappings.iter().position(|m| *m.file == path);
    let index = found.unwrap_or(made.mappings.len());
    if found.is_none() {
        let start = 0x5000_0000 + shift + 2 * SIZE * index as u64;
        made.mappings.push(Mapping {
            start,
            limit: start + SIZE,
            file: path.as_str().into(),
            build_id: format!("{:08x}", hash(file)).as_str().into(),
            has_functions: true,
            has_filenames: true,
            has_line_numbers: true,
            has_inline_frames: true,
            ..Mapping::default()
        });
    }
    MappingId::new(index).expect("few mappings")
}

fn location(made: &mut Profile, call: &str, shift: u64) -> LocationId {
    let (file, names) = match call.split_once(".so!") {
        Some((library, names)) => (format!("{library}.so"), names),
        None => ("server".to_owned(), call),
    };
    let mapping = mapping(made, &file, shift);
    let (offset, lines) = match names.strip_prefix("0x") {
        Some(hex) => (u64::from_str_radix(hex, 16).expect("hexadecimal"), vec![]),
        None => {
            let lines = names.split(" // ").map(|name| line(made, name));
            let mut lines: Vec<Line> = lines.collect();
            lines.reverse();
            (hash(names) % SIZE, lines)
        }
    };
    let place = Location {
        mapping: Some(mapping),
        address: made.mappings[mapping.index()].start + offset,
        lines,
        is_folded: false,
    };
    let found = made.locations.iter().position(|known| *known == place);
    LocationId::new(found.unwrap_or_else(|| {
        made.locations.push(place);
        made.locations.len() - 1
    }))
    .expect("few locations")
}

fn line(made: &mut Profile, name: &str) -> Line {
    let found = made.functions.iter().position(|known| *known.name == *name);
    let index = found.unwrap_or(made.functions.len());
    if found.is_none() {
        made.functions.push(Function {
            name: name.into(),
            system_name: format!("_R{:016x}", hash(name)).as_str().into(),
            file: format!("/src/{:x}.rs", hash(name) % 16).as_str().into(),
            start_line: 1,
        });
    }
    Line {
        function: FunctionId::new(index).expect("few functions"),
        line: i64::try_from(hash(name) % 900).expect("below 900") + 1,
        column: 0,
    }
}

/// FNV-1a, so that a frame is at the same address in every profile.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
