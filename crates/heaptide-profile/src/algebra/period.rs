//! The sample interval of each sample: the profile's period, or the value of a label.
//!
//! Sums and differences of heaps with different intervals share it. Their result has one period,
//! and each sample that was drawn at another interval has a label. It changes no value, and knows
//! nothing of errors.

use std::borrow::Cow;

use crate::model::heap::INTERVAL_LABEL;
use crate::{Label, LabelValue, Profile};

/// The heap as it would be written if its period were `period`: samples that were drawn at another
/// interval get the label. Other profiles, and those without an interval, stay as they are.
pub(super) fn with_period(heap: &Profile, period: i64) -> Cow<'_, Profile> {
    let counts = heap.period_type.as_ref();
    let is_heap = counts.is_some_and(|of| (&*of.kind, &*of.unit) == ("space", "bytes"));
    if !is_heap || heap.period == period || heap.period <= 0 || period <= 0 {
        return Cow::Borrowed(heap);
    }
    let interval = |value| Label {
        key: INTERVAL_LABEL.into(),
        value: LabelValue::Number {
            value,
            unit: "bytes".into(),
        },
    };
    let (own, new) = (interval(heap.period), interval(period));
    let mut heap = heap.clone();
    heap.period = period;
    for sample in &mut heap.samples {
        if sample.labels.iter().any(|label| label.key == own.key) {
            sample.labels.retain(|label| *label != new);
        } else {
            sample.labels.push(own.clone());
        }
    }
    Cow::Owned(heap)
}
