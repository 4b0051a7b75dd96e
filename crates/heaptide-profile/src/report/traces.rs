//! Every sample of a profile: its call stack, its labels and its value.
//!
//! It is the one report that adds nothing up. So the numbers of a table can be traced to the
//! samples. Samples, their order and their labels are those of `pprof -traces`.

use std::sync::Arc;

use super::{
    aligned::clamped, column::ReportColumn, header::Header, places::Places, text::Text,
    value::ShownValue, view::View,
};
use crate::SampleType;
use crate::{
    Estimate, LabelValue, Sample, ValueType,
    text::printable::printable,
    text::units::{Count, clamp},
};

/// The samples of a profile one by one, in its order, including those of value 0.
///
/// # Examples
///
/// ```
/// use heaptide_profile::{Profile, report::{Text, Traces}};
///
/// # let profile = Profile {
/// #     sample_types: vec![heaptide_profile::ValueType::new("inuse_space", "bytes")],
/// #     ..Profile::default()
/// # };
/// let traces = Traces::new(profile.sample_type("inuse_space")?);
/// for trace in &traces.traces {
///     println!("{} bytes, {} frames deep", trace.value, trace.frames.len());
/// }
/// print!("{}", traces.text(&Text::default()));
/// # Ok::<(), heaptide_profile::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Traces {
    /// What the numbers are.
    pub value_type: ValueType,
    /// The sum of all samples with its error. `None` where no sampling error is known.
    pub estimate: Option<Estimate>,
    /// The samples.
    pub traces: Vec<Trace>,
    header: Header,
    no_errors: Option<String>,
}

/// A sample in [`Traces`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trace {
    /// Its call stack, leaf first; empty if it has none.
    pub frames: Vec<TraceFrame>,
    /// Its labels: those with texts by key, then those with numbers by key.
    pub labels: Vec<TraceLabel>,
    /// Its value.
    pub value: i64,
    /// The value with its error; `None` where no sampling error is known.
    pub estimate: Option<Estimate>,
}

/// A call on the stack of a [`Trace`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceFrame {
    /// The function's name. In a view of lines, with file and line.
    pub name: Arc<str>,
    /// Whether the compiler inlined it into the next frame.
    pub is_inlined: bool,
}

/// The labels of a [`Trace`] that have one key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceLabel {
    /// The key.
    pub key: Arc<str>,
    /// The values, in the sample's order: all texts, or all numbers in the unit of the key
    /// ([`Profile::label_units`](crate::Profile::label_units)).
    pub values: Vec<LabelValue>,
}

impl Traces {
    /// The samples by function, with their values.
    #[must_use]
    pub fn new(sample_type: SampleType<'_>) -> Self {
        Self::with(sample_type, &View::default())
    }

    /// The same with a view: by function, or by line.
    #[must_use]
    pub fn with(sample_type: SampleType<'_>, view: &View) -> Self {
        let profile = sample_type.profile();
        let column = ReportColumn::of(sample_type);
        let places = Places::named(profile, view.granularity);
        let units = profile.label_units();
        let traces = column.samples().map(|(sample, value, estimate)| Trace {
            frames: frames(sample, &places),
            labels: labels(sample, |key| units.get(key).cloned().unwrap_or_default()),
            value,
            estimate: column.has_errors().then_some(estimate),
        });
        Self {
            value_type: column.value_type.clone(),
            estimate: column.estimate(),
            traces: traces.collect(),
            header: Header::of(profile),
            no_errors: column.no_errors.clone(),
        }
    }

