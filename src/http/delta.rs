//! Differences over time: within one request (`seconds=N`), and since a client's last request.
//!
//! Profiles are compared raw, by address, and only the difference gets names. The last profile of
//! each client is kept compressed. The number of clients and of bytes is bounded: the client that
//! has not asked for longest is dropped first.

use super::render;
use crate::{Profile, Result};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{collections::VecDeque, slice::SliceIndex, time::Instant};

/// The first column of live memory in Go's four sample types; those before it only ever grow.
const INUSE: usize = 2;

/// The difference that Go's `?seconds=N` gives: of all columns, without samples that did not
/// change.
pub(super) fn over_time(after: &Profile, before: &Profile) -> Result<Profile> {
    let mut delta = after.diff(before)?;
    delta.comments.clone_from(&after.comments);
    delta.comments.push(Profile::DIFFERENCE.into());
    delta.duration_nanos = after.time_nanos.saturating_sub(before.time_nanos);
    delta.time_nanos = after.time_nanos;
    Ok(delta)
}

/// What was allocated since `base` and all that is live; and the base for the next time.
///
/// That base is the largest value that each column has had. Rounding makes the numbers of a stack's
/// size groups add up to the stack's, so one may fall by 1 as another one grows. With the largest
/// values no delta is negative, and all deltas add up.
pub(super) fn since(base: &Profile, now: &Profile) -> Result<(Profile, Profile)> {
    let mut delta = now.diff(base)?;
    delta.comments.clone_from(&now.comments);
    let (mut fallen, mut next) = (delta.clone(), now.clone());
    change(&mut delta, ..INUSE, |value| value.max(0));
    change(&mut fallen, ..INUSE, |value| value.saturating_neg().max(0));
    change(&mut fallen, INUSE.., |_| 0);
    change(&mut next, INUSE.., |_| 0);
    let next = Profile::merge(&[&next, &fallen])?;
    // A merge of one profile drops samples that are zero now.
    let mut delta = Profile::merge(&[&delta])?;
    delta.time_nanos = now.time_nanos;
    Ok((delta, next))
}

fn change(
    profile: &mut Profile,
    columns: impl SliceIndex<[i64], Output = [i64]> + Clone,
    to: impl Fn(i64) -> i64,
) {
    for sample in &mut profile.samples {
        for value in sample.values.get_mut(columns.clone()).into_iter().flatten() {
            *value = to(*value);
        }
    }
}

/// The base of each client's next delta.
#[derive(Debug)]
pub(super) struct DeltaClients {
    max_clients: usize,
    max_bytes: usize,
    /// The client that asked last is at the back.
    bases: Mutex<VecDeque<ClientBase>>,
}

#[derive(Clone, Debug)]
struct ClientBase {
    client: String,
    bytes: Vec<u8>,
    at: Instant,
}

impl DeltaClients {
    pub(super) fn new(max_clients: usize, max_bytes: usize) -> Self {
        Self {
            max_clients,
            max_bytes,
            bases: Mutex::default(),
        }
    }

    /// The base of this client, and when it was taken.
    ///
    /// # Errors
    ///
    /// Those of reading a profile that this process has written.
    pub(super) fn base_of(&self, client: &str) -> Result<Option<(Profile, Instant)>> {
        let found = self
            .lock()
            .iter()
            .find(|base| base.client == client)
            .cloned();
        let read = found.map(|base| Ok((Profile::read(&base.bytes)?, base.at)));
        read.transpose()
    }

