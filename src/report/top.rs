//! The functions that hold the most: each one's own (flat) and its callees' (cum) values.
//!
//! Counting follows `go tool pprof -top` at its granularity `functions`, to the unit, so that both can be
//! read side by side. How the rows are written is `text`'s business.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use super::{header::Header, text::Text};
use crate::{
    Error, Result,
    printable::printable,
    profile::{Estimate, Function, Line, Location, Profile, Sample, ValueType},
    units::clamp,
};

/// The functions of a profile, the largest first.
///
/// Functions are told apart by name alone. A sample's value is *flat* for the innermost function of its
/// stack and *cum* for each function on it, once, however often it recurs. Inlined calls are functions
/// of their own. A place without a function name is its address and the file mapped there,
/// `0x40 [server]`, a row for each address; `pprof` sums these up for each file unless it is asked for
/// `-addresses`. A profile's `drop_frames` are not applied.
///
/// # Examples
///
/// ```
/// use heaptide::{Profile, report::{Text, Top}};
///
/// # let profile = Profile {
/// #     sample_types: vec![heaptide::profile::ValueType::new("inuse_space", "bytes")],
/// #     ..Profile::default()
/// # };
/// let top = Top::new(&profile, profile.sample_index("inuse_space")?)?;
/// for row in &top.rows {
///     println!("{} holds {} bytes", row.name, row.flat);
/// }
/// print!("{}", top.text(&Text::default()));
/// # assert_eq!(top.total, 0);
/// # Ok::<(), heaptide::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Top {
    /// What the numbers are.
    pub value_type: ValueType,
    /// What 100 percent is: the sum of all samples, each taken as positive. In a profile with samples
    /// that are labeled as a diff's base ([`Profile::diff_keeping_base`]) it is the sum of those, unless
    /// that is 0.
    pub total: i64,
    /// What all samples add up to, with its error; in a diff that is what the new profile has more than
    /// the base. `None` where no sampling error is known, see [`Profile::estimates`].
    pub estimate: Option<Estimate>,
    /// The functions, by falling size of `flat`, then of `cum`, then by name. Functions that hold
    /// nothing are left out.
    pub rows: Vec<TopRow>,
    pub(super) header: Header,
    /// Why there are no errors, if that needs to be said.
    pub(super) no_errors: Option<String>,
}

/// A function in a [`Top`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TopRow {
    /// The function's name.
    pub name: Arc<str>,
    /// What it holds itself.
    pub flat: i64,
    /// What it and all it calls hold.
    pub cum: i64,
    /// Whether the compiler has put it into its callers.
    pub inlined: Inlined,
    /// The numbers with their errors; `None` where no sampling error is known.
    pub estimates: Option<RowEstimates>,
}

/// The numbers of a [`TopRow`] with their errors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RowEstimates {
    /// What the function holds itself.
    pub flat: Estimate,
    /// What it and all it calls hold.
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

