//! What the page shows, as JSON: one view of one profile, or of the change between two.
//!
//! The numbers are those of the reports. Rows and nodes are arrays without field names, since there
//! are thousands: [`node`] and [`row`] define the order, and `web/model.js` reads it.

use std::{collections::HashMap, sync::Arc};

use super::call_tree::{CallFunction, CallKind, CallNode, CallTree};
use super::history::{EarlierHeap, HeapHistory, column_sum};
use super::params::ViewParams;
use crate::http::reply::{self, ReplyResult};
use crate::{Profile, ProfileOptions, http::cancellation::Cancellation, http::limits::MAX_ROWS};
use heaptide_profile::internal::json::{array, number, object, string};
use heaptide_profile::internal::units::clamp;
use heaptide_profile::report::{Change, Diff, Inlined, Top, TopRow, View, shorten, total};
use heaptide_profile::{Estimate, Filter, Filtered, SampleType, ValueType};

/// What there is to show.
#[derive(Debug)]
pub(super) struct HeapView<'a> {
    profile: Profile,
    /// The page asks for this heap again by its id.
    id: u64,
    /// The heap to compare with.
    base: Option<(EarlierHeap, Profile)>,
    params: &'a ViewParams<'a>,
    earlier: Vec<EarlierHeap>,
    /// What a person should know in addition to the numbers.
    remarks: Vec<String>,
}

impl<'a> HeapView<'a> {
    /// Of an earlier heap that is asked for and still kept, or of the heap now.
    pub(super) fn new(
        history: &HeapHistory,
        params: &'a ViewParams<'a>,
        base: Option<EarlierHeap>,
    ) -> crate::Result<Self> {
        let (profile, id) = match params.at.and_then(|id| history.find(id)) {
            Some(heap) => (heap.profile()?, heap.id),
            None => {
                let profile = ProfileOptions::new().heap()?;
                let id = history.add(&profile)?.id;
                (profile, id)
            }
        };
        let base = base.map(|heap| heap.profile().map(|profile| (heap, profile)));
        Ok(Self {
            profile,
            id,
            base: base.transpose()?,
            params,
            earlier: history.list(),
            remarks: history.failure().into_iter().collect(),
        })
    }
}

/// The view as JSON.
///
/// # Errors
///
/// A mismatch if the profile has no such sample type, or the base is of another kind; a refusal if
/// the request is cancelled while names are matched.
pub(super) fn json(view: &HeapView<'_>, cancellation: &Cancellation) -> ReplyResult<String> {
    let (profile, params) = (&view.profile, view.params);
    let sample_type = profile.sample_type(params.sample_type)?;
    let index = sample_type.index();
    let base = view.base.as_ref().map(|(_, base)| base);
    let of_base = base.map(|base| base.sample_type_at(index).map(total));
    let of_base = of_base.transpose()?.filter(|whole| *whole != 0);
    let whole = of_base.unwrap_or_else(|| total(sample_type));
    let part = filtered(profile, params, cancellation);
    let base = base.map(|base| filtered(base, params, cancellation).profile);
    if cancellation.is_cancelled() {
        return Err(reply::cancelled());
    }
    let rows = View::default().out_of(whole);
    let (top, tree, change) = match &base {
        None => {
            let part = part.profile.sample_type_at(index)?;
            (Top::with(part, &rows), CallTree::new(part), "null".into())
        }
        Some(base) => {
            let diff = Diff::with(base, part.profile.sample_type_at(index)?, &rows)?;
            let kept = part.profile.diff_keeping_base(base)?;
            let tree = CallTree::new(kept.sample_type_at(index)?);
            let (base, new) = (diff.base_total.to_string(), diff.new_total.to_string());
            (diff.top, tree, object([("base", base), ("new", new)]))
        }
    };
    let mut functions = NamedFunctions::new(&tree.functions);
    let nodes = array(tree.nodes.iter().map(|of| node(of, &mut functions)));
    let rows = top.rows.iter().take(MAX_ROWS);
    let rows = array(rows.filter_map(|of| row(of, &mut functions)));
    let shown_total = tree.nodes.first().map_or(0, |root| clamp(root.cum));
    let types = profile.each_sample_type().map(sample_type_total);
    let comments = profile.comments.iter().map(|comment| &**comment);
    let comments = comments.filter(|comment| !comment.starts_with('#'));
    let remarks = comments.chain(view.remarks.iter().map(String::as_str));
    let (file, build_id) = match profile.mappings.first() {
        Some(main) => (&*main.file, &*main.build_id),
        None => ("", ""),
    };
    let program = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let since = view.base.as_ref().map(|(heap, _)| earlier(heap));
    let rows_left_out = top.rows.len().saturating_sub(MAX_ROWS);
    Ok(object([
        ("program", string(program)),
        ("process", std::process::id().to_string()),
        ("build_id", string(build_id)),
        ("id", view.id.to_string()),
        ("time", millis(profile.time_nanos)),
        ("interval", profile.period.to_string()),
        ("sample_types", array(types)),
        ("sample_index", index.to_string()),
        ("whole", whole.to_string()),
        ("shown", sum(shown_total, top.estimate)),
        ("since", since.unwrap_or("null".into())),
        ("change", change),
        ("moments", array(view.earlier.iter().map(earlier))),
        ("remarks", array(remarks.map(string))),
        ("unmatched", array(part.unmatched.into_iter().map(string))),
        ("rows_left_out", rows_left_out.to_string()),
        ("nodes_folded", tree.folded.to_string()),
        ("functions", functions.json()),
        ("nodes", nodes),
        ("rows", rows),
    ]))
}

