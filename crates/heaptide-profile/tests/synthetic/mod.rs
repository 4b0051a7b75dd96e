//! A small heap profile as heaptide makes them, for tests of its encoding.

use std::sync::Arc;

use heaptide_profile::{
    Function, FunctionId, Label, LabelValue, Line, Location, LocationId, Mapping, MappingId,
    Profile, Sample, ValueType,
};

/// A generic name. `pprof` shortens it to `::extend` unless the mangled symbol is beside it.
pub(crate) const GENERIC_NAME: &str = "<alloc::vec::Vec<T> as core::iter::Extend<T>>::extend";

pub(crate) const BUILD_ID: &str = "4f1c9a0b6d3e58271122334455667788990aabbc";

/// Two stacks with symbols, one with an inlined call. The executable has symbols, the library has
/// none.
pub(crate) fn heap_profile() -> Profile {
    Profile {
        sample_types: [
            ("alloc_objects", "count"),
            ("alloc_space", "bytes"),
            ("inuse_objects", "count"),
            ("inuse_space", "bytes"),
        ]
        .map(|(kind, unit)| ValueType::new(kind, unit))
        .into(),
        default_sample_type: "inuse_space".into(),
        samples: vec![
            sample(&[0, 1], [200, 204_800, 150, 153_600], 1024),
            sample(&[2, 1], [3, 3_145_728, 1, 1_048_576], 1_048_576),
        ],
        mappings: vec![
            Mapping {
                start: 0x5555_5555_4000,
                limit: 0x5555_5565_4000,
                file_offset: 0x1000,
                file: "/nonexistent/service".into(),
                build_id: BUILD_ID.into(),
                has_functions: true,
                has_filenames: true,
                has_line_numbers: true,
                has_inline_frames: true,
            },
            Mapping {
                start: 0x7fff_f7dc_0000,
                limit: 0x7fff_f7f4_0000,
                file: "/nonexistent/libplugin.so".into(),
                has_functions: true,
                ..Mapping::default()
            },
        ],
        locations: vec![
            location(0, 0x5555_5555_5010, &[(0, 2_957), (1, 41)]),
            location(0, 0x5555_5555_6020, &[(2, 12)]),
            location(1, 0x7fff_f7dc_1230, &[(3, 0)]),
        ],
        functions: vec![
            function(
                GENERIC_NAME,
                "_ZN97_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..iter..Extend$LT$T$GT$$GT$6ex\
                 tend17h0123456789abcdefE",
                "/rustc/library/alloc/src/vec/mod.rs",
            ),
            function(
                "service::cache::fill",
                "_ZN7service5cache4fill17h0123456789abcdefE",
                "/src/cache.rs",
            ),
            function(
                "service::main",
                "_ZN7service4main17h0123456789abcdefE",
                "/src/main.rs",
            ),
            function("plugin_load", "", ""),
        ],
        time_nanos: 1_750_000_000_123_456_789,
        period_type: Some(ValueType::new("space", "bytes")),
        period: 524_288,
        ..Profile::default()
    }
}

fn sample(stack: &[usize], values: [i64; 4], bytes: i64) -> Sample {
    let ids = stack.iter().map(|at| LocationId::new(*at).unwrap());
    Sample {
        locations: ids.collect(),
        values: values.into(),
        labels: vec![Label {
            key: "bytes".into(),
            value: LabelValue::Number {
                value: bytes,
                unit: "bytes".into(),
            },
        }],
    }
}

fn location(mapping: usize, address: u64, lines: &[(usize, i64)]) -> Location {
    let lines = lines.iter().map(|(function, line)| Line {
        function: FunctionId::new(*function).unwrap(),
        line: *line,
        column: 0,
    });
    Location {
        mapping: MappingId::new(mapping),
        address,
        lines: lines.collect(),
        is_folded: false,
    }
}

fn function(name: &str, system_name: &str, file: &str) -> Function {
    Function {
        name: Arc::from(name),
        system_name: Arc::from(system_name),
        file: Arc::from(file),
        start_line: 0,
    }
}
