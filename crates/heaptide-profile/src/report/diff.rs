//! What has grown and what has shrunk between two profiles.
//!
//! The rows and percentages are those of `go tool pprof -top -diff_base`. The report does not say
//! whether a growth is more than chance, or whether it goes on: `leak` does.

use super::{
    text::Text,
    top::Top,
    view::{Granularity, View},
};
use crate::SampleType;
use crate::{
    Profile, Result,
    text::printable::printable,
    text::units::{Count, Instant, Nanos, Share, clamp},
};

/// The change from one profile to another.
///
/// # Examples
///
/// ```
/// use heaptide_profile::{Profile, report::{Diff, Text}};
///
/// # let base = Profile {
/// #     sample_types: vec![heaptide_profile::ValueType::new("inuse_space", "bytes")],
/// #     ..Profile::default()
/// # };
/// # let new = base.clone();
/// let diff = Diff::new(&base, new.sample_type("inuse_space")?)?;
/// print!("{}", diff.text(&Text::default()));
/// # assert_eq!(diff.grown(), 0);
/// # Ok::<(), heaptide_profile::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Diff {
    /// The functions by their change: positive is more, negative is less. 100 percent is the total
    /// of the base. If the base is empty, it is the total of the new profile.
    pub top: Top,
    /// The sum of all samples of the base.
    pub base_total: i64,
    /// The sum of all samples of the new profile.
    pub new_total: i64,
    base_time_nanos: i64,
    new_time_nanos: i64,
}

impl Diff {
    /// The change of a sample type since an earlier profile, `base`.
    ///
    /// # Errors
    ///
    /// A mismatch if the profiles have different types, and as [`Profile::merge`].
    pub fn new(base: &Profile, new: SampleType<'_>) -> Result<Self> {
        Self::with(base, new, &View::default())
    }

    /// The same with a view: by line, by whole stack, as a share of another total.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with(base: &Profile, new: SampleType<'_>, view: &View) -> Result<Self> {
        let difference = new.profile().diff_keeping_base(base)?;
        let mut top = Top::count(difference.sample_type_at(new.index())?, view, true);
        // The sum of the two durations has no meaning.
        top.header.duration_nanos = 0;
        Ok(Self {
            top,
            base_total: total(base.sample_type_at(new.index())?),
            new_total: total(new),
            base_time_nanos: base.time_nanos,
            new_time_nanos: new.profile().time_nanos,
        })
    }

    /// The sum of the functions' own values that have grown.
    #[must_use]
    pub fn grown(&self) -> i64 {
        clamp(self.changes().filter(|&flat| flat > 0).sum())
    }

    /// The sum of the functions' own values that have shrunk: negative, or 0.
    #[must_use]
    pub fn shrunk(&self) -> i64 {
        clamp(self.changes().filter(|&flat| flat < 0).sum())
    }

    /// The report as text: header lines and a table, with signs.
    #[must_use]
    pub fn text(&self, text: &Text) -> String {
        let text = text.with_signs();
        let top = &self.top;
        let functions = |sign: i128| {
            let count = self.changes().filter(|flat| flat.signum() == sign).count();
            let one = match top.granularity {
                Granularity::Functions => "function",
                Granularity::Lines => "line",
                Granularity::Stacks => "stack",
            };
            let name = if count == 1 {
                one.into()
            } else {
                format!("{one}s")
            };
            format!("{} {name}", Count(i64::try_from(count).unwrap_or(i64::MAX)))
        };
        let mut lines = top.header.lines();
        lines.push(format!("Type: {}", printable(&top.value_type.kind)));
        lines.push(format!(
            "Base: {}{}",
            text.plain(&top.value_type, self.base_total),
            at(self.base_time_nanos)
        ));
        lines.push(format!(
            "New: {}{}{}",
            text.plain(&top.value_type, self.new_total),
            at(self.new_time_nanos),
            self.elapsed()
        ));
        lines.push(format!(
            "Grown: {} in {}",
            text.number(&top.value_type, self.grown()),
            functions(1)
        ));
        lines.push(format!(
            "Shrunk: {} in {}",
            text.number(&top.value_type, self.shrunk()),
            functions(-1)
        ));
        let net = clamp(i128::from(self.new_total) - i128::from(self.base_total));
        let share = Share {
            part: net,
            total: self.base_total,
        };
        let of_base = match self.base_total {
            0 => "the base is empty".to_owned(),
            _ => format!("{share:+} of the base"),
        };
        lines.push(format!(
            "Net: {}, {of_base}",
            text.number(&top.value_type, net)
        ));
        text.render(lines, top)
    }

    fn changes(&self) -> impl Iterator<Item = i128> {
        self.top.rows.iter().map(|row| i128::from(row.flat))
    }

    fn elapsed(&self) -> String {
        if self.base_time_nanos == 0 || self.new_time_nanos == 0 {
            return String::new();
        }
        let span = self.new_time_nanos.saturating_sub(self.base_time_nanos);
        match span.signum() {
            0 => ", at the same time".to_owned(),
            1 => format!(", {} later", Nanos(span)),
            _ => format!(", {} earlier", Nanos(span.saturating_abs())),
        }
    }
}

