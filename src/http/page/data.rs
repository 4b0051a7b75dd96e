//! What the page shows, as JSON: one view of one profile, or of what has changed between two.
//!
//! The numbers are those of the reports; here they are only written down. Rows and nodes are arrays without
//! names, since there are thousands: [`node`] and [`row`] say what stands where, and `web/model.js` reads it.

use std::{collections::HashMap, sync::Arc};

use super::{
    asked::Asked,
    call_tree::{CallFunction, CallKind, CallNode, CallTree},
    moments::Moment,
};
use crate::{
    Profile,
    http::{builder::gone, caller::Caller, reply::Result},
    json::{array, number, object, string},
    profile::{Estimate, Filter},
    report::{Change, Diff, Inlined, Top, TopRow, View, shorten, total},
};

/// More than anyone scrolls through; a filter finds the others.
const MAX_ROWS: usize = 2_000;

/// What there is to show.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) profile: Profile,
    /// The id it can be asked for again by.
    pub(super) id: u64,
    /// What to compare with.
    pub(super) base: Option<(Moment, Profile)>,
    pub(super) asked: &'a Asked<'a>,
    pub(super) moments: Vec<Moment>,
    /// What a person should know beside the numbers.
    pub(super) remarks: Vec<String>,
}

/// The view as JSON.
///
/// # Errors
///
/// A mismatch if the profile has no such sample type, or the base is of another kind; a refusal if the caller has
/// hung up while names were matched.
pub(super) fn json(shown: &Shown<'_>, caller: &Caller) -> Result<String> {
    let Shown { profile, asked, .. } = shown;
    let index = profile.sample_index(asked.sample_type)?;
    let whole = match &shown.base {
        Some((_, base)) if total(base, index) != 0 => total(base, index),
        _ => total(profile, index),
    };
    let (part, unmatched) = filtered(profile, asked, caller);
    let base = shown.base.as_ref();
    let base = base.map(|(_, base)| filtered(base, asked, caller).0);
    if !caller.is_there() {
        return Err(gone());
    }
    let view = View::default().out_of(whole);
    let (top, tree, change) = match &base {
        None => {
            let top = Top::with(&part, index, &view)?;
            (top, CallTree::new(&part, index)?, "null".into())
        }
        Some(base) => {
            let diff = Diff::with(base, &part, index, &view)?;
            let tree = CallTree::new(&part.diff_keeping_base(base)?, index)?;
            let change = change(&diff);
            (diff.top, tree, change)
        }
    };
    let mut functions = Functions::new(&tree.functions);
    let nodes = array(tree.nodes.iter().map(|of| node(of, &mut functions)));
    let rows = array(
        top.rows
            .iter()
            .take(MAX_ROWS)
            .filter_map(|of| row(of, &mut functions)),
    );
    let shown_total = tree.nodes.first().map_or(0, |root| root.cum);
    let types = (0..profile.sample_types.len()).map(|index| sample_type(profile, index));
    let comments = profile
        .comments
        .iter()
        .filter(|comment| !comment.starts_with('#'));
    let remarks = comments.map(|comment| &**comment);
    let remarks = remarks.chain(shown.remarks.iter().map(String::as_str));
    Ok(object([
        ("program", string(program(profile))),
        ("process", std::process::id().to_string()),
        (
            "build_id",
            string(profile.mappings.first().map_or("", |main| &*main.build_id)),
        ),
        ("id", shown.id.to_string()),
        ("time", millis(profile.time_nanos)),
        ("interval", profile.period.to_string()),
        ("sample_types", array(types)),
        ("sample_index", index.to_string()),
        ("whole", whole.to_string()),
        ("shown", sum(shown_total, top.estimate)),
        (
            "since",
            shown
                .base
                .as_ref()
                .map_or("null".into(), |(moment, _)| self::moment(moment)),
        ),
        ("change", change),
        ("moments", array(shown.moments.iter().map(moment))),
        ("remarks", array(remarks.map(string))),
        ("unmatched", array(unmatched.into_iter().map(string))),
        (
            "rows_left_out",
            top.rows.len().saturating_sub(MAX_ROWS).to_string(),
        ),
        ("nodes_folded", tree.folded.to_string()),
        ("functions", functions.json()),
        ("nodes", nodes),
        ("rows", rows),
    ]))
}

/// The part that was asked for, and what matched nothing. A regular expression can take milliseconds for a name,
/// and there are thousands of names: from the one on at which the caller has hung up, nothing is matched.
fn filtered(profile: &Profile, asked: &Asked<'_>, caller: &Caller) -> (Profile, Vec<&'static str>) {
    let mut filter = Filter::default();
    if let Some(focus) = &asked.focus {
        filter = filter.focus(|text| caller.is_there() && focus.is_match(text));
    }
    if let Some(ignore) = &asked.ignore {
        filter = filter.ignore(|text| caller.is_there() && ignore.is_match(text));
    }
    let filtered = profile.filter(&filter);
    (filtered.profile, filtered.unmatched)
}

