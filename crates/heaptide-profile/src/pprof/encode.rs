//! From a [`Profile`] to the bytes of `profile.proto`, one entry at a time.
//!
//! It streams instead of building one message first. A second copy of a large profile would be made
//! just when the program is short of memory. Ids are positions plus 1, and strings are numbered in
//! the order of their first use. So equal profiles give equal bytes. `gzip` compresses them.

use std::collections::HashMap;
use std::io::{self, Write};

use prost::Message;

use super::proto::{self, tag};
use crate::{Error, Result};
use crate::{Function, Label, LabelValue, Line, Location, Mapping, Profile, Sample, ValueType};

/// Encoded entries are passed to the writer in pieces of at least this many bytes.
const PIECE: usize = 32 << 10;

/// Writes an already checked `profile`.
///
/// Order of the fields: those that occur once, sample types, comments, samples, mappings,
/// locations, functions, strings. Strings come last, as in Go's profiles, because they are
/// collected on the way.
pub(super) fn encode(profile: &Profile, writer: &mut impl Write) -> Result<()> {
    Encoder::new(writer)
        .profile(profile)
        .map_err(|source| Error::io("write the profile", source))
}

struct Encoder<'p, W> {
    strings: StringNumbers<'p>,
    writer: W,
    /// Entries not written yet. Compressing many short pieces costs more than this copy.
    pending: Vec<u8>,
}

impl<'p, W: Write> Encoder<'p, W> {
    fn new(writer: W) -> Self {
        Self {
            strings: StringNumbers::new(),
            writer,
            pending: Vec::new(),
        }
    }

    fn profile(&mut self, profile: &'p Profile) -> io::Result<()> {
        self.head(profile)?;
        self.samples(&profile.samples)?;
        for (mapping, id) in profile.mappings.iter().zip(1..) {
            let message = self.mapping(id, mapping);
            self.put(tag::MAPPING, &message)?;
        }
        self.locations(&profile.locations)?;
        for (function, id) in profile.functions.iter().zip(1..) {
            let message = self.function(id, function);
            self.put(tag::FUNCTION, &message)?;
        }
        for text in std::mem::take(&mut self.strings.in_order) {
            self.put_text(text)?;
        }
        self.flush()
    }

    fn head(&mut self, profile: &'p Profile) -> io::Result<()> {
        let head = proto::Head {
            drop_frames: self.strings.index(&profile.drop_frames),
            keep_frames: self.strings.index(&profile.keep_frames),
            time_nanos: profile.time_nanos,
            duration_nanos: profile.duration_nanos,
            period_type: profile.period_type.as_ref().map(|t| self.value_type(t)),
            period: profile.period,
            default_sample_type: self.strings.index(&profile.default_sample_type),
            doc_url: self.strings.index(&profile.doc_url),
        };
        self.pending.extend(head.encode_to_vec());
        for value_type in &profile.sample_types {
            let message = self.value_type(value_type);
            self.put(tag::SAMPLE_TYPE, &message)?;
        }
        let comments = profile.comments.iter();
        let comments: Vec<i64> = comments.map(|text| self.strings.index(text)).collect();
        prost::encoding::int64::encode_packed(tag::COMMENT, &comments, &mut self.pending);
        self.flush_if_full()
    }

    fn samples(&mut self, samples: &'p [Sample]) -> io::Result<()> {
        let mut message = proto::SampleMessage::default();
        for sample in samples {
            message.clear();
            let ids = sample.locations.iter().map(|id| wire_id(id.index()));
            message.location_ids.extend(ids);
            message.values.extend_from_slice(&sample.values);
            let labels = sample.labels.iter().map(|label| self.label(label));
            message.labels.extend(labels);
            self.put(tag::SAMPLE, &message)?;
        }
        Ok(())
    }

