//! Compares our walker with libgcc on real work in the unit tests, debug builds included.
//!
//! It compares every fifth allocation and free of each thread. `tests/walks` does the same at
//! scale, with other work: it is a package of its own, and has parsers and thread pools as
//! dependencies.

#![expect(unsafe_code, reason = "an allocator that captures its own stack")]

use super::{
    Bounds, LEAST_ROOM, capture,
    comparison::{check, compared, comparison},
};
use proptest::{strategy::Strategy, test_runner::TestRunner};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::BTreeMap,
    fmt::Write,
    hint::black_box,
    panic,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

/// One in this many allocations of a thread is compared. A prime, so that it does not fall in step
/// with a loop.
const EVERY: u32 = 5;
/// The number of comparisons after which the work ends.
const COMPARISONS: usize = 20_000;

#[global_allocator]
static ALLOCATOR: ComparingAllocator = ComparingAllocator;

/// The system's allocator, which compares its callers' stacks while the test runs.
struct ComparingAllocator;

// SAFETY: every method is the system allocator's. Reading the stack changes nothing.
unsafe impl GlobalAlloc for ComparingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        compare_now_and_then();
        // SAFETY: our caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        compare_now_and_then();
        // SAFETY: our caller keeps the contract.
        unsafe { System.dealloc(block, layout) }
    }
}

static COMPARING: AtomicBool = AtomicBool::new(false);

thread_local! {
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

#[inline(never)]
fn compare_now_and_then() {
    // The limit protects the tests that run in parallel.
    if !COMPARING.load(Relaxed) || compared() > 2 * COMPARISONS {
        return;
    }
    let count = COUNT.get().wrapping_add(1);
    COUNT.set(count);
    let here = 0u8;
    let frame = (&raw const here).addr();
    let room = Bounds::around(frame).map_or(0, |bounds| bounds.room_below(frame));
    if count.is_multiple_of(EVERY) && room > LEAST_ROOM {
        check(frame, &capture(frame));
    }
}

// ---- The work: it allocates on deep and varied stacks. ------------------------------------

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
    // Never an error: a `String` accepts any text.
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

/// Symbolization: the deepest stacks and largest allocations of this crate.
fn symbolize() {
    let text = std::backtrace::Backtrace::force_capture().to_string();
    assert!(text.contains("symbolize"));
}

#[test]
fn our_walk_equals_libgcc_on_real_stacks() {
    COMPARING.store(true, Relaxed);
    let done = || compared() >= COMPARISONS;
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
    // Only once: otherwise it would be most of the allocations.
    symbolize();
    COMPARING.store(false, Relaxed);

    let found = comparison();
    println!(
        "{} stacks of {} shapes or more, {} frames each on average, {} not by the fast walk, \
         {} without room",
        found.compared,
        found.shapes,
        found.frames / found.compared,
        found.not_fast,
        found.no_room
    );
    if let Some(stacks) = found.first {
        let [own, libgcc] = stacks.map(|stack| super::tests::names_of(&stack).join("\n"));
        panic!("own:\n{own}\n\nlibgcc:\n{libgcc}");
    }
    assert_eq!(found.mismatches, 0);
    assert!(found.shapes > 1000, "the work is varied");
    // Signal handlers and unusual frames of other tests may be among them.
    assert!(found.not_fast * 1000 <= found.compared);
}
