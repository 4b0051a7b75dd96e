//! Differences over time: between two profiles of one request (`seconds=N`), and since a client's last
//! request (`delta_heap`).
//!
//! Profiles are compared raw, by address, and only what differs is given names. What a client was given
//! before is kept compressed, for a bounded number of clients and of bytes; who was not heard of for longest
//! is forgotten first.

use crate::{Profile, Result};
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// Columns of what is live in Go's four sample types; those before count what was ever allocated.
const INUSE: usize = 2;

/// The difference as Go's `?seconds=N` gives it: all columns, and of what has not changed nothing.
pub(super) fn over_time(after: &Profile, before: &Profile) -> Result<Profile> {
    let mut delta = after.diff(before)?;
    delta.comments.clone_from(&after.comments);
    delta.comments.push(Profile::DIFFERENCE.into());
    delta.duration_nanos = after.time_nanos.saturating_sub(before.time_nanos);
    delta.time_nanos = after.time_nanos;
    Ok(delta)
}

/// What was allocated since `base`, and all that is live; and the base for the next time.
///
/// The base is the greatest each column has been: a size group's number is rounded so that its stack's sum is
/// right, and may fall by 1 as another group of the stack grows. So nothing is negative, and the deltas of
/// all time add up.
pub(super) fn since(base: &Profile, now: &Profile) -> Result<(Profile, Profile)> {
    let mut delta = now.diff(base)?;
    delta.comments.clone_from(&now.comments);
    let mut fallen = delta.clone();
    for value in columns(&mut delta, ..INUSE) {
        *value = (*value).max(0);
    }
    for value in columns(&mut fallen, ..INUSE) {
        *value = value.saturating_neg().max(0);
    }
    for value in columns(&mut fallen, INUSE..) {
        *value = 0;
    }
    let mut next = now.clone();
    for value in columns(&mut next, INUSE..) {
        *value = 0;
    }
    let next = Profile::merge(&[&next, &fallen])?;
    // Merging one drops what has become nothing.
    let mut delta = Profile::merge(&[&delta])?;
    delta.time_nanos = now.time_nanos;
    Ok((delta, next))
}

fn columns(
    profile: &mut Profile,
    range: impl std::slice::SliceIndex<[i64], Output = [i64]> + Clone,
) -> impl Iterator<Item = &mut i64> {
    let values = profile.samples.iter_mut();
    values.flat_map(move |sample| sample.values.get_mut(range.clone()).into_iter().flatten())
}

/// What each client was given last.
#[derive(Debug)]
pub(super) struct Clients {
    most_clients: usize,
    most_bytes: usize,
    /// Who was heard of last is at the back.
    known: Mutex<VecDeque<Known>>,
}

/// The base of a client's next delta.
#[derive(Debug)]
struct Known {
    client: String,
    base: Vec<u8>,
    at: Instant,
}

impl Clients {
    pub(super) fn new(most_clients: usize, most_bytes: usize) -> Self {
        Self {
            most_clients,
            most_bytes,
            known: Mutex::default(),
        }
    }

    /// The base of this client and when it was remembered.
    ///
    /// # Errors
    ///
    /// Those of reading a profile, which this process has written.
    pub(super) fn base_of(&self, client: &str) -> Result<Option<(Profile, Instant)>> {
        let found = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let known = known.iter().find(|known| known.client == client);
            known.map(|known| (known.base.clone(), known.at))
        };
        found
            .map(|(base, at)| Ok((Profile::read(&base)?, at)))
            .transpose()
    }

    /// Remembers a client's base, and forgets whom there is no room for.
    pub(super) fn remember(&self, client: &str, base: &Profile, at: Instant) -> Result<()> {
        let mut bytes = Vec::new();
        base.write(&mut bytes)?;
        bytes.shrink_to_fit();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|known| known.client != client);
        known.push_back(Known {
            client: client.into(),
            base: bytes,
            at,
        });
        let size = |known: &VecDeque<Known>| known.iter().map(|k| k.base.len()).sum::<usize>();
        while known.len() > self.most_clients || size(&known) > self.most_bytes {
            known.pop_front();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::example::profile;

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
    fn over_time_all_columns_are_differences() {
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
    fn since_a_base_what_is_live_stays_and_the_deltas_add_up() {
        let steps = [
            "main / a = 4 400 4 400\n main / b = 2 20 0 0",
            "main / a = 4 400 3 300\n main / b = 2 20 0 0",
            // By rounding `a` has lost one to `b`, and then gets it back.
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
    fn clients_are_remembered_by_name_and_the_oldest_is_forgotten() {
        let clients = Clients::new(2, usize::MAX);
        let base = |bytes| profile(&format!("main = 1 {bytes} 0 0"), 0);
        let at = Instant::now();
        let of = |clients: &Clients, name| clients.base_of(name).unwrap().map(|(base, _)| base);
        for (client, bytes) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            clients.remember(client, &base(bytes), at).unwrap();
        }
        assert_eq!(of(&clients, "a"), Some(base(3)));
        assert_eq!(of(&clients, "b"), None, "`a` was heard of later");
        assert_eq!(of(&clients, "c"), Some(base(4)));
        // One that alone is too large is not kept either.
        let small = Clients::new(2, 10);
        small.remember("a", &base(1), at).unwrap();
        assert_eq!(of(&small, "a"), None);
    }
}
