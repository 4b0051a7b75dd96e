//! [`HeapHistory`]: the heap at earlier times, so that the page can show what has changed since.
//!
//! It keeps profiles as compressed bytes, with their names, so that a library's names outlive the
//! library. From the first visit of the page on, a thread adds a heap every minute: people open the
//! page after the heap has grown. A forked child has no such thread, and its endpoints serve no
//! page.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::{convert::Infallible, thread};

use crate::http::limits::{HISTORY_INTERVAL, MAX_HISTORY, MAX_HISTORY_BYTES, MIN_HISTORY_NANOS};
use crate::{Profile, ProfileOptions, Result, http::cancellation::Cancellation};
use crate::{http::profile_queue::ProfileQueue, http::render::encode, record::muted};
use heaptide_profile::SampleType;

/// Dropping the sender ends the thread; an error says why there is none.
type HistoryThread = std::result::Result<Sender<Infallible>, String>;

#[derive(Debug)]
pub(in crate::http) struct HeapHistory {
    thread: OnceLock<HistoryThread>,
    entries: Arc<Mutex<Entries>>,
    queue: Arc<ProfileQueue>,
}

/// The heap at one time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EarlierHeap {
    pub(super) id: u64,
    pub(super) time_nanos: i64,
    /// The sum of each sample type.
    pub(super) totals: Vec<i64>,
    bytes: Arc<[u8]>,
}

#[derive(Debug, Default)]
struct Entries {
    /// By rising id.
    kept: Vec<EarlierHeap>,
    /// The last one shown, which may be too near to the one before it to be kept for long.
    shown: Option<EarlierHeap>,
    last_id: u64,
    /// Why the thread could not add the last heap.
    failure: Option<String>,
}

impl HeapHistory {
    /// The thread waits in the queue for its turn to make a profile.
    pub(in crate::http) fn new(queue: Arc<ProfileQueue>) -> Self {
        Self {
            thread: OnceLock::new(),
            entries: Arc::default(),
            queue,
        }
    }

    /// Adds the heap that is shown, and starts the thread.
    pub(super) fn add(&self, profile: &Profile) -> Result<EarlierHeap> {
        let start = || start(&self.entries, &self.queue);
        self.thread.get_or_init(start);
        let heap = EarlierHeap::new(profile)?;
        let mut entries = lock(&self.entries);
        let heap = entries.add(heap);
        entries.shown = Some(heap.clone());
        Ok(heap)
    }

    /// The earlier heaps, the oldest first.
    pub(super) fn list(&self) -> Vec<EarlierHeap> {
        lock(&self.entries).kept.clone()
    }

    pub(super) fn find(&self, id: u64) -> Option<EarlierHeap> {
        let entries = lock(&self.entries);
        let mut all = entries.kept.iter().chain(&entries.shown);
        all.find(|heap| heap.id == id).cloned()
    }

    /// Why no heaps are added between visits, if that is so.
    pub(super) fn failure(&self) -> Option<String> {
        match self.thread.get() {
            Some(Err(failure)) => Some(failure.clone()),
            _ => lock(&self.entries).failure.clone(),
        }
    }
}

impl EarlierHeap {
    /// Without an id: [`Entries::add`] gives it one.
    fn new(profile: &Profile) -> Result<Self> {
        Ok(Self {
            id: 0,
            time_nanos: profile.time_nanos,
            totals: profile.each_sample_type().map(column_sum).collect(),
            bytes: encode(profile)?.into(),
        })
    }

    pub(super) fn profile(&self) -> Result<Profile> {
        Profile::read(&self.bytes)
    }
}

/// The sum of a sample type's values.
pub(super) fn column_sum(sample_type: SampleType<'_>) -> i64 {
    let values = sample_type
        .profile()
        .samples
        .iter()
        .map(|sample| sample_type.value_of(sample));
    values.fold(0, i64::saturating_add)
}

impl Entries {
    /// Gives it an id. Keeps it if it is far enough from the last one, whichever way the clock
    /// went, and if it fits.
    fn add(&mut self, mut heap: EarlierHeap) -> EarlierHeap {
        self.last_id += 1;
        heap.id = self.last_id;
        let distance = |last: &EarlierHeap| last.time_nanos.abs_diff(heap.time_nanos);
        let is_far = self
            .kept
            .last()
            .is_none_or(|last| distance(last) >= MIN_HISTORY_NANOS);
        if is_far && heap.bytes.len() <= MAX_HISTORY_BYTES {
            self.kept.push(heap.clone());
            while self.kept.len() > MAX_HISTORY || self.bytes() > MAX_HISTORY_BYTES {
                let least = self.least_needed();
                self.kept.remove(least);
            }
        }
        heap
    }

    fn bytes(&self) -> usize {
        self.kept.iter().map(|heap| heap.bytes.len()).sum()
    }

    /// The heap whose neighbors are nearest to each other, relative to their age: so the rest is
    /// spread evenly on a logarithmic scale. The oldest and the newest heap are removed last.
    fn least_needed(&self) -> usize {
        let now = self.kept.last().map_or(0, |last| last.time_nanos);
        let gap = |triple: &[EarlierHeap]| match triple {
            [before, _, after] => {
                let age = now.abs_diff(before.time_nanos).max(1);
                before.time_nanos.abs_diff(after.time_nanos) as f64 / age as f64
            }
            _ => f64::INFINITY,
        };
        let gaps = self.kept.windows(3).map(gap).enumerate();
        let least = gaps.min_by(|a, b| a.1.total_cmp(&b.1));
        least.map_or(0, |(at, _)| at + 1)
    }
}

