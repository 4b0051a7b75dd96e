//! The verdict: the leaks with their stacks, every other stack with the reason, and notes.
//!
//! These are values for programs to act on. `text` writes them for people, `json` for other
//! programs.

use std::time::Duration;

use super::frame::StackFrame;
use super::json;
use super::stats::StackTrend;

/// The answer of [`find`](super::find). Its `Display` is for people; `{:#}` shows whole stacks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// The stacks that leak, fastest first.
    pub leaks: Vec<Leak>,
    /// All other stacks, most live bytes first.
    pub not_accused: Vec<NotAccused>,
    /// Time from the first profile to the last.
    pub span: Duration,
    /// Number of profiles.
    pub snapshots: usize,
    /// Number of rolled-up stacks that were judged.
    pub stacks_tried: usize,
    /// The share of leaks that sampling noise may account for.
    pub false_discovery_rate: f64,
    /// The slowest leak, in bytes per second, that would have stood out from the noise nine times
    /// out of ten. It is on a stack of its own and made of blocks smaller than the sample interval.
    /// The span and the number of stacks tried are those of this verdict.
    pub smallest_leak: f64,
    /// Sentences about other things that were noticed: restarts, losses of the profiler, missing
    /// names.
    pub notes: Vec<String>,
}

impl Verdict {
    /// Whether any stack leaks.
    #[must_use]
    pub fn has_leak(&self) -> bool {
        !self.leaks.is_empty()
    }

    /// The verdict as a JSON object, for programs.
    ///
    /// docs/leaks.md lists its fields. Fields may be added.
    ///
    /// ```
    /// # use heaptide_profile::{Profile, ValueType, leak};
    /// # let kinds = ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"];
    /// # let profiles = [1, 2].map(|second| Profile {
    /// #     sample_types: kinds.map(|kind| ValueType::new(kind, "")).to_vec(),
    /// #     time_nanos: second * 1_000_000_000,
    /// #     period: 512 * 1024,
    /// #     ..Profile::default()
    /// # });
    /// let json = leak::find(&profiles)?.to_json();
    /// assert!(json.starts_with(r#"{"has_leak":false,"leaks":[],"#));
    /// # Ok::<(), heaptide_profile::Error>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        json::verdict(self)
    }
}

/// A call stack that leaks, and the function that is blamed for it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Leak {
    /// The trend of the stack over the profiles.
    pub trend: StackTrend,
    /// The function to blame, at the line that grew most: where the stack, counted from the
    /// function that allocates, first differs from those that do not leak.
    pub blamed: StackFrame,
}

/// A call stack that is not accused, and why.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NotAccused {
    /// The trend of the stack over the profiles.
    pub trend: StackTrend,
    /// Why it is not accused.
    pub reason: NotAccusedReason,
}

/// Why a call stack is not accused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotAccusedReason {
    /// Its live bytes fell.
    Shrinks,
    /// Its growth, if any, is no more than sampling noise.
    WithinNoise,
    /// It frees about as much as it allocates.
    Churns,
    /// It grew, and stopped or slowed down, while it goes on allocating: a cache that is full.
    LevelsOff,
    /// It grew, and then stopped allocating: memory that is set up once.
    WarmsUp,
    /// It rises, and gives back its growth.
    Sawtooth,
    /// It grew, but not by more than noise in the later half of the span, or by a doubling that
    /// another one may follow. Longer watching will tell.
    Unproven,
    /// It grew in few parts of the span only.
    Unsteady,
}

impl NotAccusedReason {
    /// The name of the class in JSON.
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
