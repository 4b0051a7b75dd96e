//! How much of a call graph is shown.
//!
//! It is separate from `view` because a limit changes no number that is shown.

/// What is left out of a [`CallGraph`](super::CallGraph); nothing unless set.
///
/// # Examples
///
/// ```
/// use heaptide_profile::report::GraphLimits;
///
/// // What `go tool pprof -tree` leaves out.
/// let limits = GraphLimits::default().nodes(80).node_share(0.005).call_share(0.001);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GraphLimits {
    pub(super) nodes: usize,
    node_share: f64,
    call_share: f64,
}

impl GraphLimits {
    /// Keeps the first `nodes` functions; 0 keeps all.
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// Leaves out functions whose `cum` is below this share of the sum of all `flat` values. A
    /// share is from 0 to 1.
    #[must_use]
    pub fn node_share(mut self, share: f64) -> Self {
        self.node_share = share;
        self
    }

    /// Leaves out calls below this share of the sum of all `flat` values. A share is from 0 to 1.
    #[must_use]
    pub fn call_share(mut self, share: f64) -> Self {
        self.call_share = share;
        self
    }

    /// The least size of a function and of a call that are kept, where all functions hold `flat`
    /// together. Not negative, and cut to a whole number as `pprof` cuts it.
    pub(super) fn least(&self, flat: i64) -> (i64, i64) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "cut on purpose, and saturating beyond the range"
        )]
        let part = |share: f64| ((flat as f64 * share) as i64).saturating_abs();
        (part(self.node_share), part(self.call_share))
    }
}

#[cfg(test)]
mod tests {
    use super::GraphLimits;

    #[test]
    fn shares_are_cut_to_whole_numbers_and_have_no_sign() {
        let limits = GraphLimits::default().node_share(0.005).call_share(0.001);
        assert_eq!(limits.least(3999), (19, 3));
        assert_eq!(limits.least(-3999), (19, 3));
        assert_eq!(limits.least(0), (0, 0));
        assert_eq!(GraphLimits::default().least(i64::MIN), (0, 0));
        assert_eq!(
            GraphLimits::default().node_share(-9.0).least(i64::MIN).0,
            i64::MAX
        );
    }
}
