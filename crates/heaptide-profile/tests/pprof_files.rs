//! Profiles written by other programs are read and reported.
//!
//! `data/README.md` says how each was made.

use heaptide_profile::Profile;
use heaptide_profile::report::{Text, Top};
use heaptide_profile::{Estimate, LabelValue, Sample, ValueType};

const GO: &[u8] = include_bytes!("data/go-1.19-heap.pb.gz");
const GO_SAMPLED: &[u8] = include_bytes!("data/go-1.19-sampled.pb.gz");
const PYTHON: &[u8] = include_bytes!("data/python-sparse.pb.gz");

fn frames(profile: &Profile, sample: &Sample) -> Vec<(String, i64, bool)> {
    let frames = profile.frames(sample);
    frames
        .map(|frame| {
            let name = frame.function.map_or("?", |function| &function.name);
            (name.to_owned(), frame.line, frame.inlined)
        })
        .collect()
}

fn number(value: i64, unit: &str) -> LabelValue {
    LabelValue::Number {
        value,
        unit: unit.into(),
    }
}

#[test]
fn a_heap_profile_of_go() {
    let profile = Profile::read(GO).unwrap();
    let types = [
        ("alloc_objects", "count"),
        ("alloc_space", "bytes"),
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
    ];
    assert_eq!(
        profile.sample_types,
        types.map(|(kind, unit)| ValueType::new(kind, unit))
    );
    assert_eq!(&*profile.default_sample_type, "");
    assert_eq!(profile.period_type, Some(ValueType::new("space", "bytes")));
    assert_eq!(profile.period, 1);
    assert_eq!(profile.time_nanos, 1_795_240_722_287_558_568);
    assert_eq!(profile.duration_nanos, 0);
    assert_eq!(&*profile.mappings[0].file, "/tmp/example/example");
    assert_eq!(profile.mappings[0].start, 0x40_0000);
    assert_eq!(profile.mappings[0].limit, 0x4b_4000);
    assert!(profile.mappings[0].has_functions);
    assert!(!profile.mappings[0].has_inline_frames);
    assert_eq!(profile.samples.len(), 13);

    let dropped = &profile.samples[8];
    assert_eq!(dropped.values, [20, 107_520, 0, 0]);
    assert_eq!(dropped.labels.len(), 1);
    assert_eq!(&*dropped.labels[0].key, "bytes");
    assert_eq!(dropped.labels[0].value, number(5376, ""));
    let expected = [
        ("main.inner", 20, true),
        ("main.drop", 25, false),
        ("main.main", 35, false),
        ("runtime.main", 250, false),
    ];
    assert_eq!(
        frames(&profile, dropped),
        expected.map(|(name, line, inlined)| (name.to_owned(), line, inlined))
    );
    let leaf = &profile.locations[dropped.locations[0].index()];
    assert_eq!(leaf.address, 0x4b_3d6c);

    let kept = &profile.samples[9];
    assert_eq!(kept.values, [10, 30_720, 10, 30_720]);
    assert_eq!(frames(&profile, kept)[0].0, "main.keep");
}

