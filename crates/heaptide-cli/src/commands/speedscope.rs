//! A profile for speedscope: a profile for each sample type, with inlined calls as frames.
//!
//! It follows the published schema (<https://www.speedscope.app/file-format-schema.json>).
//! speedscope also reads pprof files, but only one sample type of them, and only the outermost line
//! of a location.

use std::collections::HashMap;

use heaptide_profile::{Frame, MappingId, Profile};

use crate::failure::Failure;
use heaptide_profile::internal::json::{array, object, string};

const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

/// The text of the file, and remarks on what it leaves out.
pub(crate) fn write(name: &str, profile: &Profile) -> Result<(String, Vec<String>), Failure> {
    let mut frames = FrameTable::default();
    let stacks: Vec<Vec<usize>> = profile
        .samples
        .iter()
        .map(|sample| {
            let mut stack: Vec<usize> = profile
                .frames(sample)
                .map(|frame| frames.index(profile, &frame))
                .collect();
            stack.reverse();
            stack
        })
        .collect();
    let mut parts = Vec::new();
    let mut remarks = Vec::new();
    for (index, kind) in profile.sample_types.iter().enumerate() {
        let mut samples = Vec::new();
        let mut weights = Vec::new();
        let mut negative = 0_usize;
        for (sample, stack) in profile.samples.iter().zip(&stacks) {
            match sample.values.get(index) {
                Some(&value) if value > 0 => {
                    samples.push(stack);
                    weights.push(value);
                }
                Some(&value) if value < 0 => negative += 1,
                _ => {}
            }
        }
        if negative > 0 {
            remarks.push(format!(
                "{negative} negative {} are left out: speedscope has no room for them",
                kind.kind
            ));
        }
        let total = weights
            .iter()
            .try_fold(0_i64, |sum, &weight| sum.checked_add(weight));
        let total = total.ok_or_else(|| {
            Failure::of(
                name,
                format!("all {} are more than 64 bits hold", kind.kind),
            )
        })?;
        let samples = samples.into_iter().map(|stack: &Vec<usize>| numbers(stack));
        parts.push(object([
            ("type", string("sampled")),
            ("name", string(&kind.kind)),
            ("unit", string(unit(&kind.unit))),
            ("startValue", "0".into()),
            ("endValue", total.to_string()),
            ("samples", array(samples)),
            ("weights", numbers(&weights)),
        ]));
    }
    let active = profile.sample_type("").map_or(0, |of| of.index());
    let file = object([
        ("$schema", string(SCHEMA)),
        (
            "exporter",
            string(concat!("heaptide ", env!("CARGO_PKG_VERSION"))),
        ),
        ("name", string(name)),
        ("activeProfileIndex", active.to_string()),
        ("shared", object([("frames", array(frames.entries))])),
        ("profiles", array(parts)),
    ]);
    Ok((format!("{file}\n"), remarks))
}

fn numbers<T: ToString>(numbers: &[T]) -> String {
    array(numbers.iter().map(T::to_string))
}

/// The units that the schema has.
fn unit(unit: &str) -> &str {
    match unit {
        "bytes" | "nanoseconds" | "microseconds" | "milliseconds" | "seconds" => unit,
        _ => "none",
    }
}

/// The functions, each once.
#[derive(Default)]
struct FrameTable {
    /// As JSON.
    entries: Vec<String>,
    known: HashMap<(String, String), usize>,
}

impl FrameTable {
    fn index(&mut self, profile: &Profile, frame: &Frame<'_>) -> usize {
        let (name, file) = identity(profile, frame);
        let next = self.entries.len();
        *self
            .known
            .entry((name, file))
            .or_insert_with_key(|(name, file)| {
                let name = ("name", string(name));
                self.entries.push(match file.is_empty() {
                    true => object([name]),
                    false => object([name, ("file", string(file))]),
                });
                next
            })
    }
}

/// The function and its file. Without a name, its address and the program or library.
fn identity(profile: &Profile, frame: &Frame<'_>) -> (String, String) {
    if let Some(function) = frame.function {
        let names = [&function.name, &function.system_name];
        if let Some(name) = names.into_iter().find(|name| !name.is_empty()) {
            return (name.to_string(), function.file.to_string());
        }
    }
    let mapping = frame.location.mapping.map(MappingId::index);
    let mapping = mapping.and_then(|at| profile.mappings.get(at));
    let file = mapping.map(|mapping| mapping.file.to_string());
    (
        format!("{:#x}", frame.location.address),
        file.unwrap_or_default(),
    )
}
