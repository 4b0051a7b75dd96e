//! The functions that hold the most, by their own (flat) and their callees' (cum) values.
//!
//! Counting follows `go tool pprof -top` to the unit, so that both can be read side by side.
//! `tally` and `rows` make the rows, and `table` writes them.

use std::sync::Arc;

use super::{
    column::ReportColumn,
    header::Header,
    places::Places,
    rows::Rows,
    tally::Tally,
    text::Text,
    view::{Granularity, View},
};
use crate::SampleType;
use crate::{Estimate, Sample, ValueType, text::printable::printable, text::units::clamp};

/// The functions of a profile, the largest first.
///
/// [`with`](Self::with) also gives lines or whole stacks.
///
/// - A sample's value is *flat* for the innermost function of its stack. It is *cum* for each
///   function on the stack, once, however often the function recurs.
/// - Functions are told apart by name alone. Inlined calls are functions of their own.
/// - A place without a function name is shown by its address and the file mapped there,
///   `0x40 [server]`. Each address is a row. `pprof` sums these up for each file unless it is
///   called with `-addresses`.
/// - A profile's `drop_frames` are not applied.
///
/// # Examples
///
/// ```
/// use heaptide_profile::{Profile, report::{Text, Top}};
///
/// # let profile = Profile {
/// #     sample_types: vec![heaptide_profile::ValueType::new("inuse_space", "bytes")],
/// #     ..Profile::default()
/// # };
/// let top = Top::new(profile.sample_type("inuse_space")?);
/// for row in &top.rows {
///     println!("{} holds {} bytes", row.name, row.flat);
/// }
/// print!("{}", top.text(&Text::default()));
/// # assert_eq!(top.total, 0);
/// # Ok::<(), heaptide_profile::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Top {
    /// What the numbers are.
    pub value_type: ValueType,
    /// What 100 percent is: the sum of all samples, each taken as positive. If samples are labeled
    /// as a diff's base ([`Profile::diff_keeping_base`](crate::Profile::diff_keeping_base)), it is
    /// the sum of those, unless that is 0.
    pub total: i64,
    /// The sum of all samples with its error. In a diff it is the growth since the base. `None`
    /// where no sampling error is known, see [`SampleType::estimates`].
    pub estimate: Option<Estimate>,
    /// The functions by falling size of `flat`, then by name, then by falling size of `cum`, as in
    /// `pprof`. Functions that hold nothing are left out.
    pub rows: Vec<TopRow>,
    pub(super) granularity: Granularity,
    pub(super) header: Header,
    /// The reason why there are no errors, if a reader needs to know it.
    pub(super) no_errors: Option<String>,
}

/// A function in a [`Top`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TopRow {
    /// The function's name. For a line or a stack, with file and line.
    pub name: Arc<str>,
    /// The callers, innermost first. Only whole stacks have them.
    pub callers: Vec<Arc<str>>,
    /// What it holds itself.
    pub flat: i64,
    /// What it and all its callees hold.
    pub cum: i64,
    /// Whether the compiler inlined it into its callers.
    pub inlined: Inlined,
    /// Whether it is new or gone, in a difference.
    pub change: Change,
    /// The numbers with their errors; `None` where no sampling error is known.
    pub estimates: Option<RowEstimates>,
}

/// The numbers of a [`TopRow`] with their errors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RowEstimates {
    /// What the function holds itself.
    pub flat: Estimate,
    /// What it and all its callees hold.
    pub cum: Estimate,
}

/// Whether the calls of a function were inlined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Inlined {
    /// In no caller.
    #[default]
    Nowhere,
    /// In some callers.
    Partly,
    /// In all callers.
    Everywhere,
}

/// Whether something is in only one of two profiles that are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Change {
    /// It is in both, or nothing is compared.
    #[default]
    None,
    /// It is new: the base has nothing of it.
    Came,
    /// It is gone: only the base has it.
    Went,
}

