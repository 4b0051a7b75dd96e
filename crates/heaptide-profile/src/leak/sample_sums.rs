//! The samples of one profile, summed: by population for errors, and by rolled-up stack.
//!
//! This is all that is kept of a profile, so that the profile itself can be dropped. Nothing is
//! compared here.

use super::interner::StackInterner;
use super::numbering::Numbering;
use crate::Population;
use crate::{Profile, Result};

/// The key of a population: path, largest block, sample interval. The finer the key, the tighter
/// the bound of the error.
pub(super) type PopulationKey = (u32, i64, i64);

/// The sums of one profile's samples.
#[derive(Debug)]
pub(super) struct SampleSums {
    /// In the order of their keys, each key once.
    pub(super) populations: Vec<(PopulationKey, Population)>,
    /// Live and allocated bytes by number of the rolled-up stack.
    pub(super) stacks: Vec<(i64, i64)>,
}

impl SampleSums {
    /// Sums the samples of a profile.
    ///
    /// # Errors
    ///
    /// A mismatch if it is not a heap profile; too large if there are more frames than are held.
    pub(super) fn of(profile: &Profile, interner: &mut StackInterner) -> Result<Self> {
        let mut keyed = Vec::with_capacity(profile.samples.len());
        let mut numbering = Numbering::of(interner, profile);
        for sample in &profile.samples {
            let population = profile.population(sample)?;
            let key = (
                numbering.path(sample)?,
                population.largest_block,
                population.interval_bytes,
            );
            keyed.push((key, population));
        }
        keyed.sort_by_key(|(key, _)| *key);
        let mut stacks = vec![(0_i64, 0_i64); interner.stacks()];
        let mut populations: Vec<(PopulationKey, Population)> = Vec::with_capacity(keyed.len());
        for (key, population) in keyed {
            if let Some(sum) = stacks.get_mut(interner.stack_of(key.0) as usize) {
                sum.0 = sum.0.saturating_add(population.inuse_space);
                sum.1 = sum.1.saturating_add(population.alloc_space);
            }
            match populations.last_mut().filter(|last| last.0 == key) {
                Some(last) => last.1 += population,
                None => populations.push((key, population)),
            }
        }
        Ok(Self {
            populations,
            stacks,
        })
    }
}
