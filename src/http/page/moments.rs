//! [`Moments`]: the heap at earlier times, so that the page can show what has changed since.
//!
//! Profiles as compressed bytes, with names, so that a library that was unloaded keeps its names. A thread of
//! its own takes one a minute from the first visit on, since nobody opens the page before the heap has grown.
//! In a forked child there is no such thread; nobody is let in there who would ask.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use crate::{
    Profile, ProfileOptions, Result,
    http::{caller::Caller, turn::Turns},
    record::muted,
};

/// How many earlier profiles are kept, and how many bytes of them.
const MAX_MOMENTS: usize = 24;
const MAX_BYTES: usize = 8 << 20;

/// Nearer ones would only push older ones out.
const MIN_DISTANCE_NANOS: u64 = 10_000_000_000;

const TICK: Duration = Duration::from_secs(60);

/// What is remembered between requests of the page.
#[derive(Debug)]
pub(in crate::http) struct Moments {
    /// The thread ends when this is dropped.
    ticking: OnceLock<std::result::Result<Sender<Infallible>, String>>,
    remembered: Arc<Mutex<Remembered>>,
    turns: Arc<Turns>,
}

/// The heap at one time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moment {
    pub(super) id: u64,
    pub(super) time_nanos: i64,
    /// The sum of each sample type.
    pub(super) totals: Vec<i64>,
    bytes: Arc<[u8]>,
}

#[derive(Debug, Default)]
struct Remembered {
    /// By rising id.
    moments: Vec<Moment>,
    /// The last one shown, which may be too near to its predecessor to be kept for long.
    shown: Option<Moment>,
    last_id: u64,
    /// Why the last tick remembered nothing.
    failure: Option<String>,
}

impl Moments {
    /// Each is a profile, for which there are turns.
    pub(in crate::http) fn new(turns: Arc<Turns>) -> Self {
        Self {
            ticking: OnceLock::new(),
            remembered: Arc::default(),
            turns,
        }
    }

    /// Takes what is shown now into account, and begins to remember by itself.
    pub(super) fn remember(&self, profile: &Profile) -> Result<Moment> {
        self.ticking
            .get_or_init(|| start(&self.remembered, &self.turns));
        let made = Made::of(profile)?;
        let mut remembered = lock(&self.remembered);
        let moment = remembered.add(made);
        remembered.shown = Some(moment.clone());
        Ok(moment)
    }

    /// The earlier ones, the oldest first.
    pub(super) fn list(&self) -> Vec<Moment> {
        lock(&self.remembered).moments.clone()
    }

    pub(super) fn find(&self, id: u64) -> Option<Moment> {
        let remembered = lock(&self.remembered);
        let mut all = remembered.moments.iter().chain(&remembered.shown);
        all.find(|moment| moment.id == id).cloned()
    }

    /// Why nothing is remembered between visits, if that is so.
    pub(super) fn failure(&self) -> Option<String> {
        match self.ticking.get() {
            Some(Err(failure)) => Some(failure.clone()),
            _ => lock(&self.remembered).failure.clone(),
        }
    }
}

impl Moment {
    pub(super) fn profile(&self) -> Result<Profile> {
        Profile::read(&self.bytes)
    }
}

/// A moment without its id.
struct Made {
    time_nanos: i64,
    totals: Vec<i64>,
    bytes: Arc<[u8]>,
}

impl Made {
    fn of(profile: &Profile) -> Result<Self> {
        let mut bytes = Vec::new();
        profile.write(&mut bytes)?;
        let totals = (0..profile.sample_types.len())
            .map(|index| {
                let values = profile.samples.iter().filter_map(|s| s.values.get(index));
                values.fold(0_i64, |sum, value| sum.saturating_add(*value))
            })
            .collect();
        Ok(Self {
            time_nanos: profile.time_nanos,
            totals,
            bytes: bytes.into(),
        })
    }
}

impl Remembered {
    /// Gives it an id, and keeps it if it is far enough from the last one, whichever way the clock went, and
    /// not too large to stand beside others.
    fn add(&mut self, made: Made) -> Moment {
        self.last_id += 1;
        let moment = Moment {
            id: self.last_id,
            time_nanos: made.time_nanos,
            totals: made.totals,
            bytes: made.bytes,
        };
        let is_far = self
            .moments
            .last()
            .is_none_or(|last| last.time_nanos.abs_diff(moment.time_nanos) >= MIN_DISTANCE_NANOS);
        if is_far && moment.bytes.len() <= MAX_BYTES {
            self.moments.push(moment.clone());
            while self.moments.len() > MAX_MOMENTS || self.bytes() > MAX_BYTES {
                let least = self.least_missed();
                self.moments.remove(least);
            }
        }
        moment
    }

    fn bytes(&self) -> usize {
        self.moments.iter().map(|moment| moment.bytes.len()).sum()
    }

    /// The one whose neighbors are nearest to each other for how long ago they are: what is left thins out
    /// evenly on a logarithmic scale. The oldest and the newest stay as long as there are others.
    fn least_missed(&self) -> usize {
        let now = self.moments.last().map_or(0, |last| last.time_nanos);
        let gap = |triple: &[Moment]| match triple {
            [before, _, after] => {
                let age = now.abs_diff(before.time_nanos).max(1);
                before.time_nanos.abs_diff(after.time_nanos) as f64 / age as f64
            }
            _ => f64::INFINITY,
        };
        let gaps = self.moments.windows(3).map(gap).enumerate();
        let least = gaps.min_by(|a, b| a.1.total_cmp(&b.1));
        least.map_or(0, |(at, _)| at + 1)
    }
}

