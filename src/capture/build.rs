//! From a [`Snapshot`] to a [`Profile`] of raw addresses.
//!
//! Weights are summed and rounded here, and laid out as Go lays out a heap profile.

use super::snapshot::Snapshot;
use crate::record::{Bucket, BucketId};
#[cfg(any(test, feature = "http"))]
use heaptide_profile::internal::sampling_law::probability;
use heaptide_profile::internal::{BYTES_LABEL, INTERVAL_LABEL, SAMPLE_TYPES};
use heaptide_profile::{
    Function, FunctionId, Label, LabelValue, Line, Location, LocationId, Profile, Sample, ValueType,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::SystemTime,
};

/// The heap profile of a snapshot, which viewers open on `inuse_space`: what is live now.
///
/// Locations carry addresses only.
pub(super) fn heap(snapshot: &Snapshot) -> Profile {
    build(snapshot, "inuse_space")
}

/// The same samples as a profile that viewers open on `alloc_space`: everything ever allocated.
pub(super) fn allocs(snapshot: &Snapshot) -> Profile {
    build(snapshot, "alloc_space")
}

/// The sampled blocks themselves, without their weights.
///
/// The old text form counts them. Its readers estimate themselves, from the period and each row's
/// mean size. Blocks that were sampled at another interval than the period count more or less
/// often, so that such a reader gets the right estimate.
#[cfg(any(test, feature = "http"))]
pub(super) fn sampled(snapshot: &Snapshot) -> Profile {
    let period = snapshot.period();
    build_with(snapshot, "inuse_space", |size| probability(size, period))
}

fn build(snapshot: &Snapshot, default_sample_type: &str) -> Profile {
    build_with(snapshot, default_sample_type, |_| 1.0)
}

/// A profile in which `part` says how much a block of a size counts.
fn build_with(
    snapshot: &Snapshot,
    default_sample_type: &str,
    part: impl Fn(f64) -> f64,
) -> Profile {
    let mut builder = Builder::new(snapshot);
    let mut inuse: HashMap<BucketId, (f64, f64)> = HashMap::new();
    for live in snapshot.live() {
        let sums = inuse.entry(live.bucket).or_default();
        let size = live.size as f64;
        let counts = live.weight * part(size);
        sums.0 += counts;
        sums.1 += counts * size;
    }
    let mut buckets: Vec<&Bucket> = snapshot.buckets().iter().collect();
    buckets.sort_unstable_by_key(|bucket| bucket.id);
    for bucket in buckets {
        let inuse = inuse.get(&bucket.id).copied().unwrap_or_default();
        // Blocks of one size group differ by a fifth at most.
        let counts = part(bucket.bytes / bucket.objects);
        let alloc = (bucket.objects * counts, bucket.bytes * counts);
        builder.add(snapshot, bucket, alloc, inuse);
    }
    builder.top_up();

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

struct Builder<'a> {
    profile: Profile,
    locations: HashMap<usize, Option<LocationId>>,
    markers: BTreeMap<usize, &'static str>,
    bytes_key: Arc<str>,
    interval_key: Arc<str>,
    stacks: BTreeMap<&'a [usize], StackSums>,
}

/// The samples of one stack so far, and the remainder of rounding in each column.
#[derive(Debug, Default)]
struct StackSums {
    samples: Vec<usize>,
    left_over: [RoundingRemainder; 4],
}

impl<'a> Builder<'a> {
    fn new(snapshot: &Snapshot) -> Self {
        Self {
            profile: Profile::default(),
            locations: HashMap::new(),
            markers: snapshot.markers().collect(),
            bytes_key: BYTES_LABEL.into(),
            interval_key: INTERVAL_LABEL.into(),
            stacks: BTreeMap::new(),
        }
    }

    fn add(
        &mut self,
        snapshot: &'a Snapshot,
        bucket: &Bucket,
        alloc: (f64, f64),
        inuse: (f64, f64),
    ) {
        let stack = snapshot.stack(bucket);
        let sums = self.stacks.entry(stack).or_default();
        sums.samples.push(self.profile.samples.len());
        let [alloc_objects, alloc_bytes, inuse_objects, inuse_bytes] = &mut sums.left_over;
        let alloc = (
            alloc_objects.round(alloc.0, i64::MAX),
            alloc_bytes.round(alloc.1, i64::MAX),
        );
        let inuse = (
            inuse_objects.round(inuse.0, alloc.0),
            inuse_bytes.round(inuse.1, alloc.1),
        );
        let mut labels = vec![self.number(&self.bytes_key, bucket.size_group)];
        if bucket.interval != snapshot.period() {
            labels.push(self.number(&self.interval_key, bucket.interval));
        }
        let locations = stack.iter().filter_map(|address| self.location(*address));
        let sample = Sample {
            locations: locations.collect(),
            values: vec![alloc.0, alloc.1, inuse.0, inuse.1],
            labels,
        };
        self.profile.samples.push(sample);
    }

