//! A protobuf reader for tests alone.
//!
//! It shares no code with the package, so that a mistake in encoding cannot be undone by the same
//! one in decoding.

use std::collections::BTreeMap;

/// One message: the values of each field number, in order.
#[derive(Debug, Default)]
pub struct Message {
    fields: BTreeMap<u64, Vec<ProtobufField>>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ProtobufField {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Message {
    pub fn parse(mut bytes: &[u8]) -> Self {
        let mut message = Self::default();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let field = match key & 7 {
                0 => ProtobufField::Number(varint(&mut bytes)),
                2 => {
                    let length = usize::try_from(varint(&mut bytes)).unwrap();
                    let (value, rest) = bytes.split_at(length);
                    bytes = rest;
                    ProtobufField::Bytes(value.to_vec())
                }
                other => panic!("wire type {other}"),
            };
            message.fields.entry(key >> 3).or_default().push(field);
        }
        message
    }

    pub fn all(&self, number: u64) -> &[ProtobufField] {
        self.fields.get(&number).map_or(&[], Vec::as_slice)
    }

    /// A number that occurs at most once; 0 if it is left out.
    pub fn number(&self, number: u64) -> u64 {
        match self.all(number) {
            [] => 0,
            [ProtobufField::Number(value)] => *value,
            other => panic!("field {number} is {other:?}"),
        }
    }

    pub fn packed(&self, number: u64) -> Vec<u64> {
        let fields = self.all(number).iter();
        fields
            .flat_map(|field| match field {
                ProtobufField::Number(value) => vec![*value],
                ProtobufField::Bytes(bytes) => {
                    let mut bytes = &bytes[..];
                    let mut values = Vec::new();
                    while !bytes.is_empty() {
                        values.push(varint(&mut bytes));
                    }
                    values
                }
            })
            .collect()
    }

    pub fn bytes(&self, number: u64) -> Vec<&[u8]> {
        let fields = self.all(number).iter();
        fields
            .map(|field| match field {
                ProtobufField::Bytes(bytes) => &bytes[..],
                ProtobufField::Number(value) => panic!("field {number} is {value}"),
            })
            .collect()
    }

    pub fn messages(&self, number: u64) -> Vec<Self> {
        let all = self.bytes(number).into_iter();
        all.map(Self::parse).collect()
    }

    pub fn ids(&self, number: u64) -> Vec<u64> {
        let entries = self.messages(number);
        entries.iter().map(|entry| entry.number(1)).collect()
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().expect("a varint that ends");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return value;
        }
    }
    panic!("a varint longer than 64 bits");
}
