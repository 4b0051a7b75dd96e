//! The names of a heap profile's columns and labels.

/// Names and units of a heap profile's columns, in Go's order. Consumers also know them by
/// position.
pub const SAMPLE_TYPES: [(&str, &str); 4] = [
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
];

/// Key of the label with the size group of a sample's blocks.
pub const BYTES_LABEL: &str = "bytes";
/// Key of the label of samples that were drawn at another interval than the profile's period.
pub const INTERVAL_LABEL: &str = "sample_interval";