    /// Adds the 1 that rounding may have taken from a stack's inuse columns.
    ///
    /// It is missing if groups had to stay within what was allocated of them. The first group with
    /// room for it gets it.
    fn top_up(&mut self) {
        const ALLOC_AND_INUSE: [(usize, usize); 2] = [(0, 2), (1, 3)];
        for stack in self.stacks.values() {
            for (alloc, inuse) in ALLOC_AND_INUSE {
                if !stack.left_over.get(inuse).is_some_and(|left| left.0 > 0.5) {
                    continue;
                }
                let has_room = |at: &&usize| {
                    let values = self.profile.samples.get(**at).map(|s| &s.values);
                    values.is_some_and(|v| v.get(inuse) > Some(&0) && v.get(inuse) < v.get(alloc))
                };
                let at = stack.samples.iter().find(has_room).copied();
                let sample = at.and_then(|at| self.profile.samples.get_mut(at));
                if let Some(value) = sample.and_then(|s| s.values.get_mut(inuse)) {
                    *value = value.saturating_add(1);
                }
            }
        }
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
            // The call lies before its return address.
            address: (address as u64).saturating_sub(1),
            lines: lines.into_iter().collect(),
            ..Location::default()
        });
        self.locations.insert(address, id);
        id
    }
}

/// What the profiler states about itself for people, and its process for machines.
fn comments(snapshot: &Snapshot) -> Vec<Arc<str>> {
    let lost = snapshot.lost();
    // Each loss, with the wording for one and for several.
    let losses = [
        (
            lost.samples,
            "sampled allocation in no column",
            "sampled allocations in no column",
        ),
        (
            lost.live,
            "sampled allocation not in the inuse columns",
            "sampled allocations not in the inuse columns",
        ),
        (
            lost.stacks,
            "sampled allocation without its own stack",
            "sampled allocations without their own stack",
        ),
        (
            lost.frees,
            "free of a sampled block (it stays in the inuse columns)",
            "frees of sampled blocks (they stay in the inuse columns)",
        ),
    ];
    let mut comments: Vec<Arc<str>> = losses
        .into_iter()
        .filter(|(count, _, _)| *count > 0)
        .map(|(count, one, many)| {
            let what = if count == 1 { one } else { many };
            format!("heaptide lost {count} {what}").into()
        })
        .collect();
    if snapshot.sample_interval() == 0 {
        comments.push("heaptide is not recording: the sample interval is 0".into());
    }
    if snapshot.is_environment_ignored() {
        comments.push("heaptide ignored HEAPTIDE_SAMPLE_INTERVAL: not a number of bytes".into());
    }
    if snapshot.is_small_unsampled() {
        comments.push(
            "heaptide left blocks below 64 KiB unsampled (mark_small(false)): every value covers \
             only \
             larger and over-aligned blocks"
                .into(),
        );
    }
    comments.push(snapshot.process().to_string().into());
    comments
}

/// The remainder that rounding the groups of a stack has left so far: estimates less numbers in the
/// file.
///
/// Estimates are rounded when they become numbers in a file. The fraction that one size group of a
/// stack leaves is passed to the next. So the groups add up to the stack's own sum, rounded,
/// whatever their number.
///
/// Halves are rounded away from zero. So a stack's sum in the alloc columns never falls, since it
/// only grows. The share of one group may fall by 1 when a group before it grows. Go cuts fractions
/// off instead, and shows one block of 512 KiB as 1 object where the estimate is 1.58.
#[derive(Clone, Copy, Debug, Default)]
struct RoundingRemainder(f64);

impl RoundingRemainder {
    /// The next group's number. It is at most `most`, what was ever allocated of the group, and 0
    /// for an empty group.
    fn round(&mut self, estimate: f64, most: i64) -> i64 {
        if estimate <= 0.0 {
            return 0;
        }
        let wanted = estimate + self.0;
        let rounded = whole(wanted).clamp(0, most);
        self.0 = wanted - rounded as f64;
        rounded
    }
}

