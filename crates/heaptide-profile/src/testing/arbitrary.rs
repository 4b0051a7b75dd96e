//! Any valid profile, for property tests.
//!
//! Every field takes part, and references stay in range. It follows the rules of [`Profile::check`]
//! and nothing beyond them.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::{
    Function, FunctionId, Label, LabelValue, Line, Location, LocationId, Mapping, MappingId,
    Profile, Sample, ValueType,
};

/// The number of entries of each table: sample types, mappings, functions, locations, samples.
type Sizes = (usize, usize, usize, usize, usize);

/// Any valid profile.
pub fn profile() -> impl Strategy<Value = Profile> {
    (0..5_usize, 0..4_usize, 0..6_usize, 0..8_usize, 0..8_usize).prop_flat_map(tables)
}

fn tables(sizes: Sizes) -> impl Strategy<Value = Profile> {
    let (types, mappings, functions, locations, samples) = sizes;
    let samples = if types == 0 { 0 } else { samples };
    let tables = (
        vec(value_type(), types),
        vec(sample(types, locations), samples),
        vec(mapping(), mappings),
        vec(location(mappings, functions), locations),
        vec(function(), functions),
    );
    let clock = (any::<i64>(), any::<i64>(), any::<i64>());
    let texts = (text(), text(), text(), text());
    let others = (vec(text(), 0..3), proptest::option::of(value_type()));
    (tables, clock, texts, others).prop_map(|(tables, clock, texts, others)| Profile {
        sample_types: tables.0,
        samples: tables.1,
        mappings: tables.2,
        locations: tables.3,
        functions: tables.4,
        time_nanos: clock.0,
        duration_nanos: clock.1,
        period: clock.2,
        default_sample_type: texts.0,
        drop_frames: texts.1,
        keep_frames: texts.2,
        doc_url: texts.3,
        comments: others.0,
        period_type: others.1,
    })
}

/// Empty, common (so that strings repeat), made to trick a terminal, or anything else.
fn text() -> impl Strategy<Value = Arc<str>> {
    let anything = any::<String>().prop_map(Arc::from);
    prop_oneof![
        Just(Arc::default()),
        prop_oneof![Just("bytes"), Just("main"), Just("a;b\n\u{1b}[2J 7")].prop_map(Arc::from),
        anything,
    ]
}

/// Half of the numbers are small: 0 is left out in the encoding.
fn number() -> impl Strategy<Value = i64> {
    prop_oneof![-1..3_i64, any::<i64>()]
}

fn value_type() -> impl Strategy<Value = ValueType> {
    (text(), text()).prop_map(|(kind, unit)| ValueType { kind, unit })
}

fn sample(types: usize, locations: usize) -> impl Strategy<Value = Sample> {
    let frames = if locations == 0 { 0..1 } else { 0..6_usize };
    let stack = vec(0..locations.max(1), frames).prop_map(|stack| {
        let ids = stack.into_iter().filter_map(LocationId::new);
        ids.collect()
    });
    (stack, vec(number(), types), vec(label(), 0..3)).prop_map(|(locations, values, labels)| {
        Sample {
            locations,
            values,
            labels,
        }
    })
}

fn label() -> impl Strategy<Value = Label> {
    let key = text().prop_map(|key| if key.is_empty() { "k".into() } else { key });
    let value = prop_oneof![
        text().prop_map(LabelValue::Text),
        (number(), text()).prop_map(|(value, unit)| LabelValue::Number { value, unit }),
    ];
    (key, value).prop_map(|(key, value)| Label { key, value })
}

fn mapping() -> impl Strategy<Value = Mapping> {
    let has = any::<(bool, bool, bool, bool)>();
    (any::<(u64, u64, u64)>(), text(), text(), has).prop_map(|(range, file, build_id, has)| {
        Mapping {
            start: range.0,
            limit: range.1,
            file_offset: range.2,
            file,
            build_id,
            has_functions: has.0,
            has_filenames: has.1,
            has_line_numbers: has.2,
            has_inline_frames: has.3,
        }
    })
}

fn location(mappings: usize, functions: usize) -> impl Strategy<Value = Location> {
    let mapping = (0..=mappings).prop_map(|at| at.checked_sub(1).and_then(MappingId::new));
    let lines = if functions == 0 { 0..1 } else { 0..4_usize };
    let lines = vec((0..functions.max(1), number(), number()), lines).prop_map(|lines| {
        let lines = lines.into_iter().filter_map(|(function, line, column)| {
            let function = FunctionId::new(function)?;
            Some(Line {
                function,
                line,
                column,
            })
        });
        lines.collect()
    });
    (mapping, any::<u64>(), lines, any::<bool>()).prop_map(
        |(mapping, address, lines, is_folded)| Location {
            mapping,
            address,
            lines,
            is_folded,
        },
    )
}

fn function() -> impl Strategy<Value = Function> {
    (text(), text(), text(), number()).prop_map(|(name, system_name, file, start_line)| Function {
        name,
        system_name,
        file,
        start_line,
    })
}

proptest! {
    #[test]
    fn is_valid(profile in profile()) {
        profile.check().unwrap();
    }
}
