//! From the bytes of `profile.proto` to a [`Profile`], one entry at a time.
//!
//! A first walk counts the entries, so that every table is allocated once with exactly the room it
//! needs. Then prost decodes each entry alone. This bounds memory to a small multiple of the input.
//! Entries of one table may lie anywhere in the file, so each table has a walk of its own, which
//! skips the others. Nothing in a damaged file is guessed.

use std::fmt;
use std::sync::Arc;

use prost::Message;

use super::counts::{Counts, Table, messages, values, wrong_kind};
use super::proto::{self, tag};
use super::samples::read_samples;
use super::tables::{Ids, Strings, with_room};
use super::wire::{WireValue, count_messages};
use crate::{Error, Result};
use crate::{
    Function, FunctionId, Line, Location, LocationId, Mapping, MappingId, Profile, ValueType,
};

/// Reads a profile that is not compressed.
pub(super) fn decode(bytes: &[u8]) -> Result<Profile> {
    let (counts, head) = Counts::of(bytes)?;
    let part = |table: Table| (table.part_of(bytes), table.count);
    let strings = read_strings(part(counts.strings))?;
    let head = head?;
    let text = |index, field| strings.get(index, field, format_args!("the profile"));
    let period_type = head.period_type.map(|message| {
        let place = format_args!("the period type");
        value_type(&strings, message, place)
    });
    let (mappings, mapping_ids) = read_mappings(part(counts.mappings), &strings)?;
    let (functions, function_ids) = read_functions(part(counts.functions), &strings)?;
    let (locations, location_ids) =
        read_locations(part(counts.locations), &mapping_ids, &function_ids)?;
    drop((mapping_ids, function_ids));
    let profile = Profile {
        sample_types: read_sample_types(part(counts.sample_types), &strings)?,
        default_sample_type: text(head.default_sample_type, "default sample type")?,
        samples: read_samples(
            part(counts.samples),
            counts.sample_types.count,
            &strings,
            &location_ids,
        )?,
        mappings,
        locations,
        functions,
        time_nanos: head.time_nanos,
        duration_nanos: head.duration_nanos,
        period_type: period_type.transpose()?,
        period: head.period,
        comments: read_comments(part(counts.comments), &strings)?,
        drop_frames: text(head.drop_frames, "frames to drop")?,
        keep_frames: text(head.keep_frames, "frames to keep")?,
        doc_url: text(head.doc_url, "documentation URL")?,
    };
    profile.check()?;
    Ok(profile)
}

/// The bytes that hold all entries of a table, and the number of the entries.
pub(super) type TablePart<'a> = (&'a [u8], usize);

fn read_strings((bytes, count): TablePart<'_>) -> Result<Strings> {
    let mut strings = Strings::with_room(count)?;
    for (_, text) in messages(bytes, tag::STRING_TABLE) {
        strings.push(text?);
    }
    strings.check()?;
    Ok(strings)
}

fn read_sample_types((bytes, count): TablePart<'_>, strings: &Strings) -> Result<Vec<ValueType>> {
    let mut table = with_room(count, "sample type")?;
    for (at, message) in messages(bytes, tag::SAMPLE_TYPE) {
        let message = entry(at, "sample type", message?)?;
        let place = format_args!("sample type {at}");
        table.push(value_type(strings, message, place)?);
    }
    Ok(table)
}

fn read_comments((bytes, count): TablePart<'_>, strings: &Strings) -> Result<Vec<Arc<str>>> {
    let mut table = with_room(count, "comment")?;
    for (_, value) in values(bytes, tag::COMMENT) {
        let mut add = |index: u64| {
            let place = format_args!("comment {}", table.len());
            let text = strings.get(index.cast_signed(), "text", place)?;
            table.push(text);
            Ok(())
        };
        match value? {
            WireValue::Other => return Err(wrong_kind(tag::COMMENT)),
            indices => {
                for index in indices.numbers() {
                    add(index.map_err(|error| damaged("a comment", error))?)?;
                }
            }
        }
    }
    Ok(table)
}