impl Top {
    /// Sums up the values of each function.
    ///
    /// Sums are cut off at 64 bits. References that lead nowhere are left out. A profile that
    /// passes [`Profile::check`](crate::Profile::check) has none.
    #[must_use]
    pub fn new(sample_type: SampleType<'_>) -> Self {
        Self::with(sample_type, &View::default())
    }

    /// The same with a view.
    #[must_use]
    pub fn with(sample_type: SampleType<'_>, view: &View) -> Self {
        let is_difference = sample_type.profile().samples.iter().any(Sample::is_base);
        Self::count(sample_type, view, is_difference)
    }

    /// `is_difference` is needed too: the base may be empty.
    pub(super) fn count(sample_type: SampleType<'_>, view: &View, is_difference: bool) -> Self {
        let profile = sample_type.profile();
        let column = ReportColumn::of(sample_type);
        let places = Places::named(profile, view.granularity);
        let rows = Rows {
            view: *view,
            has_errors: column.has_errors(),
            is_difference,
        };
        let rows = if view.granularity == Granularity::Stacks {
            rows.of_stacks(&column, &places)
        } else {
            let mut tally = Tally::new(&places.locations, places.keys.len());
            for (sample, amount) in column.amounts() {
                tally.add(sample, amount);
            }
            let rows = rows.of_nodes(&tally, &places.keys);
            rows.into_iter().map(|(_, row)| row).collect()
        };
        Self {
            value_type: column.value_type.clone(),
            total: view.total.unwrap_or_else(|| total(sample_type)),
            estimate: column.estimate(),
            rows,
            granularity: view.granularity,
            header: Header::of(profile),
            no_errors: column.no_errors,
        }
    }

    /// The report as text: header lines and a table.
    #[must_use]
    pub fn text(&self, text: &Text) -> String {
        let mut lines = self.header.lines();
        lines.push(format!("Type: {}", printable(&self.value_type.kind)));
        lines.extend(self.header.time_line());
        lines.extend(self.header.duration_line());
        text.render(lines, self)
    }
}

