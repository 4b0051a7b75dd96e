//! A [`Top`] as JSON: the fields are listed at [`Top::to_json`].
//!
//! It is separate from `text` because programs rely on it: names are whole, numbers are exact, and
//! nothing is left out.

use super::top::{Inlined, Top, TopRow};
use crate::{
    Estimate,
    text::json::{array, number, object, string},
};

impl Top {
    /// The table as one line of JSON, with all its rows.
    ///
    /// | field | what |
    /// |---|---|
    /// | `sample_type`, `unit` | what the numbers are |
    /// | `time_nanos`, `duration_nanos` | of the profile; a duration of 0 is a profile since the start |
    /// | `total` | [`total`](Top::total), what 100 percent is |
    /// | `sum` | what all samples add up to, as an estimate |
    /// | `rows` | the functions, the largest first: `name`, `flat`, `cum`, `inlined` (`no`, `partly`, `everywhere`), `callers`, `flat_estimate`, `cum_estimate` |
    ///
    /// An estimate is `{"value","standard_error","low_95","high_95"}`, or `null` where no sampling
    /// error is known.
    ///
    /// ```
    /// use heaptide_profile::{Profile, ValueType, report::Top};
    ///
    /// let profile = Profile {
    ///     sample_types: vec![ValueType::new("inuse_space", "bytes")],
    ///     ..Profile::default()
    /// };
    /// let json = Top::new(profile.sample_type_at(0)?).to_json();
    /// assert!(json.starts_with(r#"{"sample_type":"inuse_space","unit":"bytes","#));
    /// # Ok::<(), heaptide_profile::Error>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        object([
            ("sample_type", string(&self.value_type.kind)),
            ("unit", string(&self.value_type.unit)),
            ("time_nanos", self.header.time_nanos.to_string()),
            ("duration_nanos", self.header.duration_nanos.to_string()),
            ("total", self.total.to_string()),
            ("sum", estimate(self.estimate)),
            ("rows", array(self.rows.iter().map(row))),
        ])
    }
}

fn row(row: &TopRow) -> String {
    let inlined = match row.inlined {
        Inlined::Nowhere => "no",
        Inlined::Partly => "partly",
        Inlined::Everywhere => "everywhere",
    };
    object([
        ("name", string(&row.name)),
        ("flat", row.flat.to_string()),
        ("cum", row.cum.to_string()),
        ("inlined", string(inlined)),
        (
            "callers",
            array(row.callers.iter().map(|caller| string(caller))),
        ),
        ("flat_estimate", estimate(row.estimates.map(|e| e.flat))),
        ("cum_estimate", estimate(row.estimates.map(|e| e.cum))),
    ])
}

fn estimate(estimate: Option<Estimate>) -> String {
    let Some(estimate) = estimate else {
        return "null".into();
    };
    let reach = estimate.interval_95();
    object([
        ("value", number(estimate.value)),
        ("standard_error", number(estimate.standard_error)),
        ("low_95", number(*reach.start())),
        ("high_95", number(*reach.end())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::example::profile;

    #[test]
    fn rows_carry_numbers_and_their_limits() {
        let top = Top::new(
            profile("main / a // b = 2 1024 1 512", 0)
                .sample_type_at(3)
                .unwrap(),
        );
        let read: serde_json::Value = serde_json::from_str(&top.to_json()).unwrap();
        assert_eq!(read["sample_type"], "inuse_space");
        assert_eq!(read["total"], 512);
        let row = &read["rows"][0];
        assert_eq!(
            (&row["name"], &row["inlined"]),
            (&"b".into(), &"everywhere".into())
        );
        assert_eq!((&row["flat"], &row["cum"]), (&512.into(), &512.into()));
        let estimate = &row["flat_estimate"];
        assert_eq!(estimate["value"], 512.0);
        let near = |field: &str, expected: f64| {
            let found = estimate[field].as_f64().unwrap();
            assert!((found - expected).abs() < 1.0, "{field} {found}");
        };
        let expected = top.rows[0].estimates.unwrap().flat;
        near("standard_error", expected.standard_error);
        near("low_95", *expected.interval_95().start());
        near("high_95", *expected.interval_95().end());
        assert_eq!(read["rows"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn a_number_without_an_error_says_so() {
        let mut profile = profile("main = 1 1 1 1", 0);
        profile.period = 0;
        let json = Top::new(profile.sample_type_at(3).unwrap()).to_json();
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(read["sum"].is_null() && read["rows"][0]["cum_estimate"].is_null());
    }
}