fn read_mappings(
    (bytes, count): TablePart<'_>,
    strings: &Strings,
) -> Result<(Vec<Mapping>, Ids<MappingId>)> {
    let mut table = with_room(count, "mapping")?;
    let mut ids = Ids::with_room(count, "mapping", MappingId::new)?;
    for (at, message) in messages(bytes, tag::MAPPING) {
        let message: proto::MappingMessage = entry(at, "mapping", message?)?;
        ids.push(message.id)?;
        let text = |index, field| strings.get(index, field, format_args!("mapping {at}"));
        table.push(Mapping {
            start: message.start,
            limit: message.limit,
            file_offset: message.file_offset,
            file: text(message.file, "file")?,
            build_id: text(message.build_id, "build id")?,
            has_functions: message.has_functions,
            has_filenames: message.has_filenames,
            has_line_numbers: message.has_line_numbers,
            has_inline_frames: message.has_inline_frames,
        });
    }
    Ok((table, ids.sort()?))
}

fn read_functions(
    (bytes, count): TablePart<'_>,
    strings: &Strings,
) -> Result<(Vec<Function>, Ids<FunctionId>)> {
    let mut table = with_room(count, "function")?;
    let mut ids = Ids::with_room(count, "function", FunctionId::new)?;
    for (at, message) in messages(bytes, tag::FUNCTION) {
        let message: proto::FunctionMessage = entry(at, "function", message?)?;
        ids.push(message.id)?;
        let text = |index, field| strings.get(index, field, format_args!("function {at}"));
        table.push(Function {
            name: text(message.name, "name")?,
            system_name: text(message.system_name, "system name")?,
            file: text(message.file, "file")?,
            start_line: message.start_line,
        });
    }
    Ok((table, ids.sort()?))
}

fn read_locations(
    (bytes, count): TablePart<'_>,
    mappings: &Ids<MappingId>,
    functions: &Ids<FunctionId>,
) -> Result<(Vec<Location>, Ids<LocationId>)> {
    let mut table = with_room(count, "location")?;
    let mut ids = Ids::with_room(count, "location", LocationId::new)?;
    let mut message = proto::LocationMessage::default();
    for (at, encoded) in messages(bytes, tag::LOCATION) {
        let encoded = encoded?;
        message.clear();
        message.lines.reserve_exact(count_messages(encoded, 4));
        let merged = message.merge(encoded);
        merged.map_err(|error| damaged(&format!("location {at}"), error))?;
        ids.push(message.id)?;
        let mapping = match message.mapping_id {
            0 => None,
            id => Some(mappings.find(id, format_args!("location {at}"))?),
        };
        // Checked before room is allocated: a line without a function may be as short as 2 bytes.
        if let Some(nth) = message.lines.iter().position(|line| line.function_id == 0) {
            return Err(Error::malformed(format!(
                "line {nth} of location {at} has no function"
            )));
        }
        let mut lines = with_room(message.lines.len(), "line")?;
        for (nth, line) in message.lines.iter().enumerate() {
            let place = format_args!("line {nth} of location {at}");
            lines.push(Line {
                function: functions.find(line.function_id, place)?,
                line: line.line,
                column: line.column,
            });
        }
        table.push(Location {
            mapping,
            address: message.address,
            lines,
            is_folded: message.is_folded,
        });
    }
    Ok((table, ids.sort()?))
}

fn value_type(
    strings: &Strings,
    message: proto::ValueTypeMessage,
    place: fmt::Arguments<'_>,
) -> Result<ValueType> {
    Ok(ValueType {
        kind: strings.get(message.kind, "type", place)?,
        unit: strings.get(message.unit, "unit", place)?,
    })
}

fn entry<M: Message + Default>(at: usize, name: &str, bytes: &[u8]) -> Result<M> {
    M::decode(bytes).map_err(|error| damaged(&format!("{name} {at}"), error))
}

