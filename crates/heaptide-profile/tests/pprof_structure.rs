//! Encoded profiles follow the rules that other programs expect.
//!
//! A protobuf reader for tests alone reads the bytes. So a mistake in decoding cannot hide the same
//! mistake in encoding.

mod synthetic;

use std::io::Read;

use heaptide_profile::Profile;
use heaptide_profile::testing::protobuf::Message;

struct Encoded {
    profile: Message,
    strings: Vec<String>,
}

impl Encoded {
    fn of(profile: &Profile) -> Self {
        let mut written = Vec::new();
        profile.write(&mut written).unwrap();
        assert_eq!(
            written[..4],
            [0x1f, 0x8b, 8, 0],
            "gzip without name or comment"
        );
        assert_eq!(written[4..8], [0; 4], "no time in the header");
        assert_eq!(written[8], 4, "fastest level, as Go's");
        let mut bytes = Vec::new();
        let mut one_member = flate2::bufread::GzDecoder::new(&written[..]);
        one_member.read_to_end(&mut bytes).unwrap();
        assert!(one_member.into_inner().is_empty(), "one member");
        let profile = Message::parse(&bytes);
        let strings = profile.bytes(6).into_iter();
        let strings = strings
            .map(|text| String::from_utf8(text.to_vec()).unwrap())
            .collect();
        Self { profile, strings }
    }

    fn text(&self, index: u64) -> &str {
        &self.strings[usize::try_from(index).unwrap()]
    }

    fn value_type(&self, message: &Message) -> (&str, &str) {
        (self.text(message.number(1)), self.text(message.number(2)))
    }
}

fn in_sequence(ids: &[u64]) -> bool {
    ids.iter().copied().eq(1..=ids.len() as u64)
}

#[test]
fn sample_types_period_and_default_are_go_s() {
    let encoded = Encoded::of(&synthetic::heap_profile());
    let types = encoded.profile.messages(1);
    let types: Vec<_> = types.iter().map(|t| encoded.value_type(t)).collect();
    assert_eq!(
        types,
        [
            ("alloc_objects", "count"),
            ("alloc_space", "bytes"),
            ("inuse_objects", "count"),
            ("inuse_space", "bytes"),
        ]
    );
    let period_types = encoded.profile.messages(11);
    assert_eq!(period_types.len(), 1);
    assert_eq!(encoded.value_type(&period_types[0]), ("space", "bytes"));
    assert_eq!(encoded.profile.number(12), 524_288);
    assert_eq!(encoded.text(encoded.profile.number(14)), "inuse_space");
}

#[test]
fn a_cumulative_profile_has_a_time_and_no_duration() {
    let encoded = Encoded::of(&synthetic::heap_profile());
    assert_eq!(encoded.profile.number(9), 1_750_000_000_123_456_789);
    assert!(encoded.profile.all(10).is_empty());
}

#[test]
fn ids_are_from_1_in_sequence_and_every_reference_is_in_range() {
    let encoded = Encoded::of(&synthetic::heap_profile());
    let profile = &encoded.profile;
    let [mappings, locations, functions] = [3, 4, 5].map(|number| profile.ids(number));
    assert!(in_sequence(&mappings) && in_sequence(&locations) && in_sequence(&functions));
    assert_eq!(
        (mappings.len(), locations.len(), functions.len()),
        (2, 3, 4)
    );
    for sample in profile.messages(2) {
        assert!(sample.packed(1).iter().all(|id| locations.contains(id)));
        assert_eq!(sample.packed(2).len(), 4);
        for label in sample.messages(3) {
            assert_ne!(label.number(1), 0, "Parca refuses a label without a key");
            assert_eq!(encoded.text(label.number(1)), "bytes");
        }
    }
    for location in profile.messages(4) {
        assert!(mappings.contains(&location.number(2)));
        for line in location.messages(4) {
            assert!(functions.contains(&line.number(1)));
        }
    }
}

#[test]
fn samples_carry_their_stack_values_and_label() {
    let encoded = Encoded::of(&synthetic::heap_profile());
    let samples = encoded.profile.messages(2);
    assert_eq!(samples[0].packed(1), [1, 2]);
    assert_eq!(samples[0].packed(2), [200, 204_800, 150, 153_600]);
    assert_eq!(samples[1].packed(1), [3, 2]);
    let labels = samples[1].messages(3);
    assert_eq!(labels.len(), 1);
    assert!(labels[0].all(2).is_empty(), "a number has no text");
    assert_eq!(labels[0].number(3), 1_048_576);
    assert_eq!(encoded.text(labels[0].number(4)), "bytes");
}

#[test]
fn the_string_table_begins_empty_and_lists_strings_once_as_they_are_met() {
    let encoded = Encoded::of(&synthetic::heap_profile());
    assert_eq!(encoded.strings[..4], ["", "space", "bytes", "inuse_space"]);
    let mut once = encoded.strings.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), encoded.strings.len());
}

#[test]
fn an_inlined_call_is_a_line_of_its_caller_s_location_innermost_first() {
    let encoded = Encoded::of(&synthetic::heap_profile());
    let locations = encoded.profile.messages(4);
    let addresses: Vec<u64> = locations.iter().map(|l| l.number(3)).collect();
    assert_eq!(
        addresses,
        [0x5555_5555_5010, 0x5555_5555_6020, 0x7fff_f7dc_1230]
    );
    let lines = locations[0].messages(4);
    let lines: Vec<_> = lines.iter().map(|l| (l.number(1), l.number(2))).collect();
    assert_eq!(lines, [(1, 2_957), (2, 41)]);
}

#[test]
fn a_function_has_both_its_names() {
    let encoded = Encoded::of(&synthetic::heap_profile());
    let functions = encoded.profile.messages(5);
    assert_eq!(
        encoded.text(functions[0].number(2)),
        synthetic::GENERIC_NAME
    );
    assert!(encoded.text(functions[0].number(3)).starts_with("_ZN97_"));
    assert_eq!(
        encoded.text(functions[0].number(4)),
        "/rustc/library/alloc/src/vec/mod.rs"
    );
}

#[test]
fn mappings_carry_range_offset_path_build_id_and_flags() {
    let encoded = Encoded::of(&synthetic::heap_profile());
    let mappings = encoded.profile.messages(3);
    let first = &mappings[0];
    assert_eq!(
        [2, 3, 4].map(|number| first.number(number)),
        [0x5555_5555_4000, 0x5555_5565_4000, 0x1000]
    );
    assert_eq!(encoded.text(first.number(5)), "/nonexistent/service");
    assert_eq!(encoded.text(first.number(6)), synthetic::BUILD_ID);
    assert_eq!([7, 8, 9, 10].map(|number| first.number(number)), [1; 4]);
    let second = &mappings[1];
    assert_eq!(
        [7, 8, 9, 10].map(|number| second.number(number)),
        [1, 0, 0, 0]
    );
}