fn program(profile: &Profile) -> &str {
    let file = profile.mappings.first().map_or("", |main| &*main.file);
    file.rsplit(['/', '\\']).next().unwrap_or(file)
}

fn sample_type(profile: &Profile, index: usize) -> String {
    let (kind, unit) = profile
        .sample_types
        .get(index)
        .map_or(("", ""), |of| (&*of.kind, &*of.unit));
    let values = profile
        .samples
        .iter()
        .filter_map(|sample| sample.values.get(index));
    let total = values.fold(0_i64, |sum, value| sum.saturating_add(*value));
    let estimate = profile
        .estimates(index)
        .ok()
        .map(|all| all.into_iter().sum());
    object([
        ("kind", string(kind)),
        ("unit", string(unit)),
        ("total", sum(total, estimate)),
    ])
}

/// A total with its standard error and the limits of its 95 % interval, or `null` for these.
fn sum(value: i64, estimate: Option<Estimate>) -> String {
    let (error, low, high) = estimate.map_or_else(
        || ("null".into(), "null".into(), "null".into()),
        |estimate| {
            let reach = estimate.interval_95();
            (
                brief(estimate.standard_error),
                brief(*reach.start()),
                brief(*reach.end()),
            )
        },
    );
    object([
        ("value", value.to_string()),
        ("error", error),
        ("low", low),
        ("high", high),
    ])
}

fn change(diff: &Diff) -> String {
    object([
        ("base", diff.base_total.to_string()),
        ("new", diff.new_total.to_string()),
    ])
}

fn moment(moment: &Moment) -> String {
    object([
        ("id", moment.id.to_string()),
        ("time", millis(moment.time_nanos)),
        (
            "totals",
            array(moment.totals.iter().map(ToString::to_string)),
        ),
    ])
}

/// Parent, what it is (-1 the root, -1 - n the sum of n small ones, else a function), flat and its error, cum
/// and its error, base, width, inlined.
fn node(node: &CallNode, functions: &mut Functions<'_>) -> String {
    let call = match node.call {
        CallKind::Root => "-1".into(),
        CallKind::Folded(count) => format!("-{}", count.saturating_add(1)),
        CallKind::Of(function) => functions.number(function).to_string(),
    };
    array([
        node.parent.to_string(),
        call,
        node.flat.to_string(),
        brief(node.estimates.flat.standard_error),
        node.cum.to_string(),
        brief(node.estimates.cum.standard_error),
        node.base.to_string(),
        node.width.to_string(),
        u8::from(node.is_inlined).to_string(),
    ])
}

/// Function, flat and its error, cum and its error, inlined (1 in all callers, 2 in some), change (1 came, 2
/// went).
fn row(row: &TopRow, functions: &mut Functions<'_>) -> Option<String> {
    let function = functions.find(&row.name)?;
    let errors = row.estimates.unwrap_or_default();
    let inlined = match row.inlined {
        Inlined::Nowhere => "0",
        Inlined::Everywhere => "1",
        Inlined::Partly => "2",
    };
    let change = match row.change {
        Change::None => "0",
        Change::Came => "1",
        Change::Went => "2",
    };
    Some(array([
        function.to_string(),
        row.flat.to_string(),
        brief(errors.flat.standard_error),
        row.cum.to_string(),
        brief(errors.cum.standard_error),
        inlined.into(),
        change.into(),
    ]))
}

/// The functions that nodes and rows name, numbered as they are first named.
struct Functions<'a> {
    all: &'a [CallFunction],
    by_name: HashMap<&'a Arc<str>, usize>,
    numbers: HashMap<usize, usize>,
    named: Vec<&'a CallFunction>,
}

impl<'a> Functions<'a> {
    fn new(all: &'a [CallFunction]) -> Self {
        let names = all.iter().enumerate();
        Self {
            all,
            by_name: names.map(|(at, function)| (&function.name, at)).collect(),
            numbers: HashMap::new(),
            named: Vec::new(),
        }
    }

    fn find(&mut self, name: &Arc<str>) -> Option<usize> {
        let at = *self.by_name.get(name)?;
        Some(self.number(at))
    }

    fn number(&mut self, at: usize) -> usize {
        let (named, all) = (&mut self.named, self.all);
        *self.numbers.entry(at).or_insert_with(|| {
            named.extend(all.get(at));
            named.len().saturating_sub(1)
        })
    }

