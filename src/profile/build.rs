//! From a [`Snapshot`] to a [`Profile`] of raw addresses: the place where weights are summed, rounded
//! and laid out as Go lays out a heap profile.

use super::{
    Function, FunctionId, Label, LabelValue, Line, Location, LocationId, Profile, Sample, ValueType,
};
use crate::Snapshot;
use crate::snapshot::{Bucket, BucketId};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::SystemTime,
};

/// Names and units of a heap profile's columns, in Go's order. Consumers know them by position too.
const SAMPLE_TYPES: [(&str, &str); 4] = [
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
];

/// Key of the label that says the size group of a sample's blocks.
pub(super) const BYTES_LABEL: &str = "bytes";
/// Key of the label of samples that were drawn at another interval than the profile's period.
pub(super) const INTERVAL_LABEL: &str = "sample_interval";

impl Profile {
    /// The heap profile of a snapshot, which viewers open on `inuse_space`: what is live now.
    ///
    /// Locations carry addresses only; mappings and names are added by [`ProfileOptions`](crate::ProfileOptions).
    #[must_use]
    pub fn heap(snapshot: &Snapshot) -> Self {
        build(snapshot, "inuse_space")
    }

    /// The same samples as a profile that viewers open on `alloc_space`: all that was ever allocated.
    #[must_use]
    pub fn allocs(snapshot: &Snapshot) -> Self {
        build(snapshot, "alloc_space")
    }
}

fn build(snapshot: &Snapshot, default_sample_type: &str) -> Profile {
    let mut builder = Builder::new(snapshot);
    let mut inuse: HashMap<BucketId, (f64, f64)> = HashMap::new();
    for live in snapshot.live() {
        let sums = inuse.entry(live.bucket).or_default();
        sums.0 += live.weight;
        sums.1 += live.weight * live.size as f64;
    }
    let mut buckets: Vec<&Bucket> = snapshot.buckets().iter().collect();
    buckets.sort_unstable_by_key(|bucket| bucket.id);
    for bucket in buckets {
        let (objects, bytes) = inuse.get(&bucket.id).copied().unwrap_or_default();
        builder.add(snapshot, bucket, objects, bytes);
    }

    let mut profile = builder.profile;
    profile.sample_types = SAMPLE_TYPES
        .map(|(kind, unit)| ValueType::new(kind, unit))
        .into();
    profile.default_sample_type = default_sample_type.into();
    profile.period_type = Some(ValueType::new("space", "bytes"));
    profile.period = whole(snapshot.period() as f64);
    let since_epoch = snapshot.taken_at().duration_since(SystemTime::UNIX_EPOCH);
    profile.time_nanos =
        since_epoch.map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX));
    profile.comments = comments(snapshot);
    profile
}

struct Builder {
    profile: Profile,
    locations: HashMap<usize, Option<LocationId>>,
    markers: BTreeMap<usize, &'static str>,
    bytes_key: Arc<str>,
    interval_key: Arc<str>,
}

impl Builder {
    fn new(snapshot: &Snapshot) -> Self {
        Self {
            profile: Profile::default(),
            locations: HashMap::new(),
            markers: snapshot.markers().collect(),
            bytes_key: BYTES_LABEL.into(),
            interval_key: INTERVAL_LABEL.into(),
        }
    }

    fn add(&mut self, snapshot: &Snapshot, bucket: &Bucket, objects: f64, bytes: f64) {
        let alloc = (whole(bucket.objects), whole(bucket.bytes));
        // Never more in use than allocated: the two sums were added up in different orders, and may
        // differ in the last bit, and so once rounded.
        let inuse = (whole(objects).min(alloc.0), whole(bytes).min(alloc.1));
        let mut labels = vec![self.number(&self.bytes_key, bucket.size_group)];
        if bucket.interval != snapshot.period() {
            labels.push(self.number(&self.interval_key, bucket.interval));
        }
        let stack = snapshot.stack(bucket);
        let locations = stack.iter().filter_map(|address| self.location(*address));
        let sample = Sample {
            locations: locations.collect(),
            values: vec![alloc.0, alloc.1, inuse.0, inuse.1],
            labels,
        };
        self.profile.samples.push(sample);
    }

    fn number(&self, key: &Arc<str>, value: u64) -> Label {
        Label {
            key: Arc::clone(key),
            value: LabelValue::Number {
                value: i64::try_from(value).unwrap_or(i64::MAX),
                unit: Arc::clone(&self.bytes_key),
            },
        }
    }

    /// The one location of a return address.
    fn location(&mut self, address: usize) -> Option<LocationId> {
        if let Some(known) = self.locations.get(&address) {
            return *known;
        }
        let lines = self.markers.get(&address).and_then(|name| {
            let function = FunctionId::new(self.profile.functions.len())?;
            self.profile.functions.push(Function {
                name: (*name).into(),
                ..Function::default()
            });
            Some(Line {
                function,
                line: 0,
                column: 0,
            })
        });
        let id = LocationId::new(self.profile.locations.len());
        self.profile.locations.push(Location {
            // The call lies before the address it returns to.
            address: (address as u64).saturating_sub(1),
            lines: lines.into_iter().collect(),
            ..Location::default()
        });
        self.locations.insert(address, id);
        id
    }
}

