//! Which snapshot files have to go. Pure: names and sizes in, names out.
//!
//! Files of the rotation and files kept apart, the peaks and those taken under memory pressure, have each
//! their own count, so a restarting service's pressure snapshots do not push out its series, nor the
//! series them. A limit in bytes is over all, and there the rotation goes first.

use super::{
    name::{SnapshotName, Stamp},
    reason::{Rank, Reason},
};

/// How much may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeepLimits {
    /// Files of the rotation, and as many of those kept apart.
    pub(super) files: usize,
    /// Bytes of all.
    pub(super) bytes: u64,
}

impl Default for KeepLimits {
    /// Two hours of one a minute, and what a small volume holds.
    fn default() -> Self {
        Self {
            files: 120,
            bytes: 1 << 30,
        }
    }
}

/// A snapshot file in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SnapshotFile {
    pub(super) name: SnapshotName,
    pub(super) bytes: u64,
}

/// One snapshotter, from its start to its end: what it knows of its own files.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnFiles {
    pub(super) process: u32,
    /// The latest stamp in the folder when it started; its own are later. Process ids do not tell it from
    /// those before it: in a container they are often 1 for all restarts.
    pub(super) before: Option<Stamp>,
    /// The stamp of its last file.
    pub(super) last: Option<Stamp>,
}

impl OwnFiles {
    /// Whether it has written this file.
    fn wrote(&self, name: &SnapshotName) -> bool {
        name.process == self.process && Some(name.stamp) > self.before
    }
}

impl KeepLimits {
    /// The files that have to go, in the order in which they go. The newest of all never does, nor does the
    /// last of `run`, which may be another one if clocks differ.
    pub(super) fn surplus(
        &self,
        mut entries: Vec<SnapshotFile>,
        run: OwnFiles,
    ) -> Vec<SnapshotName> {
        entries.sort_by_key(|entry| (entry.name.reason.rank(), order(entry)));
        let newest = entries.iter().map(order).max();
        let is_rotating = |entry: &SnapshotFile| entry.name.reason.rank() == Rank::Rotating;
        let rotating = entries.iter().filter(|entry| is_rotating(entry)).count();

        let (old_peaks, mut stay): (Vec<_>, Vec<_>) =
            (0..entries.len()).partition(|at| is_old_peak(&entries, *at, run));
        let mut going = old_peaks;
        let mut apart = stay.len() - rotating;
        let mut series = rotating;
        let mut bytes: u64 = stay
            .iter()
            .filter_map(|at| entries.get(*at))
            .map(|entry| entry.bytes)
            .sum();
        stay.retain(|at| {
            let Some(entry) = entries.get(*at) else {
                return false;
            };
            let group = if is_rotating(entry) {
                &mut series
            } else {
                &mut apart
            };
            let is_last = run.wrote(&entry.name) && Some(entry.name.stamp) == run.last;
            let stays = is_last
                || Some(order(entry)) == newest
                || (*group <= self.files && bytes <= self.bytes);
            if !stays {
                *group -= 1;
                bytes -= entry.bytes;
                going.push(*at);
            }
            stays
        });
        let name = |at: usize| entries.get(at).map(|entry| entry.name.clone());
        going.into_iter().filter_map(name).collect()
    }
}

/// Oldest first; the name settles what the time leaves open.
fn order(entry: &SnapshotFile) -> (Stamp, u32, String) {
    let name = &entry.name;
    (name.stamp, name.process, name.reason.to_string())
}