#[test]
fn a_profile_with_sparse_ids_in_unusual_order() {
    let profile = Profile::read(PYTHON).unwrap();
    assert_eq!(
        profile.sample_types,
        [("objects", "count"), ("space", "bytes")].map(|(kind, unit)| ValueType::new(kind, unit))
    );
    assert_eq!(&*profile.default_sample_type, "objects");
    assert_eq!(profile.time_nanos, 1_700_000_000_000_000_001);
    assert_eq!(profile.duration_nanos, 5);
    assert_eq!(profile.period, 4096);
    let comments: Vec<&str> = profile.comments.iter().map(|text| &**text).collect();
    assert_eq!(comments, ["first remark", "second remark"]);
    assert_eq!(&*profile.drop_frames, "malloc.*");
    assert_eq!(&*profile.keep_frames, "malloc_keep");
    assert_eq!(&*profile.doc_url, "https://example.com/doc");

    let [first, second] = &profile.samples[..] else {
        panic!("{} samples", profile.samples.len());
    };
    assert_eq!(first.values, [3, -4096]);
    let labels: Vec<_> = first.labels.iter().map(|l| (&*l.key, &l.value)).collect();
    let text = |text: &str| LabelValue::Text(text.into());
    assert_eq!(
        labels,
        [
            ("thread", &text("worker-1")),
            ("bytes", &number(1024, "bytes"))
        ]
    );
    let stack: Vec<_> = first
        .locations
        .iter()
        .map(|id| &profile.locations[id.index()])
        .collect();
    let addresses: Vec<u64> = stack.iter().map(|location| location.address).collect();
    assert_eq!(addresses, [0x7f00_0000_1000, u64::MAX, 0x40_1234]);
    let files: Vec<_> = stack
        .iter()
        .map(|location| {
            location
                .mapping
                .map(|id| &*profile.mappings[id.index()].file)
        })
        .collect();
    assert_eq!(
        files,
        [Some("/usr/lib/libc.so.6"), None, Some("/usr/bin/demo")]
    );
    assert!(stack[1].is_folded);
    let lines = &stack[2].lines;
    assert_eq!((lines[0].line, lines[0].column), (12, 3));
    let inner = &profile.functions[lines[0].function.index()];
    assert_eq!(&*inner.name, "demo::inner");
    assert_eq!(&*inner.system_name, "_ZN4demo5innerE");
    assert_eq!(&*inner.file, "src/\u{fffd}.rs");
    assert_eq!(inner.start_line, 10);
    assert_eq!(
        &*profile.functions[lines[1].function.index()].name,
        "demo::outer"
    );
    assert_eq!(&*profile.mappings[0].build_id, "abcdef0123");
    assert_eq!(profile.mappings[0].file_offset, 0x1000);

    assert!(second.locations.is_empty());
    assert_eq!(second.values, [0, 1 << 62]);
    let labels: Vec<_> = second.labels.iter().map(|l| (&*l.key, &l.value)).collect();
    assert_eq!(labels, [("both", &text("text")), ("both", &number(9, ""))]);
}

#[test]
fn profiles_of_other_programs_survive_a_round_trip() {
    for bytes in [GO, PYTHON] {
        let profile = Profile::read(bytes).unwrap();
        let mut written = Vec::new();
        profile.write(&mut written).unwrap();
        assert_eq!(Profile::read(&written).unwrap(), profile);
    }
}

#[test]
fn other_files_are_refused_with_the_expected_format() {
    let others: [&[u8]; 6] = [
        b"",
        b"heap profile: 1: 16 [1: 16] @ heap/1048576\n1: 16 [1: 16] @ 0x1\n",
        b"{\"a\": 1}",
        b"<html><body>404</body></html>",
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0",
        b"\x1f\x8b\x08\x08 and no gzip",
    ];
    for bytes in others {
        let error = Profile::read(bytes).unwrap_err();
        assert!(error.is_malformed());
        let message = error.to_string();
        assert!(message.starts_with("not a pprof profile: "), "{message}");
    }
}

/// 64 MiB in blocks of 4 KiB, and 40 blocks of 512 KiB, at Go's default interval.
#[test]
fn a_sampled_heap_profile_of_go_has_errors_that_fit() {
    let profile = Profile::read(GO_SAMPLED).unwrap();
    assert_eq!(profile.period, 512 * 1024);
    let of = |function: &str, column: usize| -> Estimate {
        let estimates = profile.sample_type_at(column).unwrap().estimates().unwrap();
        let samples = profile.samples.iter().zip(estimates);
        let leaf = |s: &Sample| frames(&profile, s).first().is_some_and(|f| f.0 == function);
        samples.filter(|(s, _)| leaf(s)).map(|(_, e)| e).sum()
    };
    for (function, column, truth, law) in [
        // By the law for the true number of blocks: sqrt(N (1-p)/p), times the size.
        ("main.small", 2, 16_384.0, 1445.6),
        ("main.small", 3, 67_108_864.0, 1445.6 * 4096.0),
        ("main.large", 2, 40.0, 4.825),
        ("main.large", 3, 20_971_520.0, 4.825 * 524_288.0),
    ] {
        let estimate = of(function, column);
        let reach = estimate.interval_95();
        assert!(reach.contains(&truth), "{function}: {estimate:?} {reach:?}");
        let ratio = estimate.standard_error / law;
        assert!(
            (0.9..1.1).contains(&ratio),
            "{function}: {ratio} of the law"
        );
    }
    let text = Top::new(profile.sample_type_at(3).unwrap()).text(&Text::default());
    let row = text.lines().find(|line| line.ends_with("  main.small"));
    assert_eq!(
        row,
        Some(" 55.72 MiB    5.27 MiB  73.63%   73.63%   55.72 MiB    5.27 MiB  73.63%  main.small"),
        "{text}"
    );
}
