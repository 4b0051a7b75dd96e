//! Checks on the bytes of a response, by the rules of programs that scrape Go services.
//!
//! They are Grafana Alloy's rules for content and for deltas, Parca's validator, and `pprof`'s
//! own.

use bytes::Bytes;
use heaptide_profile::testing::protobuf::Message;
use http::Response;
use std::{
    collections::{BTreeMap, HashSet},
    io::Read,
};

/// Alloy accepts only this, and nothing as short as two bytes.
pub(crate) fn check_response(response: &Response<Bytes>) {
    assert!(response.status().is_success());
    let content_type = response.headers()["content-type"].to_str().unwrap();
    assert!(content_type.starts_with("application/octet-stream"));
    assert!(!response.headers().contains_key("content-encoding"));
    assert!(response.body().len() > 2);
    assert_eq!(response.body()[..2], [0x1f, 0x8b]);
}

/// The uncompressed bytes of a profile.
#[derive(Debug)]
pub(crate) struct Encoded {
    profile: Message,
    strings: Vec<String>,
}

/// Alloy and Parca identify a sample by its addresses and labels.
type Key = (Vec<u64>, Vec<(String, u64, String)>);

impl Encoded {
    pub(crate) fn read(body: &[u8]) -> Self {
        let mut plain = Vec::new();
        let mut gzip = flate2::read::GzDecoder::new(body);
        gzip.read_to_end(&mut plain).unwrap();
        let profile = Message::parse(&plain);
        let strings = profile.bytes(6).into_iter();
        let strings = strings.map(|s| String::from_utf8(s.to_vec()).unwrap());
        Self {
            strings: strings.collect(),
            profile,
        }
    }

    pub(crate) fn duration_nanos(&self) -> u64 {
        self.profile.number(10)
    }

    fn text(&self, index: u64) -> &str {
        let at = usize::try_from(index).unwrap();
        self.strings
            .get(at)
            .expect("the index is in the string table")
    }

    /// Parca's validator, and rules 1 to 7 and 13 of docs/profiles.md.
    pub(crate) fn check(&self) {
        assert_eq!(self.strings[0], "");
        let types = self.profile.messages(1);
        let names: Vec<String> = types
            .iter()
            .map(|t| format!("{}/{}", self.text(t.number(1)), self.text(t.number(2))))
            .collect();
        // Alloy's delta code assumes four columns without a check.
        assert_eq!(
            names,
            [
                "alloc_objects/count",
                "alloc_space/bytes",
                "inuse_objects/count",
                "inuse_space/bytes"
            ]
        );
        let period_type = &self.profile.messages(11)[0];
        assert_eq!(
            (
                self.text(period_type.number(1)),
                self.text(period_type.number(2))
            ),
            ("space", "bytes")
        );
        assert!(self.profile.number(12) > 0 && self.profile.number(9) > 0);
        for number in [3, 4, 5] {
            let ids = self.profile.ids(number);
            assert!(
                ids.iter().copied().eq(1..=ids.len() as u64),
                "ids of {number}"
            );
        }
        let count = |number| self.profile.bytes(number).len() as u64;
        let (mappings, locations, functions) = (count(3), count(4), count(5));
        let mut addresses = HashSet::new();
        for location in self.profile.messages(4) {
            assert!(location.number(2) <= mappings);
            let address = location.number(3);
            assert_ne!(address, 0, "addresses identify samples");
            assert!(addresses.insert(address), "one location for each address");
            for line in location.messages(4) {
                assert!((1..=functions).contains(&line.number(1)));
            }
        }
        for function in self.profile.messages(5) {
            let (name, symbol) = (function.number(2), function.number(3));
            assert_ne!(
                self.text(name),
                self.text(symbol),
                "pprof shortens a name that equals the system name"
            );
            self.text(function.number(4));
        }
        let samples = self.profile.messages(2);
        assert!(samples.len() <= 16_000, "Pyroscope's default limit");
        for sample in &samples {
            let ids = sample.packed(1);
            assert!(!ids.is_empty() && ids.iter().all(|id| (1..=locations).contains(id)));
            assert_eq!(sample.packed(2).len(), 4);
            for label in sample.messages(3) {
                assert_ne!(label.number(1), 0, "a label has a key");
                assert!(
                    label.all(2).is_empty(),
                    "Parca makes a series for each text label"
                );
            }
        }
        // Some programs would sum up a key that is given twice, others would overwrite it.
        assert_eq!(
            self.samples().len(),
            samples.len(),
            "one sample for each stack and label"
        );
    }

    fn samples(&self) -> BTreeMap<Key, Vec<u64>> {
        let locations = self.profile.messages(4);
        let address = |id: u64| locations[usize::try_from(id).unwrap() - 1].number(3);
        let samples = self.profile.messages(2);
        let keyed = samples.iter().map(|sample| {
            let stack = sample.packed(1).into_iter().map(address).collect();
            let labels = sample.messages(3);
            let labels = labels.iter().map(|label| {
                let (key, unit) = (self.text(label.number(1)), self.text(label.number(4)));
                (key.to_owned(), label.number(3), unit.to_owned())
            });
            ((stack, labels.collect()), sample.packed(2))
        });
        keyed.collect()
    }
}

/// The rule for deltas: no alloc column may fall, since Alloy subtracts. Returns how many samples
/// were there before, and by how many bytes all have grown.
pub(crate) fn check_growth(before: &Encoded, after: &Encoded) -> (usize, u64) {
    let (before, after) = (before.samples(), after.samples());
    let (mut matched, mut grown) = (0, 0);
    for key in before.keys() {
        assert!(
            after.contains_key(key),
            "the later profile has every earlier sample: {key:?}"
        );
    }
    for (key, now) in &after {
        let then = before.get(key);
        matched += usize::from(then.is_some());
        for column in [0, 1] {
            let then = then.map_or(0, |values| values[column]);
            let growth = now[column].checked_sub(then);
            let growth =
                growth.unwrap_or_else(|| panic!("{key:?} fell from {then} to {}", now[column]));
            grown += if column == 1 { growth } else { 0 };
        }
    }
    (matched, grown)
}