impl Top {
    /// Sums up the values at `sample_index`, a position in [`Profile::sample_types`].
    ///
    /// Sums beyond 64 bits are cut off there. References that lead nowhere are left out; a profile that
    /// passes [`Profile::check`] has none.
    ///
    /// # Errors
    ///
    /// A mismatch if the profile has no such sample type.
    pub fn new(profile: &Profile, sample_index: usize) -> Result<Self> {
        let value_type = profile.sample_types.get(sample_index).ok_or_else(|| {
            Error::mismatch(format!(
                "the profile has no sample type {sample_index}: it has {}",
                profile.sample_types.len()
            ))
        })?;
        let mut tally = Tally::new(profile);
        let (estimates, no_errors) = match profile.estimates(sample_index) {
            Ok(estimates) => (Some(estimates), None),
            // Of what no profiler samples nobody expects an error.
            Err(_) if !profile.is_sampled(sample_index) => (None, None),
            Err(reason) => (None, Some(reason.to_string())),
        };
        for (at, sample) in profile.samples.iter().enumerate() {
            let value = sample.values.get(sample_index).copied().unwrap_or(0);
            let estimate = estimates.as_ref().and_then(|all| all.get(at)).copied();
            let estimate = estimate.unwrap_or_default();
            // The counterpart of a sample of nothing may have the error of both.
            if value != 0 || estimate.standard_error > 0.0 {
                tally.add(at, sample, value, estimate);
            }
        }
        let total = if tally.base == 0 {
            tally.all
        } else {
            tally.base
        };
        Ok(Self {
            value_type: value_type.clone(),
            total: clamp(total),
            estimate: estimates.as_ref().map(|all| all.iter().copied().sum()),
            rows: tally.into_rows(estimates.is_some()),
            header: Header::of(profile),
            no_errors,
        })
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

/// Sums under construction. Nodes are functions, by position in `nodes`.
struct Tally {
    nodes: Vec<Node>,
    /// The nodes of each location's lines, innermost first.
    locations: Vec<Vec<usize>>,
    /// Caller and callee, and how the calls were made.
    calls: HashMap<(usize, usize), Call>,
    all: i128,
    base: i128,
}

struct Node {
    name: Arc<str>,
    flat: i128,
    cum: i128,
    estimates: RowEstimates,
    last_sample: Option<usize>,
}

struct Call {
    all_inlined: bool,
    last_sample: usize,
}

impl Tally {
    fn new(profile: &Profile) -> Self {
        let mut nodes: Vec<Node> = Vec::new();
        let mut known: HashMap<Arc<str>, usize> = HashMap::new();
        let mut node = |name: Arc<str>| {
            *known.entry(name).or_insert_with_key(|name| {
                nodes.push(Node {
                    name: Arc::clone(name),
                    flat: 0,
                    cum: 0,
                    estimates: RowEstimates::default(),
                    last_sample: None,
                });
                nodes.len() - 1
            })
        };
        let locations = profile
            .locations
            .iter()
            .map(|location| {
                if location.lines.is_empty() {
                    return vec![node(address_name(profile, location))];
                }
                let lines = location.lines.iter();
                lines
                    .map(|line| node(line_name(profile, location, line)))
                    .collect()
            })
            .collect();
        Self {
            nodes,
            locations,
            calls: HashMap::new(),
            all: 0,
            base: 0,
        }
    }

    fn add(&mut self, at: usize, sample: &Sample, value: i64, estimate: Estimate) {
        let value = i128::from(value);
        self.all += value.abs();
        if sample.is_base() {
            self.base += value.abs();
        }
        let mut caller = None;
        for id in sample.locations.iter().rev() {
            let Some(lines) = self.locations.get(id.index()) else {
                continue;
            };
            for (depth, &index) in lines.iter().rev().enumerate() {
                if let Some(node) = self.nodes.get_mut(index)
                    && node.last_sample != Some(at)
                {
                    node.last_sample = Some(at);
                    node.cum += value;
                    node.estimates.cum = node.estimates.cum + estimate;
                }
                if let Some(caller) = caller
                    && caller != index
                {
                    note_call(&mut self.calls, (caller, index), depth > 0, at);
                }
                caller = Some(index);
            }
        }
        if let Some(leaf) = caller.and_then(|index| self.nodes.get_mut(index)) {
            leaf.flat += value;
            leaf.estimates.flat = leaf.estimates.flat + estimate;
        }
    }

    fn into_rows(self, has_errors: bool) -> Vec<TopRow> {
        let mut inlined = vec![(false, false); self.nodes.len()];
        #[expect(
            clippy::iter_over_hash_type,
            reason = "an `or` over all calls has no order"
        )]
        for ((_, callee), call) in &self.calls {
            if let Some((some, not_all)) = inlined.get_mut(*callee) {
                *some |= call.all_inlined;
                *not_all |= !call.all_inlined;
            }
        }
        let mut rows: Vec<TopRow> = self
            .nodes
            .into_iter()
            .zip(inlined)
            .filter(|(node, _)| node.flat != 0 || node.cum != 0)
            .map(|(node, inlined)| TopRow {
                name: node.name,
                flat: clamp(node.flat),
                cum: clamp(node.cum),
                estimates: has_errors.then_some(node.estimates),
                inlined: match inlined {
                    (false, _) => Inlined::Nowhere,
                    (true, true) => Inlined::Partly,
                    (true, false) => Inlined::Everywhere,
                },
            })
            .collect();
        rows.sort_by(|a, b| {
            let size = |row: &TopRow| Reverse((row.flat.unsigned_abs(), row.cum.unsigned_abs()));
            size(a).cmp(&size(b)).then_with(|| a.name.cmp(&b.name))
        });
        rows
    }
}

