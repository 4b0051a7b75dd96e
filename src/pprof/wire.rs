//! Protobuf's wire format, one field at a time, without copying.
//!
//! Decoding a whole profile with one derived message would hold two copies of it at once, and lets
//! every table grow by doubling. This walk lets `decode` count first, make exactly the room it needs,
//! and hand single entries to prost. It knows fields, not what they mean.

use prost::DecodeError;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The fields of one message, in the order of the file. Ends after the first error.
#[derive(Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    length: usize,
}

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Field<'a> {
    pub(super) tag: u32,
    pub(super) value: Value<'a>,
}

/// What a field holds, as far as the wire tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// A number.
    Varint(u64),
    /// A message, a string, or packed numbers.
    Bytes(&'a [u8]),
    /// What no field of a profile is: fixed-width numbers and groups, skipped.
    Other,
}

/// The bytes from [`at`](Self::at) on are not a field.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) at: usize,
    pub(super) cause: DecodeError,
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            length: message.len(),
        }
    }

    fn field(&mut self) -> Result<Field<'a>, DecodeError> {
        let (tag, wire_type) = decode_key(&mut self.rest)?;
        let value = match wire_type {
            WireType::Varint => Value::Varint(decode_varint(&mut self.rest)?),
            WireType::LengthDelimited => {
                let from = self.rest;
                // Skipping checks the length, so the split below cannot miss.
                skip_field(wire_type, tag, &mut self.rest, DecodeContext::default())?;
                let field = from
                    .get(..from.len().saturating_sub(self.rest.len()))
                    .unwrap_or_default();
                Value::Bytes(behind_length(field)?)
            }
            other => {
                skip_field(other, tag, &mut self.rest, DecodeContext::default())?;
                Value::Other
            }
        };
        Ok(Field { tag, value })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.rest.has_remaining() {
            return None;
        }
        let at = self.length.saturating_sub(self.rest.len());
        Some(self.field().map_err(|cause| {
            self.rest = &[];
            Damage { at, cause }
        }))
    }
}

fn behind_length(mut field: &[u8]) -> Result<&[u8], DecodeError> {
    decode_varint(&mut field)?;
    Ok(field)
}

/// How many numbers `packed` holds: each ends with its only byte whose high bit is clear.
pub(super) fn count_packed(packed: &[u8]) -> usize {
    packed.iter().filter(|byte| **byte < 0x80).count()
}

/// How many numbers the repeated field `tag` of `message` holds, packed or not. A damaged message
/// counts up to the damage: further than that prost does not get either. So with [`count_messages`].
pub(super) fn count_numbers(message: &[u8], tag: u32) -> usize {
    let counts = values_of(message, tag).map(|value| match value {
        Value::Varint(_) => 1,
        Value::Bytes(packed) => count_packed(packed),
        Value::Other => 0,
    });
    counts.sum()
}

/// How many messages the repeated field `tag` of `message` holds.
pub(super) fn count_messages(message: &[u8], tag: u32) -> usize {
    let values = values_of(message, tag);
    values.filter(|v| matches!(v, Value::Bytes(_))).count()
}

fn values_of(message: &[u8], tag: u32) -> impl Iterator<Item = Value<'_>> {
    let fields = Fields::new(message).map_while(Result::ok);
    fields.filter(move |f| f.tag == tag).map(|f| f.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_in_order_with_their_bytes() {
        // 1: 300; 2: "abc"; 3: fixed32; 4: group holding 1: 1; 5: "".
        let message = [
            0x08, 0xac, 0x02, 0x12, 3, b'a', b'b', b'c', 0x1d, 1, 2, 3, 4, 0x23, 8, 1, 0x24, 0x2a,
            0,
        ];
        let fields: Vec<_> = Fields::new(&message)
            .map(|field| field.unwrap())
            .map(|field| (field.tag, field.value))
            .collect();
        assert_eq!(
            fields,
            [
                (1, Value::Varint(300)),
                (2, Value::Bytes(b"abc")),
                (3, Value::Other),
                (4, Value::Other),
                (5, Value::Bytes(b"")),
            ]
        );
    }

    #[test]
    fn the_first_error_names_its_byte_and_ends_the_walk() {
        let mut fields = Fields::new(&[0x08, 1, 0x12, 5, b'a', 0x08, 1]);
        assert!(fields.next().unwrap().is_ok());
        assert_eq!(fields.next().unwrap().unwrap_err().at, 2);
        assert!(fields.next().is_none());
    }

    #[test]
    fn groups_nested_without_end_are_an_error() {
        let mut fields = Fields::new(&[0x0b; 4096]);
        assert!(fields.next().unwrap().is_err());
    }

    #[test]
    fn repeated_fields_are_counted_up_to_the_damage() {
        // 1: 5; 1: [6, 300]; 2: ""; 1: 7; cut off.
        let message = [8, 5, 10, 3, 6, 0xac, 2, 0x12, 0, 8, 7, 8];
        assert_eq!(count_numbers(&message, 1), 4);
        assert_eq!(count_messages(&message, 2), 1);
        assert_eq!(count_messages(&message, 3), 0);
    }

    #[test]
    fn packed_numbers_are_counted_by_their_last_bytes() {
        assert_eq!(count_packed(&[]), 0);
        assert_eq!(count_packed(&[1, 0xac, 2, 0x80, 0x80, 0]), 3);
    }
}