fn comments(snapshot: &Snapshot) -> Vec<Arc<str>> {
    let lost = snapshot.lost();
    let losses = [
        (lost.samples, "sampled allocations in no column"),
        (lost.live, "sampled allocations not in the inuse columns"),
        (lost.stacks, "sampled allocations without their own stack"),
        (
            lost.frees,
            "frees of sampled blocks (they stay in the inuse columns)",
        ),
    ];
    let mut comments: Vec<Arc<str>> = losses
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("heaptide lost {count} {what}").into())
        .collect();
    if snapshot.sample_interval() == 0 {
        comments.push("heaptide is not recording: the sample interval is 0".into());
    }
    if snapshot.is_environment_ignored() {
        comments.push("heaptide ignored HEAPTIDE_SAMPLE_INTERVAL: not a number of bytes".into());
    }
    if snapshot.is_small_unsampled() {
        comments.push(
            "heaptide left blocks below 64 KiB unsampled (mark_small(false)): every value covers only \
             larger and over-aligned blocks"
                .into(),
        );
    }
    comments
}

/// Rounds an estimate at the edge, where it becomes a number in a file: half away from zero, so that a
/// sum that only grows never falls. Go cuts fractions off, which shows one block of 512 KiB as 1 object
/// where 1.58 are meant.
fn whole(estimate: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounded, and saturating beyond the range of a profile's values"
    )]
    let whole = estimate.round() as i64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::LiveSample;

    /// Two stacks that share a caller, one of them with a marker at its root; drawn at two intervals,
    /// copied out of order.
    fn snapshot() -> Snapshot {
        let marker = snapshot_marker();
        let bucket = |id, addresses, size_group, interval, objects, bytes| Bucket {
            id: BucketId::planted(id),
            addresses,
            size_group,
            interval,
            samples: 2,
            objects,
            bytes,
        };
        let live = |id, size, weight| LiveSample {
            size,
            weight,
            bucket: BucketId::planted(id),
        };
        Snapshot::planted(
            1024,
            vec![live(1, 100, 0.9), live(0, 8, 2.6), live(1, 90, 0.9)],
            vec![
                bucket(1, 2..4, 112, 1024, 3.6, 360.6),
                bucket(0, 0..2, 8, 7, 2.5, 20.0),
                bucket(2, 3..4, 9, 1024, 1.0, 9.0),
            ],
            vec![0x1001, 0x2001, 0x2001, marker.0],
            crate::Lost {
                samples: 3,
                frees: 1,
                ..crate::Lost::default()
            },
        )
    }

    fn snapshot_marker() -> (usize, &'static str) {
        let none = Snapshot::planted(1, vec![], vec![], vec![], crate::Lost::default());
        none.markers().next().unwrap()
    }

    #[test]
    fn buckets_become_samples_weighted_rounded_and_in_order() {
        let profile = Profile::heap(&snapshot());
        let values: Vec<_> = profile.samples.iter().map(|s| s.values.clone()).collect();
        // The first has more live bytes by rounding than it ever had, and shows what it had.
        let expected = [vec![3, 20, 3, 20], vec![4, 361, 2, 171], vec![1, 9, 0, 0]];
        assert_eq!(values, expected);

        let labels = |sample: &Sample| -> Vec<(String, i64)> {
            let number = |label: &Label| match &label.value {
                LabelValue::Number { value, unit } => {
                    assert_eq!(&**unit, "bytes");
                    (label.key.to_string(), *value)
                }
                LabelValue::Text(text) => panic!("{text}"),
            };
            sample.labels.iter().map(number).collect()
        };
        let labels: Vec<_> = profile.samples.iter().map(labels).collect();
        let bytes = |value| ("bytes".to_owned(), value);
        let interval = |value| ("sample_interval".to_owned(), value);
        assert_eq!(
            labels,
            [
                vec![bytes(8), interval(7)],
                vec![bytes(112)],
                vec![bytes(9)]
            ],
            "the interval where it is not the period"
        );
    }

    #[test]
    fn locations_are_calls_and_shared_and_markers_have_names() {
        let profile = Profile::heap(&snapshot());
        let (marker, name) = snapshot_marker();
        let addresses: Vec<_> = profile.locations.iter().map(|l| l.address).collect();
        assert_eq!(addresses, [0x1000, 0x2000, marker as u64 - 1]);
        let [first, second, third] = &profile.samples[..] else {
            panic!("three buckets")
        };
        assert_eq!(first.locations[1], second.locations[0]);
        assert_eq!(third.locations, second.locations[1..]);
        let named: Vec<_> = profile.functions.iter().map(|f| &*f.name).collect();
        assert_eq!(named, [name]);
        let lines: Vec<_> = profile.locations.iter().map(|l| l.lines.len()).collect();
        assert_eq!(lines, [0, 0, 1]);
    }

    #[test]
    fn the_header_says_period_time_view_and_losses() {
        let heap = Profile::heap(&snapshot());
        assert_eq!(heap.period, 1024, "also while nothing is recorded");
        assert_eq!(heap.time_nanos, 1_700_000_000_000_000_007);
        assert_eq!(&*heap.default_sample_type, "inuse_space");
        let allocs = Profile::allocs(&snapshot());
        assert_eq!(&*allocs.default_sample_type, "alloc_space");
        assert_eq!(allocs.samples, heap.samples);
        let comments: Vec<_> = heap.comments.iter().map(|c| &**c).collect();
        assert_eq!(
            comments,
            [
                "heaptide lost 3 sampled allocations in no column",
                "heaptide lost 1 frees of sampled blocks (they stay in the inuse columns)",
                "heaptide is not recording: the sample interval is 0",
                "heaptide ignored HEAPTIDE_SAMPLE_INTERVAL: not a number of bytes",
                "heaptide left blocks below 64 KiB unsampled (mark_small(false)): every value covers \
                 only larger and over-aligned blocks",
            ]
        );
    }
}