/// A call counts as inlined if it is so wherever it occurs; within one sample its outermost occurrence
/// decides, as in `pprof`.
fn note_call(
    calls: &mut HashMap<(usize, usize), Call>,
    pair: (usize, usize),
    inlined: bool,
    at: usize,
) {
    let call = calls.entry(pair).or_insert(Call {
        all_inlined: inlined,
        last_sample: at,
    });
    if call.last_sample != at {
        call.last_sample = at;
        call.all_inlined &= inlined;
    }
}

fn line_name(profile: &Profile, location: &Location, line: &Line) -> Arc<str> {
    let function: Option<&Function> = profile.functions.get(line.function.index());
    function
        .and_then(Function::shown_name)
        .map_or_else(|| address_name(profile, location), Arc::clone)
}

fn address_name(profile: &Profile, location: &Location) -> Arc<str> {
    let mapping = location
        .mapping
        .and_then(|id| profile.mappings.get(id.index()));
    let file = mapping.map_or("", |mapping| super::header::file_name(&mapping.file));
    let file = if file.is_empty() { "unknown" } else { file };
    format!("{:#x} [{file}]", location.address).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::example::profile;

    fn rows(text: &str) -> Vec<(String, i64, i64, Inlined)> {
        let profile = profile(text, 0);
        let top = Top::new(&profile, 3).expect("four sample types");
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
            row("main", 0, 8, Nowhere),
            row("a", 0, 5, Nowhere),
            row("c", 0, 1, Nowhere),
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
        let top = Top::new(&unnamed, 3).expect("four sample types");
        let names: Vec<&str> = top.rows.iter().map(|row| &*row.name).collect();
        let main = unnamed.locations[0].address;
        let main = format!("{main:#x} [server]");
        assert_eq!(
            names,
            ["0x50000040 [server]", "0x50200040 [unknown]", &*main]
        );
        unnamed.functions[0].system_name = symbol.clone();
        let top = Top::new(&unnamed, 3).expect("four sample types");
        assert!(top.rows.iter().any(|row| row.name == symbol), "{symbol}");
    }

    #[test]
    fn order_is_size_then_cum_then_name() {
        let rows = rows(
            "z / y = 1 1 1 -5\n b = 1 1 1 5\n a = 1 1 1 5\n x / w = 1 1 1 1\n x / v = 1 1 1 -1",
        );
        let names: Vec<&str> = rows.iter().map(|row| &*row.0).collect();
        // `x` holds nothing: its callees cancel.
        assert_eq!(names, ["a", "b", "y", "v", "w", "z"]);
    }

    #[test]
    fn total_is_that_of_the_base_where_there_is_one() {
        let (new, base) = (
            profile("a = 1 1 1 30\n b = 1 1 1 5", 0),
            profile("a = 1 1 1 10", 0),
        );
        let total = |p: &Profile| Top::new(p, 3).expect("four sample types").total;
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
        let top = Top::new(&huge, 3).expect("four sample types");
        assert_eq!(top.total, i64::MAX);
        assert_eq!(top.rows[0].flat, i64::MIN);
    }

    #[test]
    fn a_missing_sample_type_is_a_mismatch() {
        let error = Top::new(&profile("", 0), 4).expect_err("there are four");
        assert!(error.is_mismatch());
        assert_eq!(
            error.to_string(),
            "the profile has no sample type 4: it has 4"
        );
    }
}