/// The part that the filters keep, and the filters that matched nothing. To match a name can take
/// milliseconds, and there are thousands of names: nothing matches once the request is cancelled.
fn filtered(profile: &Profile, params: &ViewParams<'_>, cancellation: &Cancellation) -> Filtered {
    let mut filter = Filter::default();
    if let Some(focus) = &params.focus {
        filter = filter.focus(|text| !cancellation.is_cancelled() && focus.is_match(text));
    }
    if let Some(ignore) = &params.ignore {
        filter = filter.ignore(|text| !cancellation.is_cancelled() && ignore.is_match(text));
    }
    profile.filter(&filter)
}

fn sample_type_total(sample_type: SampleType<'_>) -> String {
    let ValueType { kind, unit } = sample_type.value_type();
    let estimates = sample_type.estimates().ok();
    let estimate = estimates.map(|all| all.into_iter().sum());
    object([
        ("kind", string(kind)),
        ("unit", string(unit)),
        ("total", sum(column_sum(sample_type), estimate)),
    ])
}

/// A total with its standard error and the limits of its 95 % interval, or `null` for these three.
fn sum(value: i64, estimate: Option<Estimate>) -> String {
    let [error, low, high] = estimate.map_or([f64::NAN; 3], |estimate| {
        let reach = estimate.interval_95();
        [estimate.standard_error, *reach.start(), *reach.end()]
    });
    object([
        ("value", value.to_string()),
        ("error", brief(error)),
        ("low", brief(low)),
        ("high", brief(high)),
    ])
}

fn earlier(heap: &EarlierHeap) -> String {
    let totals = heap.totals.iter().map(ToString::to_string);
    object([
        ("id", heap.id.to_string()),
        ("time", millis(heap.time_nanos)),
        ("totals", array(totals)),
    ])
}

/// Parent; kind (-1 the root, -1 - n the sum of n small nodes, else a function's number); flat and
/// its error; cum and its error; base; width; inlined.
fn node(node: &CallNode, functions: &mut NamedFunctions<'_>) -> String {
    let kind = match node.call {
        CallKind::Root => "-1".into(),
        CallKind::Folded(count) => format!("-{}", count.saturating_add(1)),
        CallKind::Of(function) => functions.number(function).to_string(),
    };
    let error = |of: Estimate| brief(of.standard_error);
    let (flat, cum) = (error(node.estimates.flat), error(node.estimates.cum));
    let (parent, base, inlined) = (node.parent, clamp(node.base), u8::from(node.is_inlined));
    let (flat_value, cum_value) = (clamp(node.flat), clamp(node.cum));
    let width = i64::try_from(node.width).unwrap_or(i64::MAX);
    format!("[{parent},{kind},{flat_value},{flat},{cum_value},{cum},{base},{width},{inlined}]")
}

/// Function; flat and its error; cum and its error; inlined (1 in all callers, 2 in some); change
/// (1 came, 2 went).
fn row(row: &TopRow, functions: &mut NamedFunctions<'_>) -> Option<String> {
    let function = *functions.by_name.get(&row.name)?;
    let function = functions.number(function);
    let errors = row.estimates.unwrap_or_default();
    let error = |of: Estimate| brief(of.standard_error);
    let (flat, cum) = (error(errors.flat), error(errors.cum));
    let inlined = match row.inlined {
        Inlined::Nowhere => 0,
        Inlined::Everywhere => 1,
        Inlined::Partly => 2,
    };
    let change = match row.change {
        Change::None => 0,
        Change::Came => 1,
        Change::Went => 2,
    };
    let (flat_value, cum_value) = (row.flat, row.cum);
    let values = format!("{flat_value},{flat},{cum_value},{cum}");
    Some(format!("[{function},{values},{inlined},{change}]"))
}

