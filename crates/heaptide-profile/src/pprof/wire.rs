//! Protobuf's wire format, one field at a time, without copying.
//!
//! One derived message for a whole profile would hold two copies of it at once, and let every table
//! grow by doubling. This walk lets `decode` count first, allocate exactly the room it needs, and
//! pass single entries to prost. It knows fields, and not their meaning.

use prost::DecodeError;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The fields of one message, in the order of the file. It ends after the first error.
#[derive(Clone)]
pub(super) struct WireFields<'a> {
    rest: &'a [u8],
    length: usize,
}

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct WireField<'a> {
    pub(super) tag: u32,
    pub(super) value: WireValue<'a>,
}

/// The value of a field, as far as the wire format shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum WireValue<'a> {
    /// A number.
    Varint(u64),
    /// A message, a string, or packed numbers.
    Bytes(&'a [u8]),
    /// Fixed-width numbers and groups, which no field of a profile has. They are skipped.
    Other,
}

impl<'a> WireValue<'a> {
    /// The numbers of a repeated field, packed or not.
    pub(super) fn numbers(self) -> WireNumbers<'a> {
        WireNumbers(self)
    }

    /// How many numbers there are; `None` if the field cannot hold numbers.
    pub(super) fn count_numbers(self) -> Option<usize> {
        match self {
            WireValue::Varint(_) => Some(1),
            WireValue::Bytes(packed) => Some(count_packed(packed)),
            WireValue::Other => None,
        }
    }
}

/// The rest of the numbers of a field. It ends after the first error.
pub(super) struct WireNumbers<'a>(WireValue<'a>);

impl Iterator for WireNumbers<'_> {
    type Item = Result<u64, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            WireValue::Varint(number) => {
                let number = *number;
                self.0 = WireValue::Other;
                Some(Ok(number))
            }
            // Nearly all numbers take one byte or two. prost reads the others.
            WireValue::Bytes([low, rest @ ..]) if *low < 0x80 => {
                let number = u64::from(*low);
                self.0 = WireValue::Bytes(rest);
                Some(Ok(number))
            }
            WireValue::Bytes([low, high, rest @ ..]) if *high < 0x80 => {
                let number = u64::from(*low & 0x7f) | (u64::from(*high) << 7);
                self.0 = WireValue::Bytes(rest);
                Some(Ok(number))
            }
            WireValue::Bytes([]) => None,
            WireValue::Bytes(packed) => {
                let number = decode_varint(packed);
                if number.is_err() {
                    self.0 = WireValue::Other;
                }
                Some(number)
            }
            WireValue::Other => None,
        }
    }
}

/// The bytes from [`at`](Self::at) on are not a field.
#[derive(Debug)]
pub(super) struct WireDamage {
    pub(super) at: usize,
    pub(super) cause: DecodeError,
}

impl<'a> WireFields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            length: message.len(),
        }
    }

    fn field(&mut self) -> Result<WireField<'a>, DecodeError> {
        let (tag, wire_type) = decode_key(&mut self.rest)?;
        let value = match wire_type {
            WireType::Varint => WireValue::Varint(decode_varint(&mut self.rest)?),
            WireType::LengthDelimited => WireValue::Bytes(self.bytes(tag)?),
            other => {
                skip_field(other, tag, &mut self.rest, DecodeContext::default())?;
                WireValue::Other
            }
        };
        Ok(WireField { tag, value })
    }

    /// A length and as many bytes. `skip_field` of prost costs several times as much, and walks
    /// over such fields are most of reading a profile. Its error message is the best one, so it is
    /// called for that.
    fn bytes(&mut self, tag: u32) -> Result<&'a [u8], DecodeError> {
        let mut behind = self.rest;
        let length = usize::try_from(decode_varint(&mut behind)?).ok();
        if let Some((value, rest)) = length.and_then(|length| behind.split_at_checked(length)) {
            self.rest = rest;
            return Ok(value);
        }
        let context = DecodeContext::default();
        skip_field(WireType::LengthDelimited, tag, &mut self.rest, context)?;
        Ok(&[])
    }

    /// How many bytes of the message were read.
    pub(super) fn offset(&self) -> usize {
        self.length.saturating_sub(self.rest.len())
    }
}

impl<'a> Iterator for WireFields<'a> {
    type Item = Result<WireField<'a>, WireDamage>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.rest.has_remaining() {
            return None;
        }
        let at = self.offset();
        Some(self.field().map_err(|cause| {
            self.rest = &[];
            WireDamage { at, cause }
        }))
    }
}

/// How many numbers `packed` holds. Each ends with its only byte whose high bit is clear.
pub(super) fn count_packed(packed: &[u8]) -> usize {
    packed.iter().filter(|byte| **byte < 0x80).count()
}

/// How many messages the repeated field `tag` of `message` holds. A damaged message counts up to
/// the damage, because prost does not get further either.
pub(super) fn count_messages(message: &[u8], tag: u32) -> usize {
    let fields = WireFields::new(message).map_while(Result::ok);
    fields
        .filter(|field| field.tag == tag && matches!(field.value, WireValue::Bytes(_)))
        .count()
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
        let fields: Vec<_> = WireFields::new(&message)
            .map(|field| field.unwrap())
            .map(|field| (field.tag, field.value))
            .collect();
        assert_eq!(
            fields,
            [
                (1, WireValue::Varint(300)),
                (2, WireValue::Bytes(b"abc")),
                (3, WireValue::Other),
                (4, WireValue::Other),
                (5, WireValue::Bytes(b"")),
            ]
        );
    }

    #[test]
    fn the_first_error_names_its_byte_and_ends_the_walk() {
        let mut fields = WireFields::new(&[0x08, 1, 0x12, 5, b'a', 0x08, 1]);
        assert!(fields.next().unwrap().is_ok());
        assert_eq!(fields.next().unwrap().unwrap_err().at, 2);
        assert!(fields.next().is_none());
    }

    #[test]
    fn groups_nested_without_end_are_an_error() {
        let mut fields = WireFields::new(&[0x0b; 4096]);
        assert!(fields.next().unwrap().is_err());
    }

    #[test]
    fn repeated_fields_are_counted_up_to_the_damage() {
        // 1: 5; 1: [6, 300]; 2: ""; 1: 7; cut off.
        let message = [8, 5, 10, 3, 6, 0xac, 2, 0x12, 0, 8, 7, 8];
        assert_eq!(count_messages(&message, 1), 1);
        assert_eq!(count_messages(&message, 2), 1);
        assert_eq!(count_messages(&message, 3), 0);
    }

    #[test]
    fn numbers_come_packed_or_alone_up_to_the_damage() {
        let numbers = |value: WireValue<'_>| {
            let numbers: Vec<_> = value.numbers().map(Result::ok).collect();
            (numbers, value.count_numbers())
        };
        assert_eq!(numbers(WireValue::Varint(7)), (vec![Some(7)], Some(1)));
        let packed = WireValue::Bytes(&[6, 0xac, 2, 0x80, 0x80, 1, 0x80, 0]);
        let found = vec![Some(6), Some(300), Some(1 << 14), Some(0)];
        assert_eq!(numbers(packed), (found, Some(4)));
        let cut = WireValue::Bytes(&[6, 0xac]);
        assert_eq!(numbers(cut), (vec![Some(6), None], Some(1)));
        assert_eq!(numbers(WireValue::Other), (vec![], None));
    }

    #[test]
    fn packed_numbers_are_counted_by_their_last_bytes() {
        assert_eq!(count_packed(&[]), 0);
        assert_eq!(count_packed(&[1, 0xac, 2, 0x80, 0x80, 0]), 3);
    }
}
