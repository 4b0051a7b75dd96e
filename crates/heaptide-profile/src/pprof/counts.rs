//! The first walk over a profile's fields: how many entries each table has, and where.
//!
//! The counts let `decode` allocate every table once, with exactly the room it needs. This walk
//! also finds bytes that are not a profile, before memory is spent on them.

use prost::{DecodeError, Message};

use super::proto::{Head, tag};
use super::wire::{WireDamage, WireFields, WireValue, count_packed};
use crate::{Error, Result};

/// A key and a value.
const SHORTEST_FIELD: usize = 2;

/// The tables of a file, with the number and the place of their entries.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) sample_types: Table,
    pub(super) samples: Table,
    pub(super) mappings: Table,
    pub(super) locations: Table,
    pub(super) functions: Table,
    pub(super) strings: Table,
    pub(super) comments: Table,
}

/// One table.
#[derive(Clone, Copy, Default)]
pub(super) struct Table {
    pub(super) count: usize,
    /// The bytes from its first entry to its last. Most writers put the entries of a table
    /// together, so that a walk over them is short. Otherwise other entries lie in between.
    from: usize,
    to: usize,
}

impl Table {
    fn add(&mut self, count: usize, from: usize, to: usize) {
        if self.to == 0 {
            self.from = from;
        }
        self.to = to;
        self.count = self.count.saturating_add(count);
    }

    /// The part of the file that holds all of its entries.
    pub(super) fn part_of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.from..self.to).unwrap_or_default()
    }
}

impl Counts {
    /// Also reads the fields that occur once. An error in one of these is returned separately,
    /// because bytes of another format are best refused for lack of a string table.
    pub(super) fn of(bytes: &[u8]) -> Result<(Self, Result<Head>)> {
        let mut counts = Self::default();
        let mut head = Ok(Head::default());
        let mut fields = WireFields::new(bytes);
        loop {
            let from = fields.offset();
            let Some(field) = fields.next() else {
                return Ok((counts, head));
            };
            let field = field.map_err(not_a_profile)?;
            let to = fields.offset();
            let (table, more) = match (field.tag, field.value) {
                (tag::SAMPLE_TYPE, WireValue::Bytes(_)) => (&mut counts.sample_types, 1),
                (tag::SAMPLE, WireValue::Bytes(entry)) => {
                    check_length(entry, "sample", counts.samples.count, "values")?;
                    (&mut counts.samples, 1)
                }
                (tag::MAPPING, WireValue::Bytes(entry)) => {
                    check_length(entry, "mapping", counts.mappings.count, "an id")?;
                    (&mut counts.mappings, 1)
                }
                (tag::LOCATION, WireValue::Bytes(entry)) => {
                    check_length(entry, "location", counts.locations.count, "an id")?;
                    (&mut counts.locations, 1)
                }
                (tag::FUNCTION, WireValue::Bytes(entry)) => {
                    check_length(entry, "function", counts.functions.count, "an id")?;
                    (&mut counts.functions, 1)
                }
                (tag::STRING_TABLE, WireValue::Bytes(_)) => (&mut counts.strings, 1),
                (tag::COMMENT, WireValue::Bytes(packed)) => {
                    (&mut counts.comments, count_packed(packed))
                }
                (tag::COMMENT, WireValue::Varint(_)) => (&mut counts.comments, 1),
                (tag @ (tag::SAMPLE_TYPE..=tag::STRING_TABLE | tag::COMMENT), _) => {
                    return Err(wrong_kind(tag));
                }
                _ => {
                    let field = bytes.get(from..to).unwrap_or_default();
                    if let Ok(message) = &mut head
                        && let Err(cause) = message.merge(field)
                    {
                        head = Err(damaged_head(cause));
                    }
                    continue;
                }
            };
            table.add(more, from, to);
        }
    }
}

fn damaged_head(cause: DecodeError) -> Error {
    Error::malformed("the profile is damaged").caused_by(cause)
}

/// Refuses an entry that is too short for the field that it must have, before room for all entries
/// is allocated. Empty messages of 2 bytes would take the most memory.
fn check_length(entry: &[u8], table: &str, at: usize, must_have: &str) -> Result<()> {
    if entry.len() >= SHORTEST_FIELD {
        return Ok(());
    }
    Err(Error::malformed(format!(
        "{table} {at} is {} bytes long, too short for {must_have}",
        entry.len()
    )))
}

/// The values of the field `tag`, numbered from 0.
pub(super) fn values(
    bytes: &[u8],
    tag: u32,
) -> impl Iterator<Item = (usize, Result<WireValue<'_>>)> {
    WireFields::new(bytes)
        .filter_map(move |field| match field {
            Ok(field) => (field.tag == tag).then_some(Ok(field.value)),
            Err(damage) => Some(Err(not_a_profile(damage))),
        })
        .enumerate()
}

/// The messages in the field `tag`, numbered from 0.
pub(super) fn messages(bytes: &[u8], tag: u32) -> impl Iterator<Item = (usize, Result<&[u8]>)> {
    values(bytes, tag).map(move |(at, value)| {
        let message = value.and_then(|value| match value {
            WireValue::Bytes(message) => Ok(message),
            WireValue::Varint(_) | WireValue::Other => Err(wrong_kind(tag)),
        });
        (at, message)
    })
}

pub(super) fn wrong_kind(tag: u32) -> Error {
    Error::malformed(format!(
        "not a pprof profile: field {tag} is not what profile.proto says it is"
    ))
}

fn not_a_profile(damage: WireDamage) -> Error {
    let WireDamage { at, cause } = damage;
    Error::malformed(format!(
        "not a pprof profile: expected a message of profile.proto, with or without gzip, but what \
         is at byte {at} is not a field of one"
    ))
    .caused_by(cause)
}
