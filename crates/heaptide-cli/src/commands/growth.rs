//! One look of `watch`: the total, and what has grown since the base.
//!
//! It has fewer columns than `diff`, so that names have room within 80 columns. It is text only;
//! `screen` draws it. A restart of the process is recognized here too.

use heaptide_profile::{
    Profile, SampleType,
    internal::units::{Bytes, Count, Instant, Nanos},
    report::{Diff, shorten, total},
};

use heaptide_profile::internal::printable;

/// One look.
pub(crate) struct Growth {
    diff: Diff,
    taken: i64,
    later: i64,
}

impl Growth {
    pub(crate) fn new(base: &Profile, now: SampleType<'_>) -> heaptide_profile::Result<Self> {
        let taken = now.profile().time_nanos;
        Ok(Self {
            diff: Diff::new(base, now)?,
            taken,
            later: taken.saturating_sub(base.time_nanos),
        })
    }

    /// Two lines and a table of at most `rows` rows.
    pub(crate) fn lines(&self, rows: usize) -> Vec<String> {
        let kind = &self.diff.top.value_type;
        let amount = |value: i64| match &*kind.unit {
            "bytes" => Bytes(value).to_string(),
            _ => Count(value).to_string(),
        };
        let signed = |value: i64| match &*kind.unit {
            "bytes" => format!("{:+}", Bytes(value)),
            _ if value > 0 => format!("+{}", Count(value)),
            _ => Count(value).to_string(),
        };
        let error = |error: Option<f64>| match error {
            Some(error) => amount(Bytes::nearest(error).0),
            None => String::new(),
        };
        let growth = self.diff.new_total.saturating_sub(self.diff.base_total);
        let all = self
            .diff
            .top
            .estimate
            .map(|estimate| estimate.standard_error);
        let all = all.map_or_else(String::new, |all| format!(" ± {}", error(Some(all))));
        let later = match self.later {
            0 => "the base".into(),
            later => format!("{} after the base", Nanos(later)),
        };
        let mut lines = vec![
            format!("{}, {later}", Instant(self.taken)),
            format!(
                "{}: {}, {}{all} since the base",
                printable(&kind.kind),
                amount(self.diff.new_total),
                signed(growth)
            ),
        ];
        let grown: Vec<_> = self
            .diff
            .top
            .rows
            .iter()
            .filter(|row| row.flat > 0)
            .collect();
        if grown.is_empty() {
            lines.push("nothing has grown".into());
            return lines;
        }
        lines.push(format!("{:>12} {:>12}  function", "grown", "±"));
        for row in grown.iter().take(rows) {
            let of_row = row.estimates.map(|estimates| estimates.flat.standard_error);
            lines.push(format!(
                "{:>12} {:>12}  {}",
                signed(row.flat),
                error(of_row),
                printable(&shorten(&row.name))
            ));
        }
        if grown.len() > rows {
            lines.push(format!("{:>27}and {} more", "", grown.len() - rows));
        }
        lines
    }
}

/// Whether two profiles are of two processes. The profiles may state it. If they do not, a restart
/// shows as a change that is impossible within one process: another load address, another build, or
/// fewer allocations than before.
pub(crate) fn is_restarted(before: &Profile, now: &Profile) -> bool {
    if let Some(is_same) = before.is_same_process_as(now) {
        return !is_same;
    }
    let place = |profile: &Profile| {
        let main = profile.mappings.first();
        main.map(|main| (main.start, main.build_id.clone()))
    };
    let allocated = |profile: &Profile| {
        let sample_type = profile.sample_type("alloc_objects").ok()?;
        Some(total(sample_type))
    };
    let fell = match (allocated(before), allocated(now)) {
        (Some(before), Some(now)) => now < before,
        _ => false,
    };
    place(before) != place(now) || fell
}

#[cfg(test)]
mod tests {
    use super::*;
    use heaptide_profile::{Mapping, Sample, ValueType};

    fn profile(start: u64, allocated: i64) -> Profile {
        Profile {
            sample_types: vec![ValueType::new("alloc_objects", "count")],
            samples: vec![Sample {
                values: vec![allocated],
                ..Sample::default()
            }],
            mappings: vec![Mapping {
                start,
                ..Mapping::default()
            }],
            ..Profile::default()
        }
    }

    #[test]
    fn a_restart_is_distinguished_from_growth() {
        assert!(!is_restarted(&profile(1, 5), &profile(1, 5)));
        assert!(!is_restarted(&profile(1, 5), &profile(1, 6)));
        assert!(
            is_restarted(&profile(1, 5), &profile(1, 4)),
            "no process unallocates"
        );
        assert!(
            is_restarted(&profile(1, 5), &profile(2, 6)),
            "loaded at another address"
        );
        let of = |pid: u32, allocated| Profile {
            comments: vec![format!("#heaptide process: pid={pid} start=5.00").into()],
            ..profile(1, allocated)
        };
        assert!(is_restarted(&of(1, 5), &of(2, 6)), "it says so");
        assert!(
            !is_restarted(&of(1, 5), &of(1, 4)),
            "it says that it is not"
        );
    }
}
