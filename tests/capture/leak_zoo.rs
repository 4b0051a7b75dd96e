//! The leak zoo: small programs that leak or look as if they did, judged by real snapshots.
//!
//! Each program runs as fast as it can while a simulated clock stamps its snapshots. So its rates
//! are in simulated seconds. Each program must be put into its class, and a leak must be blamed on
//! the right function. One program runs at a time, because they share the process and its profile.
//!
//! Amounts are so large that nothing depends on luck. A leak of `n` samples is missed if fewer than
//! `n/8` of them come in the last quarter, where `n/4` are expected. With 600 samples or more those
//! are five standard errors. A full cache of `n` samples, all replaced in the last quarter, is
//! taken for a leak if it happens to grow by `n/8` of them. Its standard error is `sqrt(2n)`, and
//! five of these need 3,200 samples.
#![cfg(feature = "symbolize")]

use heaptide::{Profile, ProfileOptions};
use heaptide_profile::leak::{self, NotAccusedReason, Verdict};
use std::{
    cell::RefCell,
    collections::VecDeque,
    hint::black_box,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<std::alloc::System> =
    heaptide::SamplingAllocator::with_inner(std::alloc::System).sample_interval(INTERVAL);

/// Bytes between samples. It is small, so that a few megabytes give thousands of samples.
const INTERVAL: u64 = 4 << 10;
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Lets one program at a time use the process.
fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    // A failed test left nothing that the next one relies on.
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a program for `seconds` simulated seconds, a step for each, with a snapshot every `every`
/// seconds.
fn watch(seconds: u32, every: u32, mut step: impl FnMut(u32)) -> Verdict {
    let mut profiles: Vec<Profile> = Vec::new();
    for second in 0..=seconds {
        if second % every == 0 {
            let mut profile = ProfileOptions::new().heap().expect("the allocator serves");
            profile.time_nanos = i64::from(second) * 1_000_000_000;
            profiles.push(profile);
        }
        step(second);
    }
    leak::find(&profiles).expect("profiles of one process")
}

/// Whether a name is that of a function, or of a closure in it.
fn is(name: &str, function: &str) -> bool {
    let name = name.trim_end_matches("::{{closure}}");
    name.rsplit("::").next() == Some(function)
}

/// The verdict's reason for a function that is not accused.
fn class(verdict: &Verdict, function: &str) -> Option<NotAccusedReason> {
    let is_it = |name: &str| is(name, function);
    let found = verdict
        .not_accused
        .iter()
        .find(|a| is_it(&a.trend.site.name));
    found.map(|stack| stack.reason)
}

/// Checks that only this function is accused, at this rate in bytes per second within 30 %. That is
/// more than five standard errors of 600 samples.
#[track_caller]
fn accuses_only(verdict: &Verdict, function: &str, rate: f64) {
    let accused: Vec<_> = verdict
        .leaks
        .iter()
        .map(|leak| &*leak.blamed.name)
        .collect();
    let [leak] = verdict.leaks.as_slice() else {
        panic!("accused {accused:?}\n{verdict}");
    };
    assert!(is(&leak.blamed.name, function), "{verdict}");
    assert!(
        (leak.trend.rates.slope / rate - 1.0).abs() < 0.3,
        "{} for {rate}: {verdict}",
        leak.trend.rates.slope
    );
}

#[track_caller]
fn accuses_nobody(verdict: &Verdict) {
    assert!(!verdict.has_leak(), "{verdict}");
}

/// Allocates and frees blocks without touching them.
#[inline(never)]
fn churn(bytes: usize, block: usize) {
    for _ in 0..bytes / block {
        drop(black_box(Vec::<u8>::with_capacity(block)));
    }
}

#[inline(never)]
fn buffer(bytes: usize) -> Vec<u8> {
    black_box(Vec::with_capacity(bytes))
}

#[test]
fn a_fast_leak() {
    #[inline(never)]
    fn fast_leak(kept: &mut Vec<Vec<u8>>) {
        kept.extend((0..64).map(|_| Vec::with_capacity(4 * KIB)));
    }
    let _alone = alone();
    let mut kept = Vec::with_capacity(10_000);
    let verdict = watch(60, 5, |_| {
        churn(10 * MIB, 256 * KIB);
        fast_leak(&mut kept);
    });
    accuses_only(&verdict, "fast_leak", 256.0 * KIB as f64);
    assert_eq!(
        class(&verdict, "churn"),
        Some(NotAccusedReason::Churns),
        "{verdict}"
    );
}

/// 20 KiB a second stay beside 200 MiB a second that come and go: one byte in ten thousand.
#[test]
fn a_slow_leak_beside_much_churn() {
    #[inline(never)]
    fn slow_leak(kept: &mut Vec<Vec<u8>>) {
        kept.extend((0..5).map(|_| Vec::with_capacity(4 * KIB)));
    }
    let _alone = alone();
    let mut kept = Vec::with_capacity(10_000);
    let verdict = watch(300, 10, |_| {
        churn(200 * MIB, 4 * MIB);
        slow_leak(&mut kept);
    });
    accuses_only(&verdict, "slow_leak", 20.0 * KIB as f64);
    assert_eq!(
        class(&verdict, "churn"),
        Some(NotAccusedReason::Churns),
        "{verdict}"
    );
}

/// One function allocates for several callers. Only one of them leaks.
#[test]
fn a_leak_in_a_shared_function() {
    #[inline(never)]
    fn gives_back() -> usize {
        (0..100).map(|_| buffer(4 * KIB).capacity()).sum()
    }
    #[inline(never)]
    fn keeps(kept: &mut Vec<Vec<u8>>) {
        kept.extend((0..100).map(|_| buffer(4 * KIB)));
    }
    let _alone = alone();
    let mut kept = Vec::with_capacity(10_000);
    let verdict = watch(60, 6, |_| {
        black_box(gives_back());
        keeps(&mut kept);
    });
    let [leak] = verdict.leaks.as_slice() else {
        panic!("{verdict}");
    };
    assert!(is(&leak.blamed.name, "keeps"), "{verdict}");
    assert!(is(&leak.trend.site.name, "buffer"), "{verdict}");
}

#[test]
fn a_bounded_cache_levels_off() {
    #[inline(never)]
    fn cache(pages: &mut VecDeque<Vec<u8>>) {
        for _ in 0..500 {
            if pages.len() == 8_000 {
                pages.pop_front();
            }
            pages.push_back(Vec::with_capacity(4 * KIB));
        }
    }
    let _alone = alone();
    let mut pages = VecDeque::with_capacity(8_000);
    let verdict = watch(60, 5, |_| cache(&mut pages));
    accuses_nobody(&verdict);
    assert_eq!(
        class(&verdict, "cache"),
        Some(NotAccusedReason::LevelsOff),
        "{verdict}"
    );
}

#[test]
fn a_sawtooth() {
    #[inline(never)]
    fn batch(rows: &mut Vec<Vec<u8>>, second: u32) {
        if second.is_multiple_of(20) {
            rows.clear();
        }
        rows.extend((0..200).map(|_| Vec::with_capacity(4 * KIB)));
    }
    let _alone = alone();
    let mut rows = Vec::with_capacity(5_000);
    let verdict = watch(90, 5, |second| batch(&mut rows, second));
    accuses_nobody(&verdict);
    assert_eq!(
        class(&verdict, "batch"),
        Some(NotAccusedReason::Sawtooth),
        "{verdict}"
    );
}

#[test]
fn a_one_time_initialization_is_a_warm_up() {
    #[inline(never)]
    fn initialize(tables: &mut Vec<Vec<u8>>) {
        tables.extend((0..3_000).map(|_| Vec::with_capacity(4 * KIB)));
    }
    let _alone = alone();
    let mut tables = Vec::with_capacity(3_000);
    let verdict = watch(60, 5, |second| {
        if second == 7 {
            initialize(&mut tables);
        }
        churn(MIB, 64 * KIB);
    });
    accuses_nobody(&verdict);
    assert_eq!(
        class(&verdict, "initialize"),
        Some(NotAccusedReason::WarmsUp),
        "{verdict}"
    );
}

/// A pool that gives back what a peak needed.
#[test]
fn shrinking() {
    #[inline(never)]
    fn pool() -> Vec<Vec<u8>> {
        (0..6_000).map(|_| Vec::with_capacity(4 * KIB)).collect()
    }
    let _alone = alone();
    let mut blocks = pool();
    let verdict = watch(60, 5, |_| blocks.truncate(blocks.len().saturating_sub(95)));
    accuses_nobody(&verdict);
    let shrinking = verdict
        .not_accused
        .iter()
        .filter(|a| a.reason == NotAccusedReason::Shrinks);
    let shrinking: Vec<_> = shrinking.map(|a| &*a.trend.site.name).collect();
    assert!(is(shrinking[0], "pool"), "{verdict}");
}

/// A list that only grows, without spare room. Each step is one block, a little larger than the
/// last.
#[test]
fn a_vec_that_grows() {
    #[inline(never)]
    fn log(lines: &mut Vec<[u8; 64]>) {
        lines.reserve_exact(1_000);
        lines.extend([[0; 64]; 1_000]);
    }
    let _alone = alone();
    let mut lines = Vec::new();
    // A step in each of sixty intervals. The size of a single block proves little, so there are
    // many.
    let verdict = watch(60, 1, |_| log(&mut lines));
    // Every block is large enough to be sampled surely, so nothing is estimated.
    accuses_only(&verdict, "log", 64_000.0);
}

/// The same with the room that `push` makes. The list stands still between doublings. Snapshots see
/// one at 3, 7, 13, 26 and 52 s of 60. At each the list is full, so its length is known.
#[test]
fn a_vec_that_doubles() {
    #[inline(never)]
    fn push(lines: &mut Vec<u64>) {
        (0..20_000).for_each(|line| lines.push(line));
    }
    let _alone = alone();
    let mut lines = Vec::new();
    let verdict = watch(60, 2, |_| push(&mut lines));
    accuses_only(&verdict, "push", 160_000.0);
    let leak = &verdict.leaks[0];
    assert!(leak.trend.doublings.count >= 4, "{verdict}");
    assert!(leak.trend.rates.slope_95.contains(&160_000.0), "{verdict}");
}

/// The same, judged 20 s later. The next doubling would come at 105 s.
#[test]
fn a_vec_that_doubled_some_time_ago_is_unproven() {
    #[inline(never)]
    fn push_on(lines: &mut Vec<u64>) {
        (0..20_000).for_each(|line| lines.push(line));
    }
    let _alone = alone();
    let mut lines = Vec::new();
    let verdict = watch(80, 2, |_| push_on(&mut lines));
    accuses_nobody(&verdict);
    let class = class(&verdict, "push_on");
    assert_eq!(class, Some(NotAccusedReason::Unproven), "{verdict}");
}

/// A list that is filled while the program starts, and is full then.
#[test]
fn a_vec_that_doubled_at_the_start_is_a_warm_up() {
    #[inline(never)]
    fn load(rows: &mut Vec<u64>) {
        (0..20_000).for_each(|row| rows.push(row));
    }
    let _alone = alone();
    let mut rows = Vec::new();
    let verdict = watch(60, 2, |second| {
        if second < 14 {
            load(&mut rows);
        }
    });
    accuses_nobody(&verdict);
    assert_eq!(
        class(&verdict, "load"),
        Some(NotAccusedReason::WarmsUp),
        "{verdict}"
    );
}

#[test]
fn an_arc_cycle() {
    struct Node {
        next: Mutex<Option<Arc<Node>>>,
        _body: [u8; 2_000],
    }
    #[inline(never)]
    fn make_cycle() {
        let node = Arc::new(Node {
            next: Mutex::new(None),
            _body: [0; 2_000],
        });
        *node.next.lock().expect("not poisoned") = Some(Arc::clone(&node));
    }
    let _alone = alone();
    let verdict = watch(60, 5, |_| (0..100).for_each(|_| make_cycle()));
    accuses_only(&verdict, "make_cycle", 100.0 * 2_032.0);
}

#[test]
fn a_forgotten_receiver() {
    #[inline(never)]
    fn send(events: &mpsc::Sender<[u8; 500]>) {
        for _ in 0..400 {
            events
                .send([0; 500])
                .expect("the receiver is there, forgotten");
        }
    }
    let _alone = alone();
    let (events, _forgotten) = mpsc::channel();
    let verdict = watch(60, 5, |_| send(&events));
    accuses_only(&verdict, "send", 400.0 * 500.0);
}

/// Memory that a thread leaves behind when it ends.
#[test]
fn a_leak_at_thread_exit() {
    struct AtExit(Vec<u8>);
    impl Drop for AtExit {
        fn drop(&mut self) {
            std::mem::take(&mut self.0).leak();
        }
    }
    thread_local! {
        static CONNECTION: RefCell<Option<AtExit>> = const { RefCell::new(None) };
    }
    #[inline(never)]
    fn connect() {
        CONNECTION.set(Some(AtExit(vec![0; 64 * KIB])));
    }
    let _alone = alone();
    let verdict = watch(60, 5, |_| {
        for _ in 0..4 {
            thread::spawn(connect).join().expect("it ends");
        }
    });
    accuses_only(&verdict, "connect", 4.0 * 64.0 * KIB as f64);
}

/// The verdict as JSON has the same values.
#[test]
fn json_has_the_values_of_the_verdict() {
    #[inline(never)]
    fn leak_for_json(kept: &mut Vec<Vec<u8>>) {
        kept.extend((0..64).map(|_| Vec::with_capacity(4 * KIB)));
    }
    let _alone = alone();
    let mut kept = Vec::with_capacity(10_000);
    let verdict = watch(40, 5, |_| {
        leak_for_json(&mut kept);
        churn(MIB, 64 * KIB);
    });
    let json: serde_json::Value = serde_json::from_str(&verdict.to_json()).expect("it is JSON");
    assert_eq!(json["has_leak"], true);
    assert_eq!(json["snapshots"], 9);
    assert_eq!(json["span_seconds"], 40.0);
    assert_eq!(json["leaks"].as_array().map(Vec::len), Some(1));
    let (leak, said) = (&verdict.leaks[0], &json["leaks"][0]);
    assert_eq!(said["class"], "leak");
    assert_eq!(said["function"]["name"], *leak.blamed.name);
    assert_eq!(said["function"]["line"], leak.blamed.line);
    assert_eq!(
        said["stack"].as_array().map(Vec::len),
        Some(leak.trend.stack.len())
    );
    assert_eq!(
        said["inuse_space"],
        serde_json::json!(leak.trend.inuse_space)
    );
    let slope = said["slope_bytes_per_hour"]["value"].as_f64();
    assert!((slope.expect("a number") / (leak.trend.rates.slope * 3600.0) - 1.0).abs() < 1e-12);
    assert_eq!(
        said["growth_bytes"]["value"].as_f64(),
        Some(leak.trend.growth.value)
    );
    let rest = json["not_accused"].as_array().expect("a list");
    assert_eq!(rest.len(), verdict.not_accused.len());
    assert!(
        rest.iter()
            .zip(&verdict.not_accused)
            .all(|(said, a)| said["class"] == a.reason.name())
    );
}
