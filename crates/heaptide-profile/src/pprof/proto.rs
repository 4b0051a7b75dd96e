//! The messages of `profile.proto`, declared for prost: field numbers and wire types.
//!
//! They are declared by hand, so that building needs no protoc. The format's field numbers never
//! change. There is no message for the whole profile, because its tables are written and read one
//! entry at a time (`encode`, `decode`). [`Head`] holds the fields that occur once. An `int64` that
//! is an index into the string table is marked as one. Index 0 is the empty string.

/// Field numbers of the repeated fields of the `Profile` message.
pub(super) mod tag {
    pub(in crate::pprof) const SAMPLE_TYPE: u32 = 1;
    pub(in crate::pprof) const SAMPLE: u32 = 2;
    pub(in crate::pprof) const MAPPING: u32 = 3;
    pub(in crate::pprof) const LOCATION: u32 = 4;
    pub(in crate::pprof) const FUNCTION: u32 = 5;
    pub(in crate::pprof) const STRING_TABLE: u32 = 6;
    pub(in crate::pprof) const COMMENT: u32 = 13;
}

/// The fields of the `Profile` message that occur once.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Head {
    /// String.
    #[prost(int64, tag = "7")]
    pub(super) drop_frames: i64,
    /// String.
    #[prost(int64, tag = "8")]
    pub(super) keep_frames: i64,
    #[prost(int64, tag = "9")]
    pub(super) time_nanos: i64,
    #[prost(int64, tag = "10")]
    pub(super) duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    pub(super) period_type: Option<ValueTypeMessage>,
    #[prost(int64, tag = "12")]
    pub(super) period: i64,
    /// String.
    #[prost(int64, tag = "14")]
    pub(super) default_sample_type: i64,
    /// String.
    #[prost(int64, tag = "15")]
    pub(super) doc_url: i64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct ValueTypeMessage {
    /// String.
    #[prost(int64, tag = "1")]
    pub(super) kind: i64,
    /// String.
    #[prost(int64, tag = "2")]
    pub(super) unit: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SampleMessage {
    /// Ids of locations, leaf first.
    #[prost(uint64, repeated, tag = "1")]
    pub(super) location_ids: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    pub(super) values: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    pub(super) labels: Vec<LabelMessage>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct LabelMessage {
    /// String.
    #[prost(int64, tag = "1")]
    pub(super) key: i64,
    /// String; 0 if the label is a number.
    #[prost(int64, tag = "2")]
    pub(super) text: i64,
    #[prost(int64, tag = "3")]
    pub(super) number: i64,
    /// String.
    #[prost(int64, tag = "4")]
    pub(super) unit: i64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct MappingMessage {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    #[prost(uint64, tag = "2")]
    pub(super) start: u64,
    #[prost(uint64, tag = "3")]
    pub(super) limit: u64,
    #[prost(uint64, tag = "4")]
    pub(super) file_offset: u64,
    /// String.
    #[prost(int64, tag = "5")]
    pub(super) file: i64,
    /// String.
    #[prost(int64, tag = "6")]
    pub(super) build_id: i64,
    #[prost(bool, tag = "7")]
    pub(super) has_functions: bool,
    #[prost(bool, tag = "8")]
    pub(super) has_filenames: bool,
    #[prost(bool, tag = "9")]
    pub(super) has_line_numbers: bool,
    #[prost(bool, tag = "10")]
    pub(super) has_inline_frames: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct LocationMessage {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    /// Id of a mapping; 0 if it is not known.
    #[prost(uint64, tag = "2")]
    pub(super) mapping_id: u64,
    #[prost(uint64, tag = "3")]
    pub(super) address: u64,
    #[prost(message, repeated, tag = "4")]
    pub(super) lines: Vec<LineMessage>,
    #[prost(bool, tag = "5")]
    pub(super) is_folded: bool,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct LineMessage {
    /// Id of a function.
    #[prost(uint64, tag = "1")]
    pub(super) function_id: u64,
    #[prost(int64, tag = "2")]
    pub(super) line: i64,
    #[prost(int64, tag = "3")]
    pub(super) column: i64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct FunctionMessage {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    /// String.
    #[prost(int64, tag = "2")]
    pub(super) name: i64,
    /// String.
    #[prost(int64, tag = "3")]
    pub(super) system_name: i64,
    /// String.
    #[prost(int64, tag = "4")]
    pub(super) file: i64,
    #[prost(int64, tag = "5")]
    pub(super) start_line: i64,
}