    /// Keeps a client's base, and drops those that exceed the limits.
    pub(super) fn set_base(&self, client: &str, base: &Profile, at: Instant) -> Result<()> {
        let mut bytes = render::encode(base)?;
        bytes.shrink_to_fit();
        let mut bases = self.lock();
        bases.retain(|base| base.client != client);
        let client = client.into();
        bases.push_back(ClientBase { client, bytes, at });
        let size = |of: &VecDeque<ClientBase>| of.iter().map(|base| base.bytes.len()).sum();
        while bases.len() > self.max_clients || self.max_bytes < size(&bases) {
            bases.pop_front();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<ClientBase>> {
        self.bases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heaptide_profile::testing::example::profile;

    fn values(profile: &Profile) -> Vec<(String, Vec<i64>)> {
        let samples = profile.samples.iter();
        let mut values: Vec<_> = samples
            .map(|sample| {
                let leaf = profile.frames(sample).next().unwrap();
                (
                    leaf.function.unwrap().name.to_string(),
                    sample.values.clone(),
                )
            })
            .collect();
        values.sort();
        values
    }

    fn named(values: &[(&str, [i64; 4])]) -> Vec<(String, Vec<i64>)> {
        let each = values.iter();
        each.map(|(name, values)| ((*name).into(), values.to_vec()))
            .collect()
    }

    #[test]
    fn over_time_subtracts_all_columns() {
        let mut before = profile("main / a = 4 400 4 400\n main / b = 1 1 1 1", 0);
        let mut after = profile("main / a = 6 600 2 200\n main / b = 1 1 1 1", 0);
        (before.time_nanos, after.time_nanos) = (1_000, 3_500);
        before.comments = vec!["lost 1".into()];
        after.comments = vec!["lost 2".into()];
        let delta = over_time(&after, &before).unwrap();
        assert_eq!(values(&delta), named(&[("a", [2, 200, -2, -200])]));
        assert_eq!((delta.time_nanos, delta.duration_nanos), (3_500, 2_500));
        let comments: Vec<&str> = delta.comments.iter().map(|comment| &**comment).collect();
        assert_eq!(comments, ["lost 2", "#heaptide difference"]);
    }

    #[test]
    fn since_keeps_live_columns_and_its_deltas_add_up() {
        let steps = [
            "main / a = 4 400 4 400\n main / b = 2 20 0 0",
            "main / a = 4 400 3 300\n main / b = 2 20 0 0",
            // Rounding has moved one from `a` to `b`, and then moves it back.
            "main / a = 3 399 3 300\n main / b = 4 40 1 10",
            "main / a = 5 500 0 0\n main / b = 4 40 1 10",
        ];
        let deltas = [
            named(&[("a", [4, 400, 4, 400]), ("b", [2, 20, 0, 0])]),
            named(&[("a", [0, 0, 3, 300])]),
            named(&[("a", [0, 0, 3, 300]), ("b", [2, 20, 1, 10])]),
            named(&[("a", [1, 100, 0, 0]), ("b", [0, 0, 1, 10])]),
        ];
        let mut base = profile("", 0);
        for (at, (step, expected)) in steps.iter().zip(deltas).enumerate() {
            let mut now = profile(step, 0);
            now.time_nanos += i64::try_from(at).unwrap();
            let (delta, next) = since(&base, &now).unwrap();
            assert_eq!(values(&delta), expected, "step {at}");
            assert_eq!(delta.time_nanos, now.time_nanos);
            base = next;
        }
    }

    #[test]
    fn bases_are_kept_by_client_and_the_oldest_is_dropped() {
        let clients = DeltaClients::new(2, usize::MAX);
        let base = |bytes| profile(&format!("main = 1 {bytes} 0 0"), 0);
        let at = Instant::now();
        let of =
            |clients: &DeltaClients, name| clients.base_of(name).unwrap().map(|(base, _)| base);
        for (client, bytes) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            clients.set_base(client, &base(bytes), at).unwrap();
        }
        assert_eq!(of(&clients, "a"), Some(base(3)));
        assert_eq!(of(&clients, "b"), None, "`a` asked later");
        assert_eq!(of(&clients, "c"), Some(base(4)));
        // A base that is too large by itself is not kept.
        let small = DeltaClients::new(2, 10);
        small.set_base("a", &base(1), at).unwrap();
        assert_eq!(of(&small, "a"), None);
    }
}
