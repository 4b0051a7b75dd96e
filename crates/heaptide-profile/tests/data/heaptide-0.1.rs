//! A heap profile of heaptide's own, of an optimized program: recursion, inlined calls, generic and
//! virtual ones, a function at several lines, and freed memory.

use std::{alloc::System, collections::BTreeMap, fmt::Display, hint::black_box};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(2048);

#[derive(Default)]
struct Tree {
    children: Vec<Tree>,
    name: String,
}

impl Tree {
    #[inline(never)]
    fn grow(depth: usize, width: usize) -> Self {
        let mut tree = Self {
            name: format!("{depth:>40}"),
            ..Self::default()
        };
        for _ in 0..width {
            if depth > 0 {
                tree.children.push(Self::grow(depth - 1, width));
            }
        }
        tree
    }
}

/// Inlined into both of its callers.
#[inline(always)]
fn entry(key: u64) -> (u64, Vec<u8>) {
    (key, vec![1; 300])
}

#[inline(never)]
fn index(keys: std::ops::Range<u64>) -> BTreeMap<u64, Vec<u8>> {
    keys.map(entry).collect()
}

#[inline(never)]
fn refill(index: &mut BTreeMap<u64, Vec<u8>>, keys: std::ops::Range<u64>) {
    for key in keys {
        let (key, value) = entry(key);
        index.insert(key, value);
    }
}

#[inline(never)]
fn describe(items: &[&dyn Display]) -> Vec<String> {
    items.iter().map(|item| format!("<{item:>100}>")).collect()
}

#[inline(never)]
fn ping(n: usize, kept: &mut Vec<Box<[u8; 96]>>) {
    kept.push(black_box(Box::new([0; 96])));
    if n > 0 {
        pong(n - 1, kept);
    }
}

#[inline(never)]
fn pong(n: usize, kept: &mut Vec<Box<[u8; 96]>>) {
    kept.push(black_box(Box::new([1; 96])));
    if n > 0 {
        ping(n - 1, kept);
    }
}

fn main() {
    let file = std::env::args().nth(1).expect("a file for the profile");
    let tree = Tree::grow(6, 4);
    let mut kept = index(0..1000);
    drop(index(0..3000));
    refill(&mut kept, 1000..2000);
    let mut boxes = Vec::new();
    for _ in 0..40 {
        ping(9, &mut boxes);
    }
    let numbers: Vec<&dyn Display> = vec![&1, &2.5, &"three"];
    let texts: Vec<Vec<String>> = (0..300).map(|_| describe(&numbers)).collect();
    let file = std::fs::File::create(file).expect("a new file");
    heaptide::write_heap_profile(file).expect("a profile");
    println!("{} {} {} {}", tree.name.len(), kept.len(), boxes.len(), texts.len());
}