fn at(time_nanos: i64) -> String {
    match time_nanos {
        0 => String::new(),
        time => format!(" at {}", Instant(time)),
    }
}

fn total(sample_type: SampleType<'_>) -> i64 {
    let samples = sample_type.profile().samples.iter();
    let values = samples.map(|sample| i128::from(sample_type.value_of(sample)));
    clamp(values.sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::example::profile;

    const BASE: &str = "
        main / cache / put = 9 9 9 6000
        main / load = 1 1 1 1000
        main / idle = 1 1 1 1000";
    const NEW: &str = "
        main / cache / put = 9 9 9 9000
        main / load = 1 1 1 400
        main / idle = 1 1 1 1000
        main / log = 1 1 1 48";

    #[test]
    fn growth_has_signs_and_relates_to_the_base() {
        let (mut base, mut new) = (profile(BASE, 0), profile(NEW, 0x4000));
        new.time_nanos += 3_600_000_000_000;
        for made in [&mut base, &mut new] {
            made.mappings[0].build_id = "".into();
            made.duration_nanos = 1;
        }
        let diff =
            Diff::new(&base, new.sample_type_at(3).expect("same types")).expect("same types");
        let expected = "\
File: server
Type: inuse_space
Base: 7.81 KiB at 2023-11-14 22:13:20 UTC
New: 10.20 KiB at 2023-11-14 23:13:20 UTC, 1h 0m later
Grown: +2.98 KiB in 2 functions
Shrunk: -600 B in 1 function
Net: +2.39 KiB, +30.60% of the base
Showing nodes accounting for +2.39 KiB, 30.60% of 7.81 KiB total
± is one standard error of sampling; of all together 42.69 KiB
     flat          ±   flat%    sum%        cum          ±    cum%  function
+2.93 KiB  38.71 KiB  37.50%  37.50%  +2.93 KiB  38.71 KiB  37.50%  put
   -600 B  17.32 KiB  -7.50%  30.00%     -600 B  17.32 KiB  -7.50%  load
    +48 B   4.90 KiB   0.60%  30.60%      +48 B   4.90 KiB   0.60%  log (new)
      0 B        0 B      0%  30.60%  +2.93 KiB  38.71 KiB  37.50%  cache
      0 B        0 B      0%  30.60%  +2.39 KiB  42.69 KiB  30.60%  main
";
        assert_eq!(diff.text(&Text::default()), expected);
        let plain = diff.top.text(&Text::default());
        assert!(!plain.contains("Duration"), "{plain}");
        let back =
            Diff::new(&new, base.sample_type_at(3).expect("same types")).expect("same types");
        assert_eq!((back.grown(), back.shrunk()), (600, -3048));
        let text = back.text(&Text::default().exact_numbers());
        assert!(
            text.contains("\nNew: 8000 at 2023-11-14 22:13:20 UTC, 1h 0m earlier\n"),
            "{text}"
        );
        assert!(text.contains("\nGrown: +600 in 1 function\n"), "{text}");
    }

    #[test]
    fn an_empty_base_gives_no_percentage_of_it() {
        let diff = Diff::new(
            &profile("", 0),
            profile(NEW, 0).sample_type_at(3).expect("same types"),
        )
        .expect("same types");
        assert_eq!(diff.top.total, 10448);
        let text = diff.text(&Text::default());
        assert!(
            text.contains("\nNet: +10.20 KiB, the base is empty\n"),
            "{text}"
        );
    }

    #[test]
    fn different_types_do_not_fit() {
        let (base, mut new) = (profile(BASE, 0), profile(NEW, 0));
        new.period_type = None;
        assert!(
            Diff::new(&base, new.sample_type_at(3).unwrap())
                .expect_err("types differ")
                .is_mismatch()
        );
        assert!(
            base.sample_type_at(9)
                .expect_err("no such type")
                .is_mismatch()
        );
    }
}
