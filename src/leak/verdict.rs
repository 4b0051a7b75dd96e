//! The answer: the suspects with their stacks, who was acquitted and of what, and what else was noticed.
//!
//! Values for programs to act on; `text` writes them for people and `json` for machines.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::frame::StackFrame;
use super::json;
use crate::profile::Estimate;

/// The answer of [`find`](super::find). Its `Display` is for people; `{:#}` shows whole stacks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// The stacks that leak, fastest first.
    pub suspects: Vec<Suspect>,
    /// All other stacks, most live bytes first.
    pub acquitted: Vec<Acquitted>,
    /// Time from the first profile to the last.
    pub span: Duration,
    /// Number of profiles.
    pub snapshots: usize,
    /// Number of rolled-up stacks that were judged.
    pub stacks_tried: usize,
    /// The share of suspects that sampling noise may account for.
    pub false_discovery_rate: f64,
    /// The slowest leak, in bytes per second, that would have stood out from the noise nine times
    /// out of ten on a stack of its own, made of blocks smaller than the sample interval, given the
    /// span and the stacks tried.
    pub smallest_leak: f64,
    /// What else was noticed, a sentence each: restarts, what the profiler lost, names that are missing.
    pub notes: Vec<String>,
}

impl Verdict {
    /// The stacks that leak, fastest first.
    #[must_use]
    pub fn leaks(&self) -> &[Suspect] {
        &self.suspects
    }

    /// Whether any stack leaks.
    #[must_use]
    pub fn has_leak(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// The verdict as a JSON object, for programs; docs/leaks.md lists its fields. Fields may be added.
    ///
    /// ```
    /// # use heaptide::{Profile, profile::ValueType, leak};
    /// # let kinds = ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"];
    /// # let profiles = [1, 2].map(|second| Profile {
    /// #     sample_types: kinds.map(|kind| ValueType::new(kind, "")).to_vec(),
    /// #     time_nanos: second * 1_000_000_000,
    /// #     period: 512 * 1024,
    /// #     ..Profile::default()
    /// # });
    /// let json = leak::find(&profiles)?.to_json();
    /// assert!(json.starts_with(r#"{"has_leak":false,"leaks":[],"#));
    /// # Ok::<(), heaptide::Error>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        json::verdict(self)
    }
}

/// What the profiles say of one rolled-up call stack.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Suspect {
    /// The function to blame, at the line that grew most: where the stack first differs from those that
    /// do not leak, counted from the function that allocates.
    pub function: StackFrame,
    /// The function that allocates: the innermost one outside the standard library.
    pub site: StackFrame,
    /// The whole call stack that grew most, leaf first.
    pub stack: Vec<StackFrame>,
    /// Live bytes at each profile.
    pub inuse_space: Vec<i64>,
    /// Live bytes at the last profile.
    pub live: Estimate,
    /// Growth of the live bytes from the first profile to the last.
    pub growth: Estimate,
    /// Mean growth in bytes per second, from the first profile to the last.
    pub rate: Estimate,
    /// Trend in bytes per second over all profiles: the median of the slopes between any two, weighing as
    /// the time between them, those closer together than a hundredth of the span being one. Of a list accused of doubling without end, how fast it is filled.
    pub slope: f64,
    /// A range that holds the true trend about 95 times in 100, going by what sampling blurs; of such a
    /// list always, going by the time between profiles.
    pub slope_95: RangeInclusive<f64>,
    /// Growth in bytes per second over the later half of the span.
    pub late_rate: f64,
    /// Growth in bytes per second over the last quarter of the span.
    pub last_rate: f64,
    /// In how many of the intervals between profiles it grew.
    pub intervals_grown: usize,
    /// In how many of the equal parts of the span it grew.
    pub parts_grown: usize,
    /// How many such parts there are: eight, or as many as intervals; fewer where no profile was taken in one.
    pub parts: usize,
    /// The largest fall of the live bytes from an earlier peak, in bytes.
    pub largest_fall: f64,
    /// Chance that noise alone shows a rise and a fall as large as its largest ones.
    pub swing_p_value: f64,
    /// Its largest rise divided by what was allocated meanwhile.
    pub(super) kept_while_rising: f64,
    /// Whether its last large step was a doubling that is no longer past than it took to come.
    pub(super) doubled_lately: bool,
    /// How often it doubled and stood still in between, up to the last profile.
    pub doublings: usize,
    /// Whether it is made of few blocks, too large for sampling to miss, and gave nothing back.
    pub(super) is_one_list: bool,
    /// Whether its doublings make it a list that grows without end.
    pub(super) keeps_doubling: bool,
    /// Bytes allocated between the first profile and the last.
    pub allocated: f64,
    /// Those of them in the last part, and how long that is relative to the whole.
    pub(super) last_allocated: f64,
    pub(super) last_share: f64,
    /// Growth divided by what was allocated in the same time; 0 if nothing was.
    pub retention: f64,
    /// Chance that noise alone, of sampling and of blocks that come and go at random, shows such
    /// growth over the whole span.
    pub growth_p_value: f64,
    /// The same for a loss at least as large, if it shrank.
    pub shrink_p_value: f64,
    /// Chance that noise alone shows such growth both over the span and over its later half.
    pub p_value: f64,
}

/// A call stack that is not accused, and why.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Acquitted {
    /// What the profiles say of it.
    pub trend: Suspect,
    /// Why it is not accused.
    pub reason: Reason,
}

/// Why a call stack is not accused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Its live bytes fell.
    Shrinks,
    /// Its growth, if any, is no more than sampling noise.
    WithinNoise,
    /// It frees about as much as it allocates.
    Churns,
    /// It grew, and has stopped or slowed down, while it goes on allocating: a cache that is full.
    LevelsOff,
    /// It grew, and then stopped allocating: what is set up once.
    WarmsUp,
    /// It rises, and gives back what it had grown by.
    Sawtooth,
    /// It grew, but not by more than noise in the later half of the span, or by a last doubling that may be
    /// followed by another. Longer watching will tell.
    Unproven,
    /// It grew in few parts of the span only.
    Unsteady,
}

impl Reason {
    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shrinks => "shrinking",
            Self::WithinNoise => "within_noise",
            Self::Churns => "churn",
            Self::LevelsOff => "levels_off",
            Self::WarmsUp => "warm_up",
            Self::Sawtooth => "sawtooth",
            Self::Unproven => "unproven",
            Self::Unsteady => "unsteady",
        }
    }
}