fn start(entries: &Arc<Mutex<Entries>>, queue: &Arc<ProfileQueue>) -> HistoryThread {
    let (entries, queue) = (Arc::downgrade(entries), Arc::clone(queue));
    let (sender, stop) = channel();
    let heap = move || {
        // Nobody can cancel it, so it always gets a turn.
        let _turn = queue.rejoin(&Cancellation::never());
        ProfileOptions::new().heap()
    };
    let work = move || {
        while stop.recv_timeout(HISTORY_INTERVAL) == Err(RecvTimeoutError::Timeout)
            && tick(&entries, &heap)
        {}
    };
    let thread = thread::Builder::new().name("heaptide-page".into());
    let started = thread.spawn(move || muted(work)).map(|_detached| sender);
    started.map_err(|error| {
        format!("moments are remembered only on a visit: no thread could be started: {error}")
    })
}

/// Adds the heap now; returns false if the history was dropped.
fn tick(entries: &Weak<Mutex<Entries>>, heap: impl FnOnce() -> Result<Profile>) -> bool {
    let Some(entries) = entries.upgrade() else {
        return false;
    };
    let made = heap().and_then(|profile| EarlierHeap::new(&profile));
    let mut entries = lock(&entries);
    let added = made.map(|heap| entries.add(heap));
    let failure = |error| format!("the last moment could not be remembered: {error}");
    entries.failure = added.err().map(failure);
    true
}

/// A panic while it was locked left at worst one heap too many.
fn lock(entries: &Mutex<Entries>) -> MutexGuard<'_, Entries> {
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use heaptide_profile::testing::example;

    const SECOND: i64 = 1_000_000_000;

    fn made(second: i64, size: usize) -> EarlierHeap {
        EarlierHeap {
            id: 0,
            time_nanos: second * SECOND,
            totals: vec![],
            bytes: vec![0; size].into(),
        }
    }

    fn seconds(entries: &Entries) -> Vec<i64> {
        let heaps = entries.kept.iter();
        heaps.map(|heap| heap.time_nanos / SECOND).collect()
    }

    #[test]
    fn the_heap_shown_last_is_found_even_if_it_is_too_near_to_be_kept() {
        let history = HeapHistory::new(Arc::new(ProfileQueue::new(0)));
        let mut profile = example::profile("main / a = 1 2 3 4\n main / b = 1 1 1 1", 0);
        let first = history.add(&profile).unwrap();
        assert_eq!((first.id, &first.totals[..]), (1, &[2, 3, 4, 5][..]));
        assert_eq!(first.profile().unwrap(), profile);
        profile.time_nanos += 9 * SECOND;
        let near = history.add(&profile).unwrap();
        assert_eq!(history.list(), std::slice::from_ref(&first));
        assert_eq!(history.find(near.id), Some(near.clone()));
        profile.time_nanos += SECOND;
        let far = history.add(&profile).unwrap();
        assert_eq!(history.list(), [first, far]);
        assert_eq!(history.find(near.id), None);
        assert_eq!(history.failure(), None);
    }

    #[test]
    fn older_heaps_are_further_apart() {
        let mut entries = Entries::default();
        for minute in 0..2_000 {
            entries.add(made(minute * 60, 1000));
            assert!(entries.kept.len() <= MAX_HISTORY);
        }
        let seconds = seconds(&entries);
        assert_eq!(seconds.len(), MAX_HISTORY);
        let ages: Vec<i64> = seconds.iter().map(|at| 1_999 - at / 60).collect();
        assert_eq!((ages[0], ages[MAX_HISTORY - 1]), (1_999, 0));
        assert!(ages.contains(&1) && ages.contains(&2), "{ages:?}");
        // Each heap is at most about twice as old as the next one.
        for pair in ages.windows(2) {
            assert!(pair[0] <= 2 * pair[1] + 2, "{ages:?}");
        }
    }

    #[test]
    fn bytes_are_bounded_also_if_the_clock_goes_back() {
        let mut entries = Entries::default();
        for minute in [0, 60, 120, 30, 180] {
            entries.add(made(minute, 3 << 20));
            assert!(entries.bytes() <= MAX_HISTORY_BYTES);
        }
        assert_eq!(seconds(&entries), [0, 180]);
        entries.add(made(240, MAX_HISTORY_BYTES + 1));
        assert_eq!(seconds(&entries), [0, 180]);
    }

    #[test]
    fn the_thread_ends_when_the_history_is_dropped() {
        let entries = Arc::default();
        let weak = Arc::downgrade(&entries);
        assert!(tick(&weak, || Err(crate::errors::not_installed())));
        let failure = lock(&entries).failure.clone();
        assert!(failure.is_some_and(|failure| failure.contains("#[global_allocator]")));
        assert!(tick(&weak, || Ok(example::profile("main = 1 1 1 1", 0))));
        assert_eq!(lock(&entries).failure, None);
        assert_eq!(lock(&entries).kept.len(), 1);
        drop(entries);
        assert!(!tick(&weak, || Err(crate::errors::not_installed())));
    }
}
