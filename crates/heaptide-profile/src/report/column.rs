//! The values of one sample type, each with its estimate.
//!
//! Every report begins here. So all of them leave out the same samples and state the same errors.

use crate::SampleType;
use crate::{Estimate, Sample, ValueType};

/// The values of one sample type.
#[derive(Debug)]
pub struct ReportColumn<'a> {
    sample_type: SampleType<'a>,
    /// What the numbers are.
    pub(super) value_type: &'a ValueType,
    estimates: Option<Vec<Estimate>>,
    /// The reason why there are no errors, if a reader needs to know it.
    pub(super) no_errors: Option<String>,
}

/// What a sample adds to the sums of a report.
#[derive(Clone, Copy)]
pub(super) struct Amount {
    pub(super) value: i128,
    pub(super) estimate: Estimate,
    pub(super) is_base: bool,
}

impl<'a> ReportColumn<'a> {
    /// The values of one sample type.
    #[must_use]
    pub fn of(sample_type: SampleType<'a>) -> Self {
        let (estimates, no_errors) = match sample_type.estimates() {
            Ok(estimates) => (Some(estimates), None),
            // Nobody expects an error of a value that no profiler samples.
            Err(_) if !sample_type.is_sampled() => (None, None),
            Err(reason) => (None, Some(reason.to_string())),
        };
        Self {
            sample_type,
            value_type: sample_type.value_type(),
            estimates,
            no_errors,
        }
    }

    /// Whether sampling errors are known.
    pub(super) fn has_errors(&self) -> bool {
        self.estimates.is_some()
    }

    /// What all samples add up to, if sampling errors are known.
    pub(super) fn estimate(&self) -> Option<Estimate> {
        let all = self.estimates.as_ref()?;
        Some(all.iter().copied().sum())
    }

    /// All samples in the profile's order, each with its value and its estimate.
    pub fn samples(&self) -> impl Iterator<Item = (&'a Sample, i64, Estimate)> {
        let samples = self.sample_type.profile().samples.iter().enumerate();
        samples.map(|(at, sample)| {
            let value = self.sample_type.value_of(sample);
            let estimate = self.estimates.as_ref().and_then(|all| all.get(at));
            (sample, value, estimate.copied().unwrap_or_default())
        })
    }

    /// The samples that a sum needs, with what they add to it.
    pub(super) fn amounts(&self) -> impl Iterator<Item = (&'a Sample, Amount)> {
        // A sample of value 0 in a difference may carry the error of its counterpart.
        let counting = self
            .samples()
            .filter(|(_, value, estimate)| *value != 0 || estimate.standard_error > 0.0);
        counting.map(|(sample, value, estimate)| {
            let amount = Amount {
                value: i128::from(value),
                estimate,
                is_base: sample.is_base(),
            };
            (sample, amount)
        })
    }
}
