//! A sum of profiles under construction; it finds the equal samples of two profiles.
//!
//! `merge`, which documents the identities, and `diff`, which adds with a minus sign, share it. It
//! compares nothing beyond these identities, and does not know what the values mean.

use std::collections::{HashMap, hash_map::Entry};

use super::tables::{Known, Source};
use crate::{Error, Result};
use crate::{Label, LabelValue, LocationId, Profile, Sample};

/// How a profile enters a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// Its values are added.
    Plus,
    /// Its values are subtracted.
    Minus,
    /// Its values are subtracted, and its samples are kept separate by [`Profile::BASE_LABEL`].
    Base,
}

/// A sum of profiles under construction.
pub(super) struct Sum {
    merged: Profile,
    samples: HashMap<(Vec<LocationId>, Vec<Label>), usize>,
    known: Known,
}

impl Sum {
    /// An empty sum. `header` has no samples and no tables.
    pub(super) fn new(header: Profile) -> Self {
        Self {
            merged: header,
            samples: HashMap::new(),
            known: Known::default(),
        }
    }

    /// The sum so far, including zeros.
    pub(super) fn header(&self) -> &Profile {
        &self.merged
    }

    /// Replaces the header of the sum. The tables of `header` are not used.
    pub(super) fn set_header(&mut self, header: Profile) {
        let merged = &mut self.merged;
        let tables = Profile {
            samples: std::mem::take(&mut merged.samples),
            mappings: std::mem::take(&mut merged.mappings),
            locations: std::mem::take(&mut merged.locations),
            functions: std::mem::take(&mut merged.functions),
            ..header
        };
        self.merged = tables;
    }

    pub(super) fn add(&mut self, profile: &Profile, term: Term) -> Result<()> {
        let mut source = Source::new(profile);
        // The first mapping is the main executable by convention. So it must stay the first,
        // whichever sample comes first.
        if self.merged.mappings.is_empty() && !profile.mappings.is_empty() {
            self.known.mapping(&mut self.merged, &mut source, 0)?;
        }
        for (at, sample) in profile.samples.iter().enumerate() {
            if sample.values.len() != self.merged.sample_types.len() {
                return Err(Error::malformed(format!(
                    "sample {at} has {} values for {} sample types",
                    sample.values.len(),
                    self.merged.sample_types.len()
                )));
            }
            if !is_zero(sample) {
                self.sample(&mut source, sample, term)?;
            }
        }
        Ok(())
    }

    /// The sum, without samples that became zero and without entries that only those used.
    pub(super) fn finish(self) -> Result<Profile> {
        if !self.merged.samples.iter().any(is_zero) {
            return Ok(self.merged);
        }
        let mut header = self.merged;
        let summed = Profile {
            samples: std::mem::take(&mut header.samples),
            mappings: std::mem::take(&mut header.mappings),
            locations: std::mem::take(&mut header.locations),
            functions: std::mem::take(&mut header.functions),
            sample_types: header.sample_types.clone(),
            ..Profile::default()
        };
        let mut compacted = Self::new(header);
        compacted.add(&summed, Term::Plus)?;
        Ok(compacted.merged)
    }

    fn sample(&mut self, source: &mut Source<'_>, sample: &Sample, term: Term) -> Result<()> {
        let locations = sample
            .locations
            .iter()
            .map(|id| self.known.location(&mut self.merged, source, id.index()))
            .collect::<Result<Vec<_>>>()?;
        let labels = labels(sample, term);
        let mut identity = labels.clone();
        // A stable sort, because the values of one key are an ordered list.
        identity.sort_by(|a, b| order(a).cmp(&order(b)));

        match self.samples.entry((locations.clone(), identity)) {
            Entry::Vacant(new) => {
                new.insert(self.merged.samples.len());
                let mut values = vec![0; sample.values.len()];
                accumulate(&mut values, &sample.values, term)?;
                self.merged.samples.push(Sample {
                    locations,
                    values,
                    labels,
                });
            }
            Entry::Occupied(known) => {
                if let Some(sum) = self.merged.samples.get_mut(*known.get()) {
                    accumulate(&mut sum.values, &sample.values, term)?;
                }
            }
        }
        Ok(())
    }
}

fn is_zero(sample: &Sample) -> bool {
    sample.values.iter().all(|&value| value == 0)
}

fn labels(sample: &Sample, term: Term) -> Vec<Label> {
    let mut labels = sample.labels.clone();
    if term == Term::Base {
        let base = LabelValue::Text("true".into());
        labels.retain(|label| &*label.key != Profile::BASE_LABEL);
        labels.push(Label {
            key: Profile::BASE_LABEL.into(),
            value: base,
        });
    }
    labels
}

/// Texts and numbers of one key are separate lists.
fn order(label: &Label) -> (&str, bool) {
    let is_number = matches!(label.value, LabelValue::Number { .. });
    (&label.key, is_number)
}

fn accumulate(sums: &mut [i64], values: &[i64], term: Term) -> Result<()> {
    for (sum, &value) in sums.iter_mut().zip(values) {
        let added = match term {
            Term::Plus => sum.checked_add(value),
            Term::Minus | Term::Base => sum.checked_sub(value),
        };
        *sum = added.ok_or_else(|| {
            Error::malformed(format!(
                "the values {sum} and {value} of equal samples add up to more than 64 bits hold"
            ))
        })?;
    }
    Ok(())
}
