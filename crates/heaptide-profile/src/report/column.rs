//! The one column of a profile that a report is of: each sample's value with its estimate, and what is
//! known of all together.
//!
//! Every report begins here, so that all of them leave out the same samples and say the same of errors.

use crate::{Error, Estimate, Profile, Result, Sample, ValueType};

/// A sample type of a profile.
#[derive(Debug)]
pub struct Column<'a> {
    profile: &'a Profile,
    index: usize,
    /// What the numbers are.
    pub(super) value_type: &'a ValueType,
    estimates: Option<Vec<Estimate>>,
    /// Why there are no errors, if that needs to be said.
    pub(super) no_errors: Option<String>,
}

/// What a sample adds to the sums of a report.
#[derive(Clone, Copy)]
pub(super) struct Amount {
    pub(super) value: i128,
    pub(super) estimate: Estimate,
    pub(super) is_base: bool,
}

impl<'a> Column<'a> {
    /// The sample type at `index`.
    ///
    /// # Errors
    ///
    /// A mismatch if the profile has none there.
    pub fn of(profile: &'a Profile, index: usize) -> Result<Self> {
        let value_type = profile.sample_types.get(index).ok_or_else(|| {
            Error::mismatch(format!(
                "the profile has no sample type {index}: it has {}",
                profile.sample_types.len()
            ))
        })?;
        let (estimates, no_errors) = match profile.estimates(index) {
            Ok(estimates) => (Some(estimates), None),
            // Of what no profiler samples nobody expects an error.
            Err(_) if !profile.is_sampled(index) => (None, None),
            Err(reason) => (None, Some(reason.to_string())),
        };
        Ok(Self {
            profile,
            index,
            value_type,
            estimates,
            no_errors,
        })
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
        let samples = self.profile.samples.iter().enumerate();
        samples.map(|(at, sample)| {
            let value = sample.values.get(self.index).copied().unwrap_or(0);
            let estimate = self.estimates.as_ref().and_then(|all| all.get(at));
            (sample, value, estimate.copied().unwrap_or_default())
        })
    }

    /// The samples that a sum has to know of, and what they add.
    pub(super) fn amounts(&self) -> impl Iterator<Item = (&'a Sample, Amount)> {
        // The counterpart of a sample of nothing may have the error of both.
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