/// What 100 percent of a profile is: the sum of all values of a sample type, each taken as
/// positive. If samples are labeled as a diff's base, it is the sum of those, unless that is 0.
#[must_use]
pub fn total(sample_type: SampleType<'_>) -> i64 {
    let (mut all, mut base) = (0_i128, 0);
    for sample in &sample_type.profile().samples {
        let value = i128::from(sample_type.value_of(sample)).abs();
        all += value;
        if sample.is_base() {
            base += value;
        }
    }
    clamp(if base == 0 { all } else { base })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profile;
    use crate::{Line, Location, LocationId, testing::example::profile};

    fn rows(text: &str) -> Vec<(String, i64, i64, Inlined)> {
        let profile = profile(text, 0);
        let top = Top::new(profile.sample_type_at(3).expect("four sample types"));
        let rows = top.rows.into_iter();
        rows.map(|row| (row.name.to_string(), row.flat, row.cum, row.inlined))
            .collect()
    }

    fn row(name: &str, flat: i64, cum: i64, inlined: Inlined) -> (String, i64, i64, Inlined) {
        (name.into(), flat, cum, inlined)
    }

    #[test]
    fn recursion_counts_once_and_the_leaf_is_flat() {
        use Inlined::Nowhere;
        let rows = rows("main / walk / walk / walk = 1 1 1 64\n main / walk / leaf = 1 1 1 8");
        let expected = [
            row("walk", 64, 72, Nowhere),
            row("leaf", 8, 8, Nowhere),
            row("main", 0, 72, Nowhere),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn inlined_calls_are_functions_and_marked() {
        use Inlined::{Everywhere, Nowhere, Partly};
        let rows = rows("main / a // b = 1 1 1 5\n main / b = 1 1 1 2\n main / c // d = 1 1 1 1");
        let expected = [
            row("b", 7, 7, Partly),
            row("d", 1, 1, Everywhere),
            row("a", 0, 5, Nowhere),
            row("c", 0, 1, Nowhere),
            row("main", 0, 8, Nowhere),
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn outermost_call_of_a_sample_decides_and_self_calls_do_not() {
        use Inlined::{Everywhere, Nowhere};
        let twice = rows("main / a // b / a / b = 1 1 1 1");
        let expected = [
            row("b", 1, 1, Everywhere),
            row("a", 0, 1, Nowhere),
            row("main", 0, 1, Nowhere),
        ];
        assert_eq!(twice, expected);
        let itself = rows("main / c // c = 1 1 1 1");
        let expected = [row("c", 1, 1, Nowhere), row("main", 0, 1, Nowhere)];
        assert_eq!(itself, expected);
    }

    #[test]
    fn addresses_stand_in_for_names() {
        let mut unnamed = profile("main / 0x40 = 1 1 1 5\n libz.so!0x40 = 1 1 1 2", 0);
        unnamed.functions[0].name = "".into();
        let symbol = std::mem::take(&mut unnamed.functions[0].system_name);
        unnamed.locations[2].mapping = None;
        let top = Top::new(unnamed.sample_type_at(3).expect("four sample types"));
        let names: Vec<&str> = top.rows.iter().map(|row| &*row.name).collect();
        let main = unnamed.locations[0].address;
        let main = format!("{main:#x} [server]");
        assert_eq!(
            names,
            ["0x50000040 [server]", "0x50200040 [unknown]", &*main]
        );
        unnamed.functions[0].system_name = symbol.clone();
        let top = Top::new(unnamed.sample_type_at(3).expect("four sample types"));
        assert!(top.rows.iter().any(|row| row.name == symbol), "{symbol}");
    }

    #[test]
    fn order_is_size_then_name_then_cum() {
        let rows = rows(
            "z / y = 1 1 1 -5\n b = 1 1 1 5\n a = 1 1 1 5\n x / w = 1 1 1 1\n x / v = 1 1 1 -1",
        );
        let names: Vec<&str> = rows.iter().map(|row| &*row.0).collect();
        // `x` holds nothing: its callees cancel.
        assert_eq!(names, ["a", "b", "y", "v", "w", "z"]);
        let text = "a / leaf = 1 1 1 5\n z / y = 1 1 1 -1\n z / leaf = 1 1 1 2";
        let by_cum = Top::with(
            profile(text, 0).sample_type_at(3).unwrap(),
            &View::default().by_cum(),
        );
        let names: Vec<&str> = by_cum.rows.iter().map(|row| &*row.name).collect();
        assert_eq!(names, ["leaf", "a", "y", "z"]);
    }

    #[test]
    fn rows_may_be_lines_or_whole_stacks() {
        let mut two = profile(
            "main / put = 1 1 1 5\n put = 1 1 1 2\n put / put = 1 1 1 4",
            0,
        );
        // One function at two lines.
        let line = two.locations[1].lines[0];
        two.locations.push(Location {
            lines: vec![Line { line: 7, ..line }],
            ..Location::default()
        });
        two.samples[1].locations = LocationId::new(2).into_iter().collect();
        let rows = |granularity| {
            let view = View::default().granularity(granularity);
            let top = Top::with(two.sample_type_at(3).expect("four sample types"), &view);
            assert_eq!(top.total, 11);
            let row = |row: TopRow| (row.name.to_string(), row.callers.len(), row.flat, row.cum);
            top.rows.into_iter().map(row).collect::<Vec<_>>()
        };
        let place = |at: usize| {
            let line = two.locations[at].lines[0];
            let function = &two.functions[line.function.index()];
            format!("{} {}:{}", function.name, function.file, line.line)
        };
        let (main, put, seven) = (place(0), place(1), place(2));
        assert!(seven.ends_with(":7") && seven != put);
        let expected = [
            (put.clone(), 0, 9, 9),
            (seven.clone(), 0, 2, 2),
            (main, 0, 0, 5),
        ];
        assert_eq!(rows(Granularity::Lines), expected);
        let expected = [(put.clone(), 1, 5, 5), (put, 1, 4, 4), (seven, 0, 2, 2)];
        assert_eq!(rows(Granularity::Stacks), expected);
        let expected = [("put".into(), 0, 11, 11), ("main".into(), 0, 0, 5)];
        assert_eq!(rows(Granularity::Functions), expected);
    }

    #[test]
    fn new_and_gone_rows_are_marked_in_a_difference() {
        let new = profile(
            "main / a = 1 1 1 5\n main / b = 1 1 1 0\n main / d = 1 1 1 1",
            0,
        );
        let base = profile(
            "main / a = 1 1 1 3\n main / c = 1 1 1 2\n main / d = 1 1 1 0",
            0,
        );
        let kept = new.diff_keeping_base(&base).expect("same types");
        let changes = |top: Top| {
            let rows = top.rows.into_iter();
            rows.map(|row| (row.name.to_string(), row.change))
                .collect::<Vec<_>>()
        };
        use Change::{Came, None, Went};
        let named = |rows: &[(&str, Change)]| {
            rows.iter()
                .map(|(name, change)| (String::from(*name), *change))
                .collect::<Vec<_>>()
        };
        let expected = [("a", None), ("c", Went), ("d", Came), ("main", None)];
        assert_eq!(
            changes(Top::new(kept.sample_type_at(3).expect("four sample types"))),
            named(&expected)
        );
        // The order of its samples does not matter, as in a difference that another tool saved.
        let mut turned = kept.clone();
        turned.samples.reverse();
        assert_eq!(
            changes(Top::new(
                turned.sample_type_at(3).expect("four sample types")
            )),
            named(&expected)
        );
        // Without a base nothing is compared.
        let alone = changes(Top::new(base.sample_type_at(3).expect("four sample types")));
        assert!(alone.iter().all(|(_, change)| *change == None));
    }

    #[test]
    fn a_part_is_a_share_of_the_whole() {
        let whole = profile("main / a = 1 1 1 5\n main / b = 1 1 1 3", 0);
        let part = whole.filter(&crate::Filter::default().focus(|name| name == "a"));
        let view = View::default().out_of(total(whole.sample_type_at(3).unwrap()));
        let top = Top::with(
            part.profile.sample_type_at(3).expect("four sample types"),
            &view,
        );
        assert_eq!((top.total, top.rows[1].cum), (8, 5));
    }

    #[test]
    fn total_is_that_of_the_base_where_there_is_one() {
        let (new, base) = (
            profile("a = 1 1 1 30\n b = 1 1 1 5", 0),
            profile("a = 1 1 1 10", 0),
        );
        let total = |p: &Profile| Top::new(p.sample_type_at(3).expect("four sample types")).total;
        assert_eq!(total(&new), 35);
        assert_eq!(
            total(&new.diff_keeping_base(&base).expect("same types")),
            10
        );
        let nothing = profile("", 0);
        assert_eq!(
            total(&new.diff_keeping_base(&nothing).expect("same types")),
            35
        );
        assert_eq!(total(&base.diff(&new).expect("same types")), 25);
    }

    #[test]
    fn extreme_values_are_cut_off() {
        let huge = profile(&format!("a = 1 1 1 {0}\n b / a = 1 1 1 {0}", i64::MIN), 0);
        let top = Top::new(huge.sample_type_at(3).expect("four sample types"));
        assert_eq!(top.total, i64::MAX);
        assert_eq!(top.rows[0].flat, i64::MIN);
    }

    #[test]
    fn a_missing_sample_type_is_a_mismatch() {
        let profile = profile("", 0);
        let error = profile.sample_type_at(4).expect_err("there are four");
        assert!(error.is_mismatch());
        assert_eq!(
            error.to_string(),
            "the profile has no sample type 4: it has 4"
        );
    }
}