    fn locations(&mut self, locations: &[Location]) -> io::Result<()> {
        let mut message = proto::LocationMessage::default();
        for (location, id) in locations.iter().zip(1..) {
            message.clear();
            message.id = id;
            message.mapping_id = location.mapping.map_or(0, |id| wire_id(id.index()));
            message.address = location.address;
            message.is_folded = location.is_folded;
            let lines = location.lines.iter().map(|&line| wire_line(line));
            message.lines.extend(lines);
            self.put(tag::LOCATION, &message)?;
        }
        Ok(())
    }

    fn value_type(&mut self, value_type: &'p ValueType) -> proto::ValueTypeMessage {
        proto::ValueTypeMessage {
            kind: self.strings.index(&value_type.kind),
            unit: self.strings.index(&value_type.unit),
        }
    }

    fn label(&mut self, label: &'p Label) -> proto::LabelMessage {
        let key = self.strings.index(&label.key);
        let (text, number, unit) = match &label.value {
            LabelValue::Text(text) => (self.strings.index_not_0(text), 0, 0),
            LabelValue::Number { value, unit } => (0, *value, self.strings.index(unit)),
        };
        proto::LabelMessage {
            key,
            text,
            number,
            unit,
        }
    }

    fn mapping(&mut self, id: u64, mapping: &'p Mapping) -> proto::MappingMessage {
        proto::MappingMessage {
            id,
            start: mapping.start,
            limit: mapping.limit,
            file_offset: mapping.file_offset,
            file: self.strings.index(&mapping.file),
            build_id: self.strings.index(&mapping.build_id),
            has_functions: mapping.has_functions,
            has_filenames: mapping.has_filenames,
            has_line_numbers: mapping.has_line_numbers,
            has_inline_frames: mapping.has_inline_frames,
        }
    }

    fn function(&mut self, id: u64, function: &'p Function) -> proto::FunctionMessage {
        proto::FunctionMessage {
            id,
            name: self.strings.index(&function.name),
            system_name: self.strings.index(&function.system_name),
            file: self.strings.index(&function.file),
            start_line: function.start_line,
        }
    }

    fn put(&mut self, tag: u32, message: &impl Message) -> io::Result<()> {
        prost::encoding::message::encode(tag, message, &mut self.pending);
        self.flush_if_full()
    }

    /// `string::encode` of prost would need an owned `String`.
    fn put_text(&mut self, text: &str) -> io::Result<()> {
        let wire_type = prost::encoding::WireType::LengthDelimited;
        prost::encoding::encode_key(tag::STRING_TABLE, wire_type, &mut self.pending);
        prost::encoding::encode_varint(text.len() as u64, &mut self.pending);
        self.pending.extend_from_slice(text.as_bytes());
        self.flush_if_full()
    }

    fn flush_if_full(&mut self) -> io::Result<()> {
        if self.pending.len() < PIECE {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }
}

/// The string table under construction.
struct StringNumbers<'p> {
    in_order: Vec<&'p str>,
    indices: HashMap<&'p str, i64>,
    /// Index of the empty label text. It needs an entry besides the one at 0, because 0 means there
    /// that the label has no text.
    empty_not_0: Option<i64>,
}

impl<'p> StringNumbers<'p> {
    fn new() -> Self {
        Self {
            in_order: vec![""],
            indices: HashMap::from([("", 0)]),
            empty_not_0: None,
        }
    }

    fn index(&mut self, text: &'p str) -> i64 {
        *self.indices.entry(text).or_insert_with(|| {
            self.in_order.push(text);
            last_index(&self.in_order)
        })
    }

    fn index_not_0(&mut self, text: &'p str) -> i64 {
        if !text.is_empty() {
            return self.index(text);
        }
        *self.empty_not_0.get_or_insert_with(|| {
            self.in_order.push(text);
            last_index(&self.in_order)
        })
    }
}

/// A table in memory has less than 2^63 entries, so the cast keeps the value.
fn last_index(table: &[&str]) -> i64 {
    table.len().saturating_sub(1) as i64
}

fn wire_id(index: usize) -> u64 {
    (index as u64).saturating_add(1)
}

fn wire_line(line: Line) -> proto::LineMessage {
    proto::LineMessage {
        function_id: wire_id(line.function.index()),
        line: line.line,
        column: line.column,
    }
}