/// The nearest whole number. Halves are rounded away from zero.
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
    use crate::record::LiveSample;

    /// Two stacks that share a caller, one of them with a marker at its root. They were drawn at
    /// two intervals and copied out of order.
    fn snapshot() -> Snapshot {
        let marker = snapshot_marker();
        let bucket = |id, addresses, size_group, interval, objects, bytes| Bucket {
            id: BucketId::for_test(id),
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
            bucket: BucketId::for_test(id),
        };
        Snapshot::for_test(
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
        let none = Snapshot::for_test(1, vec![], vec![], vec![], crate::Lost::default());
        none.markers().next().unwrap()
    }

    #[test]
    fn buckets_become_samples_weighted_rounded_and_in_order() {
        let profile = heap(&snapshot());
        let values: Vec<_> = profile.samples.iter().map(|s| s.values.clone()).collect();
        // By rounding, the first would have more live bytes than were ever allocated. It shows
        // those.
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
    fn samples_are_counts_and_a_reader_estimates_the_rest() {
        let period = 524_288_u64;
        let mut snapshot = snapshot();
        let weight = |size: f64, interval: u64| 1.0 / probability(size, interval);
        // Two stacks at the period, with 5 and 3 samples, and one at an interval of 64 KiB, with
        // 400.
        let bucket = |id, at: usize, size: f64, interval, samples: u64| Bucket {
            id: BucketId::for_test(id),
            addresses: at..at + 1,
            size_group: 1 << 20,
            interval,
            samples,
            objects: samples as f64 * weight(size, interval),
            bytes: samples as f64 * weight(size, interval) * size,
        };
        let live = |id, size: u64, interval| LiveSample {
            size,
            weight: weight(size as f64, interval),
            bucket: BucketId::for_test(id),
        };
        snapshot = Snapshot::for_test(
            period,
            vec![
                live(0, 700_000, period),
                live(0, 700_000, period),
                live(2, 1024, 65_536),
            ],
            vec![
                bucket(0, 0, 700_000.0, period, 5),
                bucket(1, 1, 64.0, period, 3),
                bucket(2, 2, 1024.0, 65_536, 400),
            ],
            snapshot
                .buckets()
                .iter()
                .flat_map(|b| snapshot.stack(b).to_vec())
                .collect(),
            crate::Lost::default(),
        );
        let profile = sampled(&snapshot);
        let values: Vec<_> = profile.samples.iter().map(|s| s.values.clone()).collect();
        assert_eq!(values[0], [5, 3_500_000, 2, 1_400_000]);
        assert_eq!(values[1], [3, 192, 0, 0]);
        // 400 at 64 KiB stand for 25,800.5 blocks. 50.34 of them would be sampled at 512 KiB.
        assert_eq!(values[2], [50, 51_551, 0, 129]);
    }

    /// Groups of one stack: the second one gets the fractions of the first.
    #[test]
    fn the_parts_of_a_stack_add_up() {
        let groups = [1.4, 1.4, 1.4, 2.3, 1.4, 1.4];
        let bucket = |id: u32, weight: f64| Bucket {
            id: BucketId::for_test(id),
            addresses: 0..1,
            size_group: u64::from(id) + 1,
            interval: 1024,
            samples: 1,
            objects: weight,
            bytes: weight * f64::from(id + 1),
        };
        let live = |id: u32, weight| LiveSample {
            size: u64::from(id) + 1,
            weight,
            bucket: BucketId::for_test(id),
        };
        let all = || (0..).zip(groups);
        let snapshot = Snapshot::for_test(
            1024,
            // The third group was freed.
            all()
                .filter(|(id, _)| *id != 2)
                .map(|(id, w)| live(id, w))
                .collect(),
            all().map(|(id, w)| bucket(id, w)).collect(),
            vec![0x1001],
            crate::Lost::default(),
        );
        let profile = heap(&snapshot);
        let mut sums = [0; 4];
        for sample in &profile.samples {
            assert!(sample.values[2] <= sample.values[0] && sample.values[3] <= sample.values[1]);
            for (sum, value) in sums.iter_mut().zip(&sample.values) {
                *sum += value;
            }
        }
        let bytes: f64 = (1..).zip(groups).map(|(size, w)| f64::from(size) * w).sum();
        assert_eq!(sums, [9, whole(bytes), 8, whole(bytes - 3.0 * 1.4)]);
        assert_eq!(profile.samples[2].values[2..], [0, 0]);
    }

    #[test]
    fn locations_are_calls_and_shared_and_markers_have_names() {
        let profile = heap(&snapshot());
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
        let heap = heap(&snapshot());
        assert_eq!(heap.period, 1024, "also while nothing is recorded");
        assert_eq!(heap.time_nanos, 1_700_000_000_000_000_007);
        assert_eq!(&*heap.default_sample_type, "inuse_space");
        let allocs = allocs(&snapshot());
        assert_eq!(&*allocs.default_sample_type, "alloc_space");
        assert_eq!(allocs.samples, heap.samples);
        let comments: Vec<_> = heap.comments.iter().map(|c| &**c).collect();
        assert_eq!(
            comments,
            [
                "heaptide lost 3 sampled allocations in no column",
                "heaptide lost 1 free of a sampled block (it stays in the inuse columns)",
                "heaptide is not recording: the sample interval is 0",
                "heaptide ignored HEAPTIDE_SAMPLE_INTERVAL: not a number of bytes",
                "heaptide left blocks below 64 KiB unsampled (mark_small(false)): every value \
                 covers \
                 only larger and over-aligned blocks",
                "#heaptide process: pid=42 start=1600000000.25",
            ]
        );
    }
}