/// The functions that nodes and rows name, numbered in the order in which they are first named.
struct NamedFunctions<'a> {
    all: &'a [CallFunction],
    by_name: HashMap<&'a Arc<str>, usize>,
    /// Positions among all functions.
    named: Vec<usize>,
    numbers: HashMap<usize, usize>,
}

impl<'a> NamedFunctions<'a> {
    fn new(all: &'a [CallFunction]) -> Self {
        let names = all.iter().enumerate();
        Self {
            all,
            by_name: names.map(|(at, function)| (&function.name, at)).collect(),
            named: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    fn number(&mut self, at: usize) -> usize {
        let named = &mut self.named;
        *self.numbers.entry(at).or_insert_with(|| {
            named.push(at);
            named.len() - 1
        })
    }

    /// Name, short name, file, line.
    fn json(&self) -> String {
        let named = self.named.iter().filter_map(|at| self.all.get(*at));
        array(named.map(|function| {
            let (name, short) = (string(&function.name), string(&shorten(&function.name)));
            let (file, line) = (string(&function.file), function.line.to_string());
            array([name, short, file, line])
        }))
    }
}

/// Rounded to the digits that a sampling error can have.
fn brief(value: f64) -> String {
    let scale = if value.abs() >= 100.0 { 1.0 } else { 100.0 };
    number((value * scale).round() / scale)
}

/// In JavaScript's unit of time; its numbers cannot hold nanoseconds.
fn millis(nanos: i64) -> String {
    nanos.div_euclid(1_000_000).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::http::{profile_queue::ProfileQueue, query::Query};
    use heaptide_profile::testing::example;

    const OLD: &str = "
        main / serve / cache::put = 9 6000 9 6000 bytes=80
        main / load // parse = 1 1000 1 1000 bytes=80";
    const NEW: &str = "
        main / serve / cache::put = 9 9000 9 9000 bytes=80
        main / load // parse = 1 400 1 400 bytes=80
        main / \"quoted<T>\" = 1 48 1 48 bytes=80";

    fn view_of<'a>(profile: Profile, params: &'a ViewParams<'a>) -> HeapView<'a> {
        HeapView {
            profile,
            id: 7,
            base: None,
            params,
            earlier: Vec::new(),
            remarks: vec!["look here".into()],
        }
    }

    fn read(view: &HeapView<'_>) -> Value {
        let text = json(view, &Cancellation::never()).expect("a heap profile");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The nodes' names with cum and width, and the rows' names with flat and cum.
    fn names(view: &Value) -> (Vec<String>, Vec<String>) {
        let name = |of: &Value| match of.as_i64().unwrap() {
            at if at < 0 => "all".to_owned(),
            at => view["functions"][usize::try_from(at).unwrap()][0]
                .as_str()
                .unwrap()
                .to_owned(),
        };
        let nodes = view["nodes"].as_array().unwrap().iter();
        let rows = view["rows"].as_array().unwrap().iter();
        (
            nodes
                .map(|n| format!("{} {} {}", name(&n[1]), n[4], n[7]))
                .collect(),
            rows.map(|r| format!("{} {} {}", name(&r[0]), r[1], r[3]))
                .collect(),
        )
    }

    #[test]
    fn the_view_has_the_numbers_of_the_reports() {
        let query = ViewParams::default();
        let view = read(&view_of(example::profile(NEW, 0), &query));
        assert_eq!(view["program"], "server");
        assert_eq!(view["time"], 1_700_000_000_000_i64);
        assert_eq!(
            (&view["sample_index"], &view["whole"]),
            (&3.into(), &9448.into())
        );
        assert_eq!(view["sample_types"][2]["kind"], "inuse_objects");
        assert_eq!(view["sample_types"][2]["total"]["value"], 11);
        assert_eq!(view["shown"]["value"], 9448);
        assert!(view["shown"]["high"].as_f64().unwrap() > 9448.0);
        assert_eq!(view["remarks"], Value::from(vec!["look here"]));
        let (nodes, rows) = names(&view);
        let expected = [
            "all 9448 9448",
            "main 9448 9448",
            "serve 9000 9000",
            "cache::put 9000 9000",
            "load 400 400",
            "parse 400 400",
            "\"quoted<T>\" 48 48",
        ];
        assert_eq!(nodes, expected);
        let expected = [
            "cache::put 9000 9000",
            "parse 400 400",
            "\"quoted<T>\" 48 48",
            "load 0 400",
            "main 0 9448",
            "serve 0 9000",
        ];
        assert_eq!(rows, expected);
        // A leaf has the flat error of its row, and an inlined call is marked.
        assert_eq!(view["nodes"][3][3], view["rows"][0][2]);
        assert!(view["rows"][0][2].as_f64().unwrap() > 0.0);
        assert_eq!(
            (&view["nodes"][5][8], &view["rows"][1][5]),
            (&1.into(), &1.into())
        );
    }

    #[test]
    fn a_filter_keeps_the_whole_as_100_percent_and_reports_what_matches_nothing() {
        let query = Query::parse("focus=^load$&ignore=nobody&sample_index=alloc_space").unwrap();
        let query = ViewParams::read(&query).unwrap();
        let view = read(&view_of(example::profile(NEW, 0), &query));
        assert_eq!(
            (&view["whole"], &view["shown"]["value"]),
            (&9448.into(), &400.into())
        );
        assert_eq!(
            names(&view).0,
            [
                "all 400 400",
                "main 400 400",
                "load 400 400",
                "parse 400 400"
            ]
        );
        assert_eq!(view["unmatched"], Value::from(vec!["ignore"]));
        let query = Query::parse("focus=nobody").unwrap();
        let query = ViewParams::read(&query).unwrap();
        let view = read(&view_of(example::profile(NEW, 0), &query));
        assert_eq!(names(&view), (vec!["all 0 0".into()], vec![]));
    }

    #[test]
    fn a_difference_has_both_directions() {
        let query = ViewParams::default();
        let (old, new) = (example::profile(OLD, 0), example::profile(NEW, 0x2000));
        let history = HeapHistory::new(Arc::new(ProfileQueue::new(0)));
        let base = history.add(&old).unwrap();
        let mut view = view_of(new, &query);
        view.base = Some((base, old));
        view.earlier = history.list();
        let view = read(&view);
        let change = serde_json::json!({"base": 7000, "new": 9448});
        assert_eq!(view["change"], change);
        assert_eq!(
            (&view["whole"], &view["shown"]["value"]),
            (&7000.into(), &2448.into())
        );
        assert_eq!(view["since"]["id"], 1);
        assert_eq!(view["moments"][0]["totals"][3], 7000);
        let (nodes, rows) = names(&view);
        assert_eq!(nodes[..2], ["all 2448 3648", "main 2448 3648"]);
        assert!(nodes.contains(&"parse -600 600".to_owned()), "{nodes:?}");
        assert_eq!(rows[0], "cache::put 3000 3000");
        assert_eq!(view["rows"][2][6], 1, "the quoted one came");
    }

    #[test]
    fn an_empty_heap_is_shown_and_an_unknown_type_is_an_error() {
        let query = ViewParams::default();
        let view = read(&view_of(example::profile("main = 5 5 0 0", 0), &query));
        assert_eq!(
            (names(&view), &view["whole"]),
            ((vec!["all 0 0".into()], vec![]), &0.into())
        );
        let query = Query::parse("sample_index=cpu").unwrap();
        let query = ViewParams::read(&query).unwrap();
        let unknown = view_of(Profile::default(), &query);
        let refusal = json(&unknown, &Cancellation::never()).unwrap_err();
        assert_eq!(refusal.0.status(), 400);
        let told = std::str::from_utf8(refusal.0.body()).unwrap();
        assert!(told.contains("no sample types"), "{told}");
    }

    #[test]
    fn no_name_is_matched_for_a_cancelled_request() {
        for filter in ["focus=main", "ignore=main"] {
            let query = Query::parse(filter).unwrap();
            let query = ViewParams::read(&query).unwrap();
            let view = view_of(example::profile(NEW, 0), &query);
            let (guard, request) = Cancellation::guarded();
            let is_matched = || {
                filtered(&view.profile, &query, &request)
                    .unmatched
                    .is_empty()
            };
            assert!(is_matched());
            assert!(json(&view, &request).is_ok());
            drop(guard);
            assert!(!is_matched(), "{filter}");
            let told = json(&view, &request).unwrap_err();
            assert_eq!(*told.0.body(), "context canceled\n");
        }
    }

    #[test]
    fn standard_errors_have_few_digits() {
        assert_eq!(brief(123_456.7), "123457");
        assert_eq!(brief(1.234_5), "1.23");
        assert_eq!(brief(f64::NAN), "null");
    }
}
