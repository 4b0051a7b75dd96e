//! What a row of a report stands for, whether rows go by flat or cum, and what 100 percent is.
//!
//! It is separate from `text` because these choices change the numbers.

/// What a row of a [`Top`](super::Top) stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Granularity {
    /// A function.
    #[default]
    Functions,
    /// A line of a function: `put src/cache.rs:42`.
    Lines,
    /// A whole call stack, line by line. Its flat and cum values are the same.
    Stacks,
}

/// How a report is computed.
///
/// # Examples
///
/// ```
/// use heaptide_profile::report::{Granularity, View};
///
/// let lines = View::default().granularity(Granularity::Lines).by_cum();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub(super) granularity: Granularity,
    pub(super) by_cum: bool,
    pub(super) total: Option<i64>,
}

impl View {
    /// Sets what a row stands for. The default is a function.
    #[must_use]
    pub fn granularity(mut self, granularity: Granularity) -> Self {
        self.granularity = granularity;
        self
    }

    /// Sorts by `cum` instead of `flat`.
    #[must_use]
    pub fn by_cum(mut self) -> Self {
        self.by_cum = true;
        self
    }

    /// Makes `total` 100 percent. It is meant for a part that a [`Filter`](crate::Filter) left;
    /// `total` is then that of the whole, see [`total`](super::total).
    #[must_use]
    pub fn out_of(mut self, total: i64) -> Self {
        self.total = Some(total);
        self
    }
}
