//! The workloads as ordinary code on the global allocator, a module of each program under test.

use heaptide_rivals::{document, frames, random::Random, service, workload::Workload};
use std::{
    hint::black_box,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

/// Does this many operations of the work and returns a checksum.
pub fn run(workload: Workload, operations: u64, seed: u64) -> u64 {
    match workload {
        Workload::Churn => churn(operations, seed),
        Workload::ChurnDeep => frames::under_forty(&mut || churn(operations, seed)),
        Workload::ChurnTwice => thread::scope(|scope| {
            let other = scope.spawn(move || churn(operations, seed + 1));
            churn(operations, seed) + other.join().unwrap_or(0)
        }),
        Workload::Json => json(operations, seed),
        Workload::CrossThread => cross_thread(operations, seed),
        Workload::GrowingVectors => growing_vectors(operations, seed),
        Workload::Zeroed => zeroed(operations, seed),
        Workload::Kept => kept(operations, seed),
        Workload::Service => service::requests(operations, seed),
    }
}

/// A block of 16 to 527 bytes, by the upper half of the bits, of which only the first is written.
#[inline]
fn block(bits: u64) -> Vec<u8> {
    let mut block = Vec::with_capacity(16 + (bits >> 32) as usize % 512);
    block.push(1);
    block
}

/// One operation frees a random one of 10,000 blocks and allocates another in its place.
#[inline(never)]
fn churn(operations: u64, seed: u64) -> u64 {
    const SLOTS: usize = 10_000;
    let mut random = Random::new(seed);
    let mut slots: Vec<Vec<u8>> = (0..SLOTS).map(|_| Vec::new()).collect();
    let mut sum = 0;
    for _ in 0..operations {
        let bits = random.bits();
        let fresh = block(bits);
        sum += fresh.capacity() as u64;
        slots[(bits as u32) as usize % SLOTS] = fresh;
    }
    sum
}

/// One operation parses a page of orders and prints it.
#[inline(never)]
fn json(operations: u64, seed: u64) -> u64 {
    let text = document::orders(seed);
    let mut sum = 0;
    for _ in 0..operations {
        let parsed: serde_json::Value = match serde_json::from_str(black_box(&text)) {
            Ok(parsed) => parsed,
            Err(_) => return 0,
        };
        sum += parsed.to_string().len() as u64;
    }
    sum
}

/// One operation is a block allocated here and freed by another thread.
///
/// Blocks are handed over a thousand at a time, in two lists that are reused, so that the transfer
/// costs almost nothing.
#[inline(never)]
fn cross_thread(operations: u64, seed: u64) -> u64 {
    type Blocks = Vec<Vec<u8>>;
    const LIST: usize = 1000;
    fn free(full: Receiver<Blocks>, empty: SyncSender<Blocks>) {
        for mut list in full {
            list.clear();
            if empty.send(list).is_err() {
                return;
            }
        }
    }
    let mut random = Random::new(seed);
    let (to_freer, full) = sync_channel::<Blocks>(2);
    let (empty, from_freer) = sync_channel::<Blocks>(2);
    let mut lists = vec![Blocks::with_capacity(LIST), Blocks::with_capacity(LIST)];
    let mut sum = 0;
    thread::scope(|scope| {
        scope.spawn(move || free(full, empty));
        for _ in 0..operations / LIST as u64 {
            let Some(mut list) = lists.pop().or_else(|| from_freer.recv().ok()) else {
                return;
            };
            list.extend((0..LIST).map(|_| block(random.bits())));
            sum += list
                .iter()
                .map(|block| block.capacity() as u64)
                .sum::<u64>();
            if to_freer.send(list).is_err() {
                return;
            }
        }
        drop(to_freer);
    });
    sum
}

/// One operation pushes 1 to 64 words to one of 64 vectors.
///
/// A vector is dropped when it has reached its own final length, of 8 to 32,767 words.
#[inline(never)]
fn growing_vectors(operations: u64, seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let mut vectors: Vec<(Vec<u64>, usize)> = (0..64).map(|_| (Vec::new(), 8)).collect();
    let mut sum = 0;
    for _ in 0..operations {
        let which = random.below(vectors.len());
        let (vector, length) = &mut vectors[which];
        for _ in 0..1 + random.below(64) {
            vector.push(sum);
        }
        if vector.len() >= *length {
            sum += vector.capacity() as u64;
            *vector = Vec::new();
            let doublings = random.below(12);
            *length = (8 << doublings) + random.below(8 << doublings);
        }
    }
    sum
}

/// One operation allocates a zeroed buffer of 64 bytes to 64 KiB in place of one of 100.
#[inline(never)]
fn zeroed(operations: u64, seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let mut slots: Vec<Vec<u8>> = (0..100).map(|_| Vec::new()).collect();
    let mut sum = 0;
    for _ in 0..operations {
        let doublings = random.below(10);
        let size = (64 << doublings) + random.below(64 << doublings);
        let slot = random.below(slots.len());
        slots[slot] = vec![0; size];
        sum += u64::from(black_box(&slots[slot])[size / 2]) + size as u64;
    }
    sum
}

/// One operation allocates a block that stays until the end.
#[inline(never)]
fn kept(operations: u64, seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let kept: Vec<Vec<u8>> = (0..operations).map(|_| block(random.bits())).collect();
    kept.iter().map(|block| block.capacity() as u64).sum()
}
