//! How a report is put together: what a row stands for, the order, and what 100 percent is.
//!
//! Apart from `text`, which writes what is computed, because these choices change the numbers.

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

/// How a report is put together.
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
    /// What a row stands for; a function unless set.
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

    /// Makes `total` 100 percent, as that of a whole of which the profile is the part that a
    /// [`Filter`](crate::Filter) has left; see [`total`](super::total).
    #[must_use]
    pub fn out_of(mut self, total: i64) -> Self {
        self.total = Some(total);
        self
    }
}