/// A peak that this run has left behind; those of others are evidence of how they ended. The entries are
/// sorted, so a later peak comes later.
fn is_old_peak(entries: &[SnapshotFile], at: usize, run: OwnFiles) -> bool {
    let Some((entry, later)) = entries.get(at..).and_then(<[SnapshotFile]>::split_first) else {
        return false;
    };
    let is_own_peak =
        |entry: &SnapshotFile| entry.name.reason == Reason::Peak && run.wrote(&entry.name);
    is_own_peak(entry) && later.iter().any(is_own_peak)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshotter::limit_share::LimitShare;
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn stamp(millis: u64) -> Stamp {
        Stamp::after(None, UNIX_EPOCH + Duration::from_millis(millis))
    }

    /// Process 1, that found an empty folder.
    const FIRST: OwnFiles = OwnFiles {
        process: 1,
        before: None,
        last: None,
    };

    fn entry(millis: u64, process: u32, reason: Reason, bytes: u64) -> SnapshotFile {
        let stamp = stamp(millis);
        let name = SnapshotName {
            stamp,
            process,
            reason,
        };
        SnapshotFile { name, bytes }
    }

    fn limit() -> Reason {
        Reason::Limit(LimitShare::new(0.8).unwrap())
    }

    fn gone(keep: KeepLimits, entries: &[SnapshotFile]) -> Vec<u64> {
        let surplus = keep.surplus(entries.to_vec(), FIRST);
        let at = |name: &SnapshotName| entries.iter().position(|entry| entry.name == *name);
        surplus
            .iter()
            .map(|name| at(name).unwrap() as u64)
            .collect()
    }

    #[test]
    fn the_rotation_goes_oldest_first_and_leaves_peak_and_pressure() {
        let keep = KeepLimits {
            files: 2,
            bytes: u64::MAX,
        };
        let entries = [
            entry(0, 1, Reason::Peak, 10),
            entry(1, 1, limit(), 10),
            entry(2, 1, Reason::Interval, 10),
            entry(3, 1, Reason::Growth, 10),
            entry(4, 1, Reason::Interval, 10),
            entry(5, 1, Reason::Interval, 10),
        ];
        assert_eq!(gone(keep, &entries), [2, 3]);
        // By bytes: the rotation first and then the pressure, but not the newest of all.
        for (bytes, expected) in [
            (60, vec![]),
            (59, vec![2]),
            (30, vec![2, 3, 4]),
            (20, vec![2, 3, 4, 1]),
            (10, vec![2, 3, 4, 1, 0]),
            (0, vec![2, 3, 4, 1, 0]),
        ] {
            let files = 100;
            assert_eq!(
                gone(KeepLimits { files, bytes }, &entries),
                expected,
                "{bytes}"
            );
        }
    }

    #[test]
    fn a_new_peak_replaces_the_one_of_its_own_process() {
        let entries = [
            entry(0, 1, Reason::Peak, 1),
            entry(1, 2, Reason::Peak, 1),
            entry(2, 1, Reason::Peak, 1),
        ];
        assert_eq!(gone(KeepLimits::default(), &entries), [0]);
        let keep = KeepLimits {
            files: 1,
            bytes: u64::MAX,
        };
        assert_eq!(gone(keep, &entries), [0, 1], "and there are not too many");
    }

    #[test]
    fn a_peak_replaces_none_from_before_its_start() {
        let entries = [
            entry(0, 1, Reason::Peak, 1),
            entry(1, 1, Reason::Peak, 1),
            entry(2, 1, Reason::Peak, 1),
            entry(3, 1, Reason::Peak, 1),
        ];
        let run = OwnFiles {
            before: Some(stamp(1)),
            ..FIRST
        };
        let surplus = KeepLimits::default().surplus(entries.to_vec(), run);
        assert_eq!(surplus, [entries[2].name.clone()]);
    }

    #[test]
    fn what_was_just_written_stays_though_others_have_later_clocks() {
        let keep = KeepLimits { files: 1, bytes: 1 };
        let entries = [
            entry(0, 1, Reason::Interval, 1),
            entry(1, 1, Reason::Interval, 1),
            entry(2, 2, Reason::Interval, 1),
            entry(3, 2, Reason::Interval, 1),
        ];
        let run = OwnFiles {
            last: Some(stamp(1)),
            ..FIRST
        };
        let surplus = keep.surplus(entries.to_vec(), run);
        assert_eq!(surplus, [entries[0].name.clone(), entries[2].name.clone()]);
    }

    fn reasons() -> impl Strategy<Value = Reason> {
        prop_oneof![
            4 => Just(Reason::Interval),
            1 => Just(Reason::Manual("x".into())),
            2 => Just(limit()),
            1 => Just(Reason::Peak),
        ]
    }

    fn folders() -> impl Strategy<Value = Vec<SnapshotFile>> {
        let one = (0..3u32, reasons(), 0..100u64);
        prop::collection::vec(one, 0..30).prop_map(|all| {
            let numbered = all.into_iter().zip(0..);
            numbered
                .map(|((process, reason, bytes), millis)| entry(millis, process, reason, bytes))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn what_stays_is_within_bounds_and_what_goes_went_in_order(
            entries in folders().prop_shuffle(),
            files in 1..8usize,
            bytes in 0..1500u64,
            before in prop::option::of((0..30u64).prop_map(stamp)),
        ) {
            let run = OwnFiles { before, ..FIRST };
            let surplus = KeepLimits { files, bytes }.surplus(entries.clone(), run);
            let goes = |entry: &SnapshotFile| surplus.contains(&entry.name);
            let (left, kept): (Vec<_>, Vec<_>) = entries.iter().cloned().partition(goes);
            prop_assert_eq!(left.len(), surplus.len(), "each goes once and was there");
            let newest = entries.iter().map(|entry| entry.name.stamp).max();
            prop_assert!(left.iter().all(|entry| Some(entry.name.stamp) != newest));

            // Bounds. The newest may be one more than there should be.
            let rank = |entry: &SnapshotFile| entry.name.reason.rank();
            let rotating = kept.iter().filter(|entry| rank(entry) == Rank::Rotating).count();
            prop_assert!(rotating <= files);
            prop_assert!(kept.len() - rotating <= files);
            let total: u64 = kept.iter().map(|entry| entry.bytes).sum();
            prop_assert!(total <= bytes || kept.len() == 1);

            // Nothing goes in vain: putting the last one back breaks a bound.
            if let Some(last) = surplus.last() {
                let last = entries.iter().find(|entry| entry.name == *last).unwrap();
                let is_rotating = rank(last) == Rank::Rotating;
                let same = if is_rotating { rotating } else { kept.len() - rotating };
                let old_peak = |a: &SnapshotFile| rank(a) == Rank::Peak && entries.iter().any(|b| {
                    rank(b) == Rank::Peak && b.name.process == 1 && a.name.process == 1
                        && Some(a.name.stamp) > before && b.name.stamp > a.name.stamp
                });
                prop_assert!(same == files || total + last.bytes > bytes || old_peak(last));

                // Peaks and pressure go for bytes only when all of the rotation but the newest is gone.
                let over_bytes = same < files && !old_peak(last) && !is_rotating;
                let older = kept.iter().filter(|entry| rank(entry) == Rank::Rotating);
                prop_assert!(!over_bytes || older.count() <= 1);
            }
            // Of the rotation the newest stay.
            let of = |all: &[SnapshotFile]| -> Vec<Stamp> {
                let rotating = all.iter().filter(|entry| rank(entry) == Rank::Rotating);
                rotating.map(|entry| entry.name.stamp).collect()
            };
            if let (Some(last), Some(first)) = (of(&left).into_iter().max(), of(&kept).into_iter().min()) {
                prop_assert!(last < first);
            }
        }
    }
}
