//! The units of number labels.
//!
//! It is a rule of `pprof` about whole profiles. Filters on labels and reports of them share it.

use std::{collections::BTreeMap, sync::Arc};

use super::{LabelValue, Profile};

impl Profile {
    /// The unit of each number label's key, by `pprof`'s rule. It is the first unit that is stated
    /// for the key, in the order of samples. If none is stated, it is the key itself, but `bytes`
    /// for `request` and `alignment`.
    ///
    /// # Examples
    ///
    /// ```
    /// use heaptide_profile::{Label, LabelValue, Profile, Sample};
    ///
    /// let value = LabelValue::Number { value: 48, unit: "".into() };
    /// let label = Label { key: "bytes".into(), value };
    /// let sample = Sample { labels: vec![label], ..Sample::default() };
    /// let profile = Profile { samples: vec![sample], ..Profile::default() };
    /// assert_eq!(&*profile.label_units()["bytes"], "bytes");
    /// ```
    #[must_use]
    pub fn label_units(&self) -> BTreeMap<Arc<str>, Arc<str>> {
        let mut units = BTreeMap::<Arc<str>, Arc<str>>::new();
        for label in self.samples.iter().flat_map(|sample| &sample.labels) {
            if let LabelValue::Number { unit, .. } = &label.value {
                let known = units.entry(Arc::clone(&label.key)).or_default();
                if known.is_empty() {
                    *known = Arc::clone(unit);
                }
            }
        }
        for (key, unit) in &mut units {
            if unit.is_empty() {
                *unit = match &**key {
                    "request" | "alignment" => "bytes".into(),
                    _ => Arc::clone(key),
                };
            }
        }
        units
    }
}
