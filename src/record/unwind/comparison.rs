//! The own walker against libgcc, frame by frame, on the stacks of real work: each K-th allocation of
//! every thread is captured both ways. And what each way costs.

#![expect(unsafe_code, reason = "an allocator that looks at its own stack")]

use super::*;
use proptest::{strategy::Strategy, test_runner::TestRunner};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::BTreeMap,
    fmt::Write,
    hint::black_box,
    panic,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Instant,
};

/// Every so many allocations of a thread are compared; prime, so as not to fall in with a loop.
const EVERY: u32 = 5;
/// How many comparisons the work goes on for.
const COMPARISONS: usize = if cfg!(debug_assertions) {
    20_000
} else {
    300_000
};

#[global_allocator]
static PROBE: Probe = Probe;

/// The system's allocator, with an eye on its callers while the comparison runs.
struct Probe;

// SAFETY: every method is the system allocator's; looking at the stack changes nothing.
unsafe impl GlobalAlloc for Probe {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        compare_now_and_then();
        // SAFETY: what our caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        compare_now_and_then();
        // SAFETY: what our caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

static COMPARING: AtomicBool = AtomicBool::new(false);
static RESULTS: Results = Results {
    compared: AtomicUsize::new(0),
    frames: AtomicUsize::new(0),
    not_fast: AtomicUsize::new(0),
    mismatches: AtomicUsize::new(0),
    shapes: [const { AtomicU64::new(0) }; 1024],
    first: Mutex::new(None),
};

struct Results {
    compared: AtomicUsize,
    frames: AtomicUsize,
    /// Stacks that the fast walk alone could not do.
    not_fast: AtomicUsize,
    mismatches: AtomicUsize,
    /// A bit for each hash of a stack.
    shapes: [AtomicU64; 1024],
    /// The first mismatch: own, libgcc's.
    first: Mutex<Option<(Stack, Stack)>>,
}

thread_local! {
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

#[inline(never)]
fn compare_now_and_then() {
    // The limit is for the tests that run beside this one.
    if !COMPARING.load(Relaxed) || RESULTS.compared.load(Relaxed) > 2 * COMPARISONS {
        return;
    }
    let count = COUNT.get().wrapping_add(1);
    COUNT.set(count);
    let here = 0u8;
    let frame = (&raw const here).addr();
    let room = Bounds::around(frame).map_or(0, |bounds| bounds.room_below(frame));
    if count.is_multiple_of(EVERY) && room > LEAST_ROOM {
        compare(frame);
    }
}

#[inline(never)]
fn compare(frame: usize) {
    let mut libgcc = Stack::empty();
    let complete = by_libgcc(frame, &mut libgcc);
    let (end, own) = by_rules_alone(frame);
    if matches!(end, End::Root | End::Full) {
        check(&own, &libgcc, (end == End::Root) == complete);
    } else {
        RESULTS.not_fast.fetch_add(1, Relaxed);
        let own = capture(frame);
        if !complete {
            libgcc.mark(Marker::Truncated);
        }
        check(&own, &libgcc, true);
    }
}

/// The fast walk, as `capture` begins with it.
#[inline(never)]
pub(super) fn by_rules_alone(frame: usize) -> (End, Stack) {
    let mut stack = Stack::empty();
    let registers = Registers::here().expect("a known machine");
    let walk = Bounds::around(frame).and_then(|bounds| Walk::new(bounds, registers, frame));
    let end = walk.map_or(End::Foreign, |walk| {
        walk.by_rules(lookup::kept, Untabled::Stop, &mut stack)
    });
    (end, stack)
}

fn check(own: &Stack, libgcc: &Stack, both_complete_or_not: bool) {
    let shape = own.addresses().iter().fold(0u64, |hash, address| {
        (hash ^ *address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ hash >> 29
    });
    let bit = (shape >> 48) as usize;
    RESULTS.shapes[bit / 64].fetch_or(1 << (bit % 64), Relaxed);
    RESULTS.compared.fetch_add(1, Relaxed);
    RESULTS.frames.fetch_add(own.addresses().len(), Relaxed);
    if own.addresses() != libgcc.addresses() || !both_complete_or_not {
        RESULTS.mismatches.fetch_add(1, Relaxed);
        // Nobody waits inside of an allocator; one example is enough.
        if let Ok(mut first) = RESULTS.first.try_lock() {
            first.get_or_insert_with(|| (copy(own), copy(libgcc)));
        }
    }
}

fn copy(stack: &Stack) -> Stack {
    let mut copy = Stack::empty();
    for address in stack.addresses() {
        copy.keep(*address);
    }
    copy
}

// ---- The work: whatever allocates on deep and varied stacks. --------------------------------------

fn work(seed: usize) {
    sort(seed);
    recurse(seed % 90 + 1, &mut BTreeMap::new());
    iterate(seed);
    unwind_and_catch(seed);
    random_values(seed);
    thread::scope(|scope| {
        scope.spawn(|| recurse(seed % 7 + 1, &mut BTreeMap::new()));
        scope.spawn(|| iterate(seed + 1));
    });
    drop(std::backtrace::Backtrace::force_capture());
}

fn sort(seed: usize) {
    let mut words: Vec<_> = (0..40).map(|i| (i * 7919 + seed) % 101).collect();
    words.sort_by(|a, b| {
        format!("{a:?}")
            .len()
            .cmp(&b.to_string().len())
            .then(b.cmp(a))
    });
    words.sort_by_cached_key(|word| format!("{word:?}"));
    black_box(words);
}

#[inline(never)]
fn recurse(depth: usize, seen: &mut BTreeMap<String, Box<dyn Fn() -> String>>) {
    seen.insert(
        format!("{depth:08}"),
        Box::new(move || format!("[{depth}]")),
    );
    if depth > 0 {
        recurse(depth - 1, seen);
    }
    let mut text = String::new();
    let _ = write!(text, "{:?}", seen.values().map(|show| show()).next());
    black_box(text);
}

fn iterate(seed: usize) {
    let texts: Vec<String> = (seed..seed + 30)
        .flat_map(|i| (0..3).map(move |j| vec![i, j]))
        .filter(|pair| pair.iter().sum::<usize>() % 2 == 0)
        .map(|pair| format!("{pair:?}"))
        .collect();
    let mut dynamic: Box<dyn Iterator<Item = String>> = Box::new(texts.into_iter());
    for i in 0..seed % 11 {
        dynamic = Box::new(dynamic.map(move |text| format!("{text}{i}")));
    }
    black_box(dynamic.collect::<Vec<_>>().join(","));
}

/// Allocates while a panic unwinds through it.
struct AllocatesAsItDrops(usize);

impl Drop for AllocatesAsItDrops {
    fn drop(&mut self) {
        black_box(vec![format!("{}", self.0); self.0 % 5 + 1]);
    }
}

fn unwind_and_catch(seed: usize) {
    #[inline(never)]
    fn fall(depth: usize) {
        let _guard = AllocatesAsItDrops(depth);
        if depth == 0 {
            panic::resume_unwind(Box::new("no hook, no message"));
        }
        fall(black_box(depth - 1));
    }
    black_box(panic::catch_unwind(|| fall(seed % 20)).is_err());
}

fn random_values(seed: usize) {
    let mut runner = TestRunner::deterministic();
    let tree = proptest::collection::btree_map(
        "[a-z]{1,8}(-[0-9]+)?",
        proptest::option::of(0..seed + 9),
        1..8,
    )
    .prop_flat_map(|map| (proptest::strategy::Just(map), ".{0,6}"))
    .new_tree(&mut runner);
    black_box(
        tree.map(|tree| proptest::strategy::ValueTree::current(&tree))
            .is_ok(),
    );
}

/// A service and its client, over loopback.
fn serve(requests: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let page = |path: axum::extract::Path<String>| async move { path.0.repeat(3) };
        let router = axum::Router::new().route("/{name}", axum::routing::get(page));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let client = reqwest::Client::new();
        for i in 0..requests {
            let url = format!("http://{address}/page{i}");
            let answer = client.get(url).send().await.unwrap().text().await.unwrap();
            assert_eq!(answer, format!("page{i}").repeat(3));
        }
        server.abort();
    });
}

/// Symbolization, the deepest stacks and largest allocations there are in this house.
fn symbolize() {
    let text = std::backtrace::Backtrace::force_capture().to_string();
    assert!(text.contains("symbolize"));
}

#[test]
fn the_own_walk_equals_libgccs_on_real_stacks() {
    COMPARING.store(true, Relaxed);
    let done = || RESULTS.compared.load(Relaxed) >= COMPARISONS;
    thread::scope(|scope| {
        for worker in 0..2 {
            scope.spawn(move || {
                for seed in (worker..).step_by(2).take_while(|_| !done()) {
                    work(seed);
                }
            });
        }
        while !done() {
            serve(50);
        }
    });
    // By itself it would be most of the allocations.
    symbolize();
    COMPARING.store(false, Relaxed);

    let [compared, frames, not_fast, mismatches] = [
        &RESULTS.compared,
        &RESULTS.frames,
        &RESULTS.not_fast,
        &RESULTS.mismatches,
    ]
    .map(|number| number.load(Relaxed));
    let shapes: u32 = RESULTS
        .shapes
        .iter()
        .map(|s| s.load(Relaxed).count_ones())
        .sum();
    println!(
        "{compared} stacks of {shapes} shapes or more, {} frames each on average, {not_fast} not by the \
         fast walk, {mismatches} mismatches",
        frames / compared
    );
    if let Some((own, libgcc)) = RESULTS.first.lock().unwrap().take() {
        let names = |stack: &Stack| tests::names(stack).join("\n");
        panic!("own:\n{}\n\nlibgcc:\n{}", names(&own), names(&libgcc));
    }
    assert_eq!(mismatches, 0);
    assert!(shapes > 1000, "the work is varied");
    // Other tests' signal handlers and strange frames may be among them.
    assert!(not_fast * 1000 <= compared, "{not_fast} of {compared}");
}

// ---- What each way costs. ---------------------------------------------------------------------------

#[inline(never)]
fn at_depth(depth: usize, measure: &mut dyn FnMut()) {
    if depth > 0 {
        at_depth(depth - 1, measure);
    } else {
        measure();
    }
    black_box(depth);
}

/// Nanoseconds per call, of the best of some rounds.
fn nanoseconds(rounds: u32, mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 1000;
    (0..rounds)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS).for_each(|_| call());
            start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
        })
        .fold(f64::INFINITY, f64::min)
}

/// The figures of docs/unwinding.md.
#[test]
#[ignore = "a measurement: prints times and checks nothing"]
fn print_times_of_warm_captures() {
    for depth in [1, 20, 50] {
        at_depth(depth, &mut || {
            let here = 0u8;
            let frame = (&raw const here).addr();
            let frames = capture(frame).addresses().len();
            let own = nanoseconds(50, || {
                let stack = capture(black_box(frame));
                black_box(&stack);
            });
            let libgcc = nanoseconds(20, || {
                let mut stack = Stack::empty();
                by_libgcc(black_box(frame), &mut stack);
                black_box(&stack);
            });
            let ratio = libgcc / own;
            println!(
                "{frames:3} frames: own {own:5.0} ns, libgcc {libgcc:6.0} ns, {ratio:.1} times"
            );
        });
    }
}
