//! The names of snapshot files: `heap-20261121T083455.123Z-4711-interval.pb.gz`.
//!
//! Names sort by time. They hold the process id and the reason, and distinguish snapshot files from
//! all other files in the folder.

use super::reason::Reason;
use heaptide_profile::internal::units;
use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

/// A time in UTC to the millisecond. Its text form sorts in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    /// Since the Unix epoch.
    millis: u64,
}

/// The name of a snapshot file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SnapshotName {
    pub(super) stamp: Stamp,
    pub(super) process: u32,
    pub(super) reason: Reason,
}

/// 9999-12-31T23:59:59.999Z, the last time whose year has four digits.
const LAST: u64 = 253_402_300_799_999;
const DAY: u64 = 86_400_000;

impl Stamp {
    /// The time, or a millisecond after `last` if that is later.
    ///
    /// So the names of one process keep their order when its clock is set back.
    pub(super) fn after(last: Option<Self>, time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since.as_millis()).unwrap_or(LAST);
        let earliest = last.map_or(0, |last| last.millis.saturating_add(1));
        Self {
            millis: now.max(earliest).min(LAST),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = |from: usize, to: usize| -> Option<i64> {
            let digits = text.get(from..to)?;
            let all = digits.bytes().all(|byte| byte.is_ascii_digit());
            all.then(|| digits.parse().ok()).flatten()
        };
        let (year, month, day) = (digits(0, 4)?, digits(4, 6)?, digits(6, 8)?);
        let (hour, minute, second) = (digits(9, 11)?, digits(11, 13)?, digits(13, 15)?);
        let days = units::days_from_civil(year, month, day);
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
        let millis = seconds * 1000 + digits(16, 19)?;
        let stamp = Self {
            millis: u64::try_from(millis).ok()?,
        };
        // Rejects other forms, such as other separators or a 13th month: they are not our files.
        (stamp.to_string() == text).then_some(stamp)
    }
}

impl SnapshotName {
    pub(super) fn parse(name: &str) -> Option<Self> {
        let inner = name.strip_prefix("heap-")?.strip_suffix(".pb.gz")?;
        let (stamp, rest) = inner.split_once('-')?;
        let (process, reason) = rest.split_once('-')?;
        let parsed = Self {
            stamp: Stamp::parse(stamp)?,
            process: process.parse().ok()?,
            reason: Reason::parse(reason)?,
        };
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.millis / DAY, self.millis % DAY);
        let (year, month, day) = units::civil(days.cast_signed());
        let (seconds, millis) = (rest / 1000, rest % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{millis:03}Z"
        )
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stamp,
            process,
            reason,
        } = self;
        write!(f, "heap-{stamp}-{process}-{reason}.pb.gz")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn stamp(millis: u64) -> Stamp {
        Stamp::after(None, UNIX_EPOCH + Duration::from_millis(millis))
    }

    #[test]
    fn a_name_holds_time_process_and_reason() {
        let name = SnapshotName {
            stamp: stamp(1_700_000_000_007),
            process: 4711,
            reason: Reason::Manual("before-deploy".into()),
        };
        let text = "heap-20231114T221320.007Z-4711-before-deploy.pb.gz";
        assert_eq!(name.to_string(), text);
        assert_eq!(SnapshotName::parse(text), Some(name));
    }

    #[test]
    fn other_files_are_not_snapshot_files() {
        for name in [
            "heap.pb.gz",
            "heap-001.pb.gz",
            "heap-20231114T221320.007Z-4711-peak.pb",
            "heap-20231114T221320.007Z-4711-.pb.gz",
            "heap-20231114T221320.007Z--1-peak.pb.gz",
            "heap-20231314T221320.007Z-1-peak.pb.gz",
            "heap-20231114T226320.007Z-1-peak.pb.gz",
            "heap-20231114T221320.0Z-1-peak.pb.gz",
            "heap-20231114T221320.007Z-01-peak.pb.gz",
            "heap-é0231114T221320.07Z-1-peak.pb.gz",
            "x-heap-20231114T221320.007Z-1-peak.pb.gz",
        ] {
            assert_eq!(SnapshotName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_change_the_order() {
        let late = stamp(5000);
        let next = Stamp::after(Some(late), UNIX_EPOCH + Duration::from_millis(7));
        assert_eq!(next, stamp(5001));
        assert_eq!(
            stamp(5001).to_string().cmp(&late.to_string()),
            std::cmp::Ordering::Greater
        );
    }

    proptest! {
        #[test]
        fn names_sort_by_time_and_are_parsed_back(a in 0..=LAST, b in 0..=LAST, process: u32) {
            let (first, second) = (stamp(a), stamp(b));
            prop_assert_eq!(first.to_string().cmp(&second.to_string()), a.cmp(&b));
            let name = SnapshotName { stamp: first, process, reason: Reason::Exit };
            prop_assert_eq!(SnapshotName::parse(&name.to_string()), Some(name));
        }

        #[test]
        fn any_text_is_parsed_without_a_panic(text in ".{0,60}") {
            if let Some(name) = SnapshotName::parse(&text) {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