fn start(
    remembered: &Arc<Mutex<Remembered>>,
    turns: &Arc<Turns>,
) -> std::result::Result<Sender<Infallible>, String> {
    let turns = Arc::clone(turns);
    let (sender, stop) = channel();
    let remembered = Arc::downgrade(remembered);
    let thread = thread::Builder::new().name("heaptide-page".into());
    let started = thread.spawn(move || {
        muted(|| {
            let heap = || {
                let _turn = turns.take_again(&Caller::patient());
                ProfileOptions::new().heap()
            };
            while stop.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout)
                && tick(&remembered, heap)
            {}
        });
    });
    match started {
        Ok(_detached) => Ok(sender),
        Err(error) => Err(format!(
            "moments are remembered only when somebody looks: no thread could be started: {error}"
        )),
    }
}

/// Remembers the present; false when nobody is left to remember it for.
fn tick(remembered: &Weak<Mutex<Remembered>>, heap: impl FnOnce() -> Result<Profile>) -> bool {
    let Some(remembered) = remembered.upgrade() else {
        return false;
    };
    let made = heap().and_then(|profile| Made::of(&profile));
    let mut remembered = lock(&remembered);
    match made {
        Ok(made) => {
            remembered.add(made);
            remembered.failure = None;
        }
        Err(error) => {
            let failure = format!("the last moment could not be remembered: {error}");
            remembered.failure = Some(failure);
        }
    }
    true
}

/// A panic while it was held left at worst a moment too many.
fn lock(remembered: &Mutex<Remembered>) -> MutexGuard<'_, Remembered> {
    remembered.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::example;

    const SECOND: i64 = 1_000_000_000;

    fn made(second: i64, size: usize) -> Made {
        Made {
            time_nanos: second * SECOND,
            totals: vec![],
            bytes: vec![0; size].into(),
        }
    }

    fn seconds(remembered: &Remembered) -> Vec<i64> {
        let moments = remembered.moments.iter();
        moments.map(|moment| moment.time_nanos / SECOND).collect()
    }

    #[test]
    fn what_is_shown_can_be_found_again_even_if_it_is_too_near_to_be_kept() {
        let moments = Moments::new(Arc::new(Turns::new(0)));
        let mut profile = example::profile("main / a = 1 2 3 4\n main / b = 1 1 1 1", 0);
        let first = moments.remember(&profile).unwrap();
        assert_eq!((first.id, &first.totals[..]), (1, &[2, 3, 4, 5][..]));
        assert_eq!(first.profile().unwrap(), profile);
        profile.time_nanos += 9 * SECOND;
        let near = moments.remember(&profile).unwrap();
        assert_eq!(moments.list(), std::slice::from_ref(&first));
        assert_eq!(moments.find(near.id), Some(near.clone()));
        profile.time_nanos += SECOND;
        let far = moments.remember(&profile).unwrap();
        assert_eq!(moments.list(), [first, far]);
        assert_eq!(moments.find(near.id), None);
        assert_eq!(moments.failure(), None);
    }

    #[test]
    fn older_moments_thin_out() {
        let mut remembered = Remembered::default();
        for minute in 0..2_000 {
            remembered.add(made(minute * 60, 1000));
            assert!(remembered.moments.len() <= MAX_MOMENTS);
        }
        let seconds = seconds(&remembered);
        assert_eq!(seconds.len(), MAX_MOMENTS);
        let ages: Vec<i64> = seconds.iter().map(|at| 1_999 - at / 60).collect();
        assert_eq!((ages[0], ages[MAX_MOMENTS - 1]), (1_999, 0));
        assert!(ages.contains(&1) && ages.contains(&2), "{ages:?}");
        // Of any age there is one at most about twice as old.
        for pair in ages.windows(2) {
            assert!(pair[0] <= 2 * pair[1] + 2, "{ages:?}");
        }
    }

    #[test]
    fn bytes_are_bounded_and_a_clock_that_goes_back_is_no_obstacle() {
        let mut remembered = Remembered::default();
        for minute in [0, 60, 120, 30, 180] {
            remembered.add(made(minute, 3 << 20));
            assert!(remembered.bytes() <= MAX_BYTES);
        }
        assert_eq!(seconds(&remembered), [0, 180]);
        remembered.add(made(240, MAX_BYTES + 1));
        assert_eq!(seconds(&remembered), [0, 180]);
    }

    #[test]
    fn the_thread_ends_when_nobody_is_left() {
        let remembered = Arc::default();
        let gone = Arc::downgrade(&remembered);
        assert!(tick(&gone, || Err(crate::Error::not_installed())));
        let failure = lock(&remembered).failure.clone();
        assert!(failure.is_some_and(|failure| failure.contains("#[global_allocator]")));
        assert!(tick(&gone, || Ok(example::profile("main = 1 1 1 1", 0))));
        assert_eq!(lock(&remembered).failure, None);
        assert_eq!(lock(&remembered).moments.len(), 1);
        drop(remembered);
        assert!(!tick(&gone, || Err(crate::Error::not_installed())));
    }
}