    /// The report as text: header lines, and for each sample its labels and its stack, leaf first.
    #[must_use]
    pub fn text(&self, text: &Text) -> String {
        let mut lines = self.header.lines();
        lines.push(format!("Type: {}", printable(&self.value_type.kind)));
        lines.extend(self.header.time_line());
        lines.extend(self.header.duration_line());
        let sum = clamp(self.traces.iter().map(|t| i128::from(t.value)).sum());
        let (count, end) = match self.traces.len() {
            1 => (1, ""),
            count => (count, "s"),
        };
        lines.push(format!(
            "Showing {} sample{end} of {} together",
            Count(clamped(count)),
            text.plain(&self.value_type, sum)
        ));
        if !self.traces.is_empty() {
            let no_errors = self.no_errors.as_deref();
            lines.extend(text.legend(&self.value_type, self.estimate, no_errors));
        }
        let values = self.traces.iter().map(|trace| self.value(text, trace));
        let values: Vec<String> = values.collect();
        let keys = self.traces.iter().flat_map(|trace| &trace.labels);
        let keys = keys.map(|label| printable(&label.key).chars().count() + 1);
        let widths = values.iter().map(|value| value.chars().count());
        let width = widths.chain(keys).max().unwrap_or(0);
        let rule = "-".repeat(width + 24);
        for (trace, value) in self.traces.iter().zip(&values) {
            lines.push(rule.clone());
            for label in &trace.labels {
                let key = format!("{}:", printable(&label.key));
                let values = label.values.iter().map(|value| label_text(text, value));
                let values: Vec<String> = values.collect();
                lines.push(format!("{key:>width$}  {}", values.join(" ")));
            }
            let frames = trace.frames.iter().map(|frame| {
                let inlined = if frame.is_inlined { " (inline)" } else { "" };
                format!("{}{inlined}", text.shown_name(&frame.name))
            });
            let mut frames: Vec<String> = frames.collect();
            if frames.is_empty() {
                frames.push("[no stack]".into());
            }
            for (at, frame) in frames.iter().enumerate() {
                let value = if at == 0 { value } else { "" };
                lines.push(format!("{value:>width$}  {frame}"));
            }
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn value(&self, text: &Text, trace: &Trace) -> String {
        let value = text.number(&self.value_type, trace.value);
        match trace.estimate.filter(|_| text.errors) {
            Some(estimate) => format!("{value} ± {}", text.error(&self.value_type, estimate)),
            None => value,
        }
    }
}

fn frames(sample: &Sample, places: &Places<Arc<str>>) -> Vec<TraceFrame> {
    let locations = sample.locations.iter();
    let locations = locations.filter_map(|id| places.locations.get(id.index()));
    let frames = locations.flat_map(|lines| {
        let last = lines.len().saturating_sub(1);
        lines
            .iter()
            .enumerate()
            .map(move |(at, &place)| TraceFrame {
                name: places.keys.get(place).cloned().unwrap_or_default(),
                is_inlined: at < last,
            })
    });
    frames.collect()
}

fn labels(sample: &Sample, unit: impl Fn(&str) -> Arc<str>) -> Vec<TraceLabel> {
    let mut labels: Vec<TraceLabel> = Vec::new();
    let is_number = |value: &LabelValue| matches!(value, LabelValue::Number { .. });
    for label in &sample.labels {
        let value = match &label.value {
            LabelValue::Text(text) => LabelValue::Text(Arc::clone(text)),
            LabelValue::Number { value, .. } => LabelValue::Number {
                value: *value,
                unit: unit(&label.key),
            },
        };
        let known = labels.iter_mut().find(|known| {
            let is_alike = |known: &LabelValue| is_number(known) == is_number(&value);
            known.key == label.key && known.values.first().is_some_and(is_alike)
        });
        match known {
            Some(known) => known.values.push(value),
            None => labels.push(TraceLabel {
                key: Arc::clone(&label.key),
                values: vec![value],
            }),
        }
    }
    labels.sort_by(|a, b| {
        let key = |label: &TraceLabel| label.values.first().is_some_and(is_number);
        (key(a), &a.key).cmp(&(key(b), &b.key))
    });
    labels
}

fn label_text(text: &Text, value: &LabelValue) -> String {
    match value {
        LabelValue::Text(text) => printable(text),
        LabelValue::Number { value, .. } if text.exact => value.to_string(),
        LabelValue::Number { value, unit } => {
            let value_type = ValueType {
                kind: Arc::default(),
                unit: Arc::clone(unit),
            };
            let value = ShownValue {
                value: *value,
                value_type: &value_type,
                unit: text.unit,
            };
            value.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Label, testing::example::profile};

    #[test]
    fn labels_are_texts_then_numbers_by_key() {
        let mut made = profile(
            "main = 1 1 1 1 bytes=48 zone=eu tenant=red wait=5 tenant=blue bytes=64",
            0,
        );
        made.samples[0].labels.push(Label {
            key: "wait".into(),
            value: LabelValue::Number {
                value: 7,
                unit: "nanoseconds".into(),
            },
        });
        let traces = Traces::new(made.sample_type_at(3).expect("four sample types"));
        let text = traces.text(&Text::default().without_errors());
        let lines: Vec<&str> = text
            .lines()
            .skip_while(|l| !l.starts_with("Showing"))
            .collect();
        assert_eq!(lines[0], "Showing 1 sample of 1 B together");
        assert_eq!(
            lines[2..],
            [
                "tenant:  red blue",
                "  zone:  eu",
                " bytes:  48 B 64 B",
                "  wait:  5ns 7ns",
                "    1 B  main"
            ]
        );
        let exact = traces.text(&Text::default().without_errors().exact_numbers());
        assert!(exact.contains("\n bytes:  48 64\n"), "{exact}");
    }

    #[test]
    fn every_sample_is_there_in_its_order() {
        let mut made = profile("a / b // c = 1 1 1 5\n a = 1 1 0 0\n a = 1 1 1 -2", 0);
        made.samples[2].locations.clear();
        let traces = Traces::new(made.sample_type_at(3).expect("four sample types")).traces;
        let frames = |trace: &Trace| {
            let frames = trace.frames.iter();
            frames
                .map(|frame| (frame.name.to_string(), frame.is_inlined))
                .collect::<Vec<_>>()
        };
        let named = |name: &str, inlined| (name.to_owned(), inlined);
        assert_eq!(
            frames(&traces[0]),
            [named("c", true), named("b", false), named("a", false)]
        );
        let values: Vec<i64> = traces.iter().map(|trace| trace.value).collect();
        assert_eq!(values, [5, 0, -2]);
        let text = Traces::new(made.sample_type_at(3).expect("four sample types"));
        let text = text.text(&Text::default().without_errors());
        assert!(text.ends_with("\n-2 B  [no stack]\n"), "{text}");
    }
}