    /// Name, short name, file, line.
    fn json(&self) -> String {
        array(self.named.iter().map(|function| {
            array([
                string(&function.name),
                string(&shorten(&function.name)),
                string(&function.file),
                function.line.to_string(),
            ])
        }))
    }
}

/// With the digits that an error of sampling deserves.
fn brief(value: f64) -> String {
    if value.abs() >= 100.0 {
        number(value.round())
    } else {
        number((value * 100.0).round() / 100.0)
    }
}

/// JavaScript's clock; its numbers do not hold nanoseconds.
fn millis(nanos: i64) -> String {
    nanos.div_euclid(1_000_000).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{
        http::{page::Moments, query::Query},
        profile::example,
    };

    const OLD: &str = "
        main / serve / cache::put = 9 6000 9 6000 bytes=80
        main / load // parse = 1 1000 1 1000 bytes=80";
    const NEW: &str = "
        main / serve / cache::put = 9 9000 9 9000 bytes=80
        main / load // parse = 1 400 1 400 bytes=80
        main / \"quoted<T>\" = 1 48 1 48 bytes=80";

    fn shown<'a>(profile: Profile, asked: &'a Asked<'a>) -> Shown<'a> {
        Shown {
            profile,
            id: 7,
            base: None,
            asked,
            moments: Vec::new(),
            remarks: vec!["look here".into()],
        }
    }

    fn read(shown: &Shown<'_>) -> Value {
        let text = json(shown, &Caller::patient()).expect("a heap profile");
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
    fn the_view_has_what_the_reports_have() {
        let query = Asked::default();
        let view = read(&shown(example::profile(NEW, 0), &query));
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
        // The flat error of a leaf is that of its row, and an inlined call says so.
        assert_eq!(view["nodes"][3][3], view["rows"][0][2]);
        assert!(view["rows"][0][2].as_f64().unwrap() > 0.0);
        assert_eq!(
            (&view["nodes"][5][8], &view["rows"][1][5]),
            (&1.into(), &1.into())
        );
    }

    #[test]
    fn a_filter_keeps_the_whole_for_100_percent_and_tells_what_matches_nothing() {
        let query = Query::parse("focus=^load$&ignore=nobody&sample_index=alloc_space").unwrap();
        let query = Asked::read(&query).unwrap();
        let view = read(&shown(example::profile(NEW, 0), &query));
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
        let query = Asked::read(&query).unwrap();
        let view = read(&shown(example::profile(NEW, 0), &query));
        assert_eq!(names(&view), (vec!["all 0 0".into()], vec![]));
    }

    #[test]
    fn a_difference_has_both_directions() {
        let query = Asked::default();
        let (old, new) = (example::profile(OLD, 0), example::profile(NEW, 0x2000));
        let moments = Moments::new(Arc::new(crate::http::turn::Turns::new(0)));
        let base = moments.remember(&old).unwrap();
        let mut shown = shown(new, &query);
        shown.base = Some((base, old));
        shown.moments = moments.list();
        let view = read(&shown);
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
    fn an_empty_heap_and_an_unknown_type_are_told() {
        let query = Asked::default();
        let view = read(&shown(example::profile("main = 5 5 0 0", 0), &query));
        assert_eq!(
            (names(&view), &view["whole"]),
            ((vec!["all 0 0".into()], vec![]), &0.into())
        );
        let query = Query::parse("sample_index=cpu").unwrap();
        let query = Asked::read(&query).unwrap();
        let unknown = shown(Profile::default(), &query);
        let refusal = json(&unknown, &Caller::patient()).unwrap_err();
        assert_eq!(refusal.status(), 400);
        let told = std::str::from_utf8(refusal.body()).unwrap();
        assert!(told.contains("no sample types"), "{told}");
    }

    #[test]
    fn no_name_is_matched_for_who_has_hung_up() {
        for filter in ["focus=main", "ignore=main"] {
            let query = Query::parse(filter).unwrap();
            let query = Asked::read(&query).unwrap();
            let view = shown(example::profile(NEW, 0), &query);
            let (line, caller) = Caller::on_line();
            let matched = |caller: &Caller| filtered(&view.profile, &query, caller).1.is_empty();
            assert!(matched(&caller));
            assert!(json(&view, &caller).is_ok());
            drop(line);
            assert!(!matched(&caller), "{filter}");
            let told = json(&view, &caller).unwrap_err();
            assert_eq!(*told.body(), "context canceled\n");
        }
    }

    #[test]
    fn errors_are_short() {
        assert_eq!(brief(123_456.7), "123457");
        assert_eq!(brief(1.234_5), "1.23");
        assert_eq!(brief(f64::NAN), "null");
    }
}
