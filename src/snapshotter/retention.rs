//! Which snapshot files are removed; a pure function from names and sizes to names.
//!
//! The series has one count. The files kept separately, peaks and those taken under memory
//! pressure, have another. So the pressure files of a service that restarts often do not push out
//! its series, nor the series them. The limit in bytes is for all files, and the series goes first.

use super::{
    name::{SnapshotName, Stamp},
    reason::{Rank, Reason},
};

/// How many files and bytes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeepLimits {
    /// Files of the series, and as many of those kept separately.
    pub(super) files: usize,
    /// Bytes of all files.
    pub(super) bytes: u64,
}

impl Default for KeepLimits {
    /// Two hours of one file a minute, and as much as a small volume holds.
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

/// Tells the files of one snapshotter, from its start to its end, from all others.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnFiles {
    pub(super) process: u32,
    /// The latest stamp in the folder when the snapshotter started; its own stamps are later.
    ///
    /// Process ids do not tell it from earlier ones: in a container they are often 1 for all
    /// restarts.
    pub(super) before: Option<Stamp>,
    /// The stamp of the snapshotter's last file.
    pub(super) last: Option<Stamp>,
}

impl OwnFiles {
    /// Whether this snapshotter wrote the file.
    fn wrote(&self, name: &SnapshotName) -> bool {
        name.process == self.process && Some(name.stamp) > self.before
    }
}

impl KeepLimits {
    /// The files to remove, in the order of removal.
    ///
    /// The newest file of all stays, and so does the last file of `own`. These two may differ if
    /// clocks differ.
    pub(super) fn surplus(
        &self,
        mut entries: Vec<SnapshotFile>,
        own: OwnFiles,
    ) -> Vec<SnapshotName> {
        entries.sort_by_key(|entry| (entry.name.reason.rank(), order(entry)));
        let newest = entries.iter().map(order).max();
        let is_rotating = |entry: &SnapshotFile| entry.name.reason.rank() == Rank::Rotating;
        let rotating = entries.iter().filter(|entry| is_rotating(entry)).count();

        let (old_peaks, mut stay): (Vec<_>, Vec<_>) =
            (0..entries.len()).partition(|at| is_old_peak(&entries, *at, own));
        let mut going = old_peaks;
        let mut separate = stay.len() - rotating;
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
                &mut separate
            };
            let is_last = own.wrote(&entry.name) && Some(entry.name.stamp) == own.last;
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

/// The sort key: oldest first, and at equal times by process and reason.
fn order(entry: &SnapshotFile) -> (Stamp, u32, String) {
    let name = &entry.name;
    (name.stamp, name.process, name.reason.to_string())
}

/// Whether this is a peak of the own snapshotter that a later one has replaced.
///
/// Peaks of other snapshotters are evidence of how they ended, so they stay. The files are sorted,
/// so a later peak comes later.
fn is_old_peak(entries: &[SnapshotFile], at: usize, own: OwnFiles) -> bool {
    let Some((entry, later)) = entries.get(at..).and_then(<[SnapshotFile]>::split_first) else {
        return false;
    };
    let is_own_peak =
        |entry: &SnapshotFile| entry.name.reason == Reason::Peak && own.wrote(&entry.name);
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

    /// A snapshotter in process 1 that found an empty folder.
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
    fn the_series_is_removed_oldest_first_and_leaves_peak_and_pressure() {
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
        // By bytes: first the series, then the pressure files, but not the newest file of all.
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
    fn a_new_peak_replaces_the_last_peak_of_the_same_process() {
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
        assert_eq!(gone(keep, &entries), [0, 1], "the count holds too");
    }

    #[test]
    fn a_peak_replaces_no_peak_from_before_the_start() {
        let entries = [
            entry(0, 1, Reason::Peak, 1),
            entry(1, 1, Reason::Peak, 1),
            entry(2, 1, Reason::Peak, 1),
            entry(3, 1, Reason::Peak, 1),
        ];
        let own = OwnFiles {
            before: Some(stamp(1)),
            ..FIRST
        };
        let surplus = KeepLimits::default().surplus(entries.to_vec(), own);
        assert_eq!(surplus, [entries[2].name.clone()]);
    }

    #[test]
    fn the_file_just_written_stays_even_if_other_clocks_are_ahead() {
        let keep = KeepLimits { files: 1, bytes: 1 };
        let entries = [
            entry(0, 1, Reason::Interval, 1),
            entry(1, 1, Reason::Interval, 1),
            entry(2, 2, Reason::Interval, 1),
            entry(3, 2, Reason::Interval, 1),
        ];
        let own = OwnFiles {
            last: Some(stamp(1)),
            ..FIRST
        };
        let surplus = keep.surplus(entries.to_vec(), own);
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
        fn kept_files_are_within_bounds_and_removal_is_in_order(
            entries in folders().prop_shuffle(),
            files in 1..8usize,
            bytes in 0..1500u64,
            before in prop::option::of((0..30u64).prop_map(stamp)),
        ) {
            let own = OwnFiles { before, ..FIRST };
            let surplus = KeepLimits { files, bytes }.surplus(entries.clone(), own);
            let goes = |entry: &SnapshotFile| surplus.contains(&entry.name);
            let (left, kept): (Vec<_>, Vec<_>) = entries.iter().cloned().partition(goes);
            prop_assert_eq!(left.len(), surplus.len(), "each removed file existed, once");
            let newest = entries.iter().map(|entry| entry.name.stamp).max();
            prop_assert!(left.iter().all(|entry| Some(entry.name.stamp) != newest));

            // The bounds hold, except that the newest file alone may exceed the bytes.
            let rank = |entry: &SnapshotFile| entry.name.reason.rank();
            let rotating = kept.iter().filter(|entry| rank(entry) == Rank::Rotating).count();
            prop_assert!(rotating <= files);
            prop_assert!(kept.len() - rotating <= files);
            let total: u64 = kept.iter().map(|entry| entry.bytes).sum();
            prop_assert!(total <= bytes || kept.len() == 1);

            // No removal is needless: putting the last removed file back breaks a bound.
            if let Some(last) = surplus.last() {
                let last = entries.iter().find(|entry| entry.name == *last).unwrap();
                let is_rotating = rank(last) == Rank::Rotating;
                let same = if is_rotating { rotating } else { kept.len() - rotating };
                let old_peak = |a: &SnapshotFile| rank(a) == Rank::Peak && entries.iter().any(|b| {
                    rank(b) == Rank::Peak && b.name.process == 1 && a.name.process == 1
                        && Some(a.name.stamp) > before && b.name.stamp > a.name.stamp
                });
                prop_assert!(same == files || total + last.bytes > bytes || old_peak(last));

                // Peaks and pressure files are removed for bytes only after all of the series but
                // its newest file.
                let over_bytes = same < files && !old_peak(last) && !is_rotating;
                let older = kept.iter().filter(|entry| rank(entry) == Rank::Rotating);
                prop_assert!(!over_bytes || older.count() <= 1);
            }
            // The newest files of the series stay.
            let of = |all: &[SnapshotFile]| -> Vec<Stamp> {
                let rotating = all.iter().filter(|entry| rank(entry) == Rank::Rotating);
                rotating.map(|entry| entry.name.stamp).collect()
            };
            let last = of(&left).into_iter().max();
            let first = of(&kept).into_iter().min();
            if let (Some(last), Some(first)) = (last, first) {
                prop_assert!(last < first);
            }
        }
    }
}