pub(super) fn damaged(place: &str, error: prost::DecodeError) -> Error {
    Error::malformed(format!("{place} is damaged")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(field: u32, value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        prost::encoding::uint64::encode(field, &value, &mut bytes);
        bytes
    }

    fn message(field: u32, parts: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        prost::encoding::bytes::encode(field, &parts.concat(), &mut bytes);
        bytes
    }

    /// A string table with `""` and `"a"`, one sample type, and `rest`.
    fn file(rest: &[Vec<u8>]) -> Vec<u8> {
        let table = [message(6, &[]), message(6, &[b"a".to_vec()])].concat();
        [table, message(1, &[]), rest.concat()].concat()
    }

    fn refusal(rest: &[Vec<u8>]) -> String {
        refusal_of(&file(rest))
    }

    fn refusal_of(bytes: &[u8]) -> String {
        let error = decode(bytes).unwrap_err();
        assert!(error.is_malformed());
        error.to_string()
    }

    #[test]
    fn a_missing_string_is_named_with_its_field() {
        let place = |rest: &[Vec<u8>], of: &str, index: i64| {
            let expected =
                format!("the {of} is string {index}, but the string table has 2 entries");
            assert_eq!(refusal(rest), expected);
        };
        place(&[message(1, &[number(2, 2)])], "unit of sample type 1", 2);
        place(
            &[message(11, &[number(1, 9)])],
            "type of the period type",
            9,
        );
        place(
            &[number(14, u64::MAX)],
            "default sample type of the profile",
            -1,
        );
        place(&[number(15, 5)], "documentation URL of the profile", 5);
        place(&[number(13, 1), number(13, 3)], "text of comment 1", 3);
        place(&[message(13, &[vec![1, 1, 7]])], "text of comment 2", 7);
        let id = number(1, 8);
        place(
            &[message(3, &[id.clone(), number(6, 4)])],
            "build id of mapping 0",
            4,
        );
        place(
            &[message(5, &[id, number(3, 4)])],
            "system name of function 0",
            4,
        );
        let label = message(3, &[number(1, 1), number(2, 6)]);
        let sample = message(2, &[number(2, 0), label]);
        place(&[sample], "text of label 0 of sample 0", 6);
    }

    #[test]
    fn a_reference_to_a_missing_entry_is_named() {
        let location = |parts: &[Vec<u8>]| message(4, &[number(1, 3), parts.concat()]);
        assert_eq!(
            refusal(&[location(&[number(2, 4)])]),
            "location 0 refers to mapping id 4, which the file does not have"
        );
        assert_eq!(
            refusal(&[location(&[message(4, &[number(1, 6)])])]),
            "line 0 of location 0 refers to function id 6, which the file does not have"
        );
        assert_eq!(
            refusal(&[location(&[message(4, &[number(2, 6)])])]),
            "line 0 of location 0 has no function"
        );
        let stack = message(1, &[vec![3, 0]]);
        assert_eq!(
            refusal(&[location(&[]), message(2, &[number(2, 5), stack])]),
            "frame 1 of sample 0 refers to location id 0, which the file does not have"
        );
    }

    #[test]
    fn ids_are_required_and_unique() {
        let address = number(3, 1);
        assert_eq!(
            refusal(&[message(4, &[address])]),
            "location 0 has the id 0"
        );
        let function = message(5, &[number(1, 2)]);
        assert_eq!(
            refusal(&[function.clone(), function]),
            "the function id 2 is given to two entries"
        );
        assert_eq!(
            refusal(&[message(3, &[])]),
            "mapping 0 is 0 bytes long, too short for an id"
        );
    }

    #[test]
    fn samples_need_their_values_and_labels_a_key() {
        let value = number(2, 1);
        assert_eq!(
            refusal(&[
                message(2, std::slice::from_ref(&value)),
                message(2, &[value.repeat(3)])
            ]),
            "sample 1 has 3 values, but the profile has 1 sample type"
        );
        let label = message(3, &[number(3, 1)]);
        assert_eq!(
            refusal(&[message(2, &[value.clone(), label])]),
            "label 0 of sample 0 has no key"
        );
        let bytes = [message(6, &[]), message(2, &[value])].concat();
        assert_eq!(
            refusal_of(&bytes),
            "the profile has samples, but no sample types"
        );
    }

    #[test]
    fn bytes_of_other_formats_are_refused() {
        assert_eq!(
            refusal_of(&number(12, 1)),
            "not a pprof profile: it has no string table"
        );
        assert_eq!(
            refusal_of(&message(6, &[b"a".to_vec()])),
            "not a pprof profile: the first string of its string table is not empty"
        );
        assert_eq!(
            refusal_of(&number(2, 1)),
            "not a pprof profile: field 2 is not what profile.proto says it is"
        );
        let cut = [message(6, &[]), vec![0x12, 9, 0]].concat();
        assert!(refusal_of(&cut).contains("what is at byte 2 is not a field of one"));
    }

    #[test]
    fn damage_inside_an_entry_names_the_entry() {
        let refused = refusal(&[message(2, &[number(2, 1)]), message(2, &[vec![0x12, 5, 1]])]);
        assert!(refused.starts_with("sample 1 is damaged: "), "{refused}");
        let refused = refusal(&[message(4, &[vec![0x0d, 1, 1, 1, 1]])]);
        assert!(refused.starts_with("location 0 is damaged: "), "{refused}");
    }
}
