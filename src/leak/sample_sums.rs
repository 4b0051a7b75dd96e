//! One profile by numbers: its populations by path, size group and sample interval, and its sums by stack.
//!
//! All that is kept of a profile, so that it can be let go. It compares nothing.

use super::numbering::Numbering;
use super::stack::Names;
use crate::profile::Population;
use crate::{Profile, Result};

/// A population's key: path, largest block, sample interval. The finer, the tighter its error's bound.
pub(super) type Key = (u32, i64, i64);

/// One profile, by numbers.
#[derive(Debug)]
pub(super) struct Measure {
    pub(super) populations: Vec<(Key, Population)>,
    /// Live and allocated bytes by rolled-up stack.
    pub(super) sums: Vec<(i64, i64)>,
}

impl Measure {
    /// The samples of a profile.
    pub(super) fn of(profile: &Profile, names: &mut Names) -> Result<Self> {
        let mut keyed = Vec::with_capacity(profile.samples.len());
        let mut numbering = Numbering::of(names, profile);
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
        let mut sums = vec![(0_i64, 0_i64); names.stacks()];
        let mut populations: Vec<(Key, Population)> = Vec::with_capacity(keyed.len());
        for (key, population) in keyed {
            if let Some(sum) = sums.get_mut(names.stack_of(key.0) as usize) {
                sum.0 = sum.0.saturating_add(population.inuse_space);
                sum.1 = sum.1.saturating_add(population.alloc_space);
            }
            match populations.last_mut().filter(|last| last.0 == key) {
                Some(last) => last.1 += population,
                None => populations.push((key, population)),
            }
        }
        Ok(Self { populations, sums })
    }
}
