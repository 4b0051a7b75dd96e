//! Other people's code on the allocator, with checked results.
//!
//! It parses, matches regular expressions, runs an async runtime and a thread pool, and compresses.
//! All of it runs at once, at every interval, while profiles are taken.

#[path = "../support/scenario.rs"]
mod scenario;

use heaptide::SamplingAllocator;
use rayon::prelude::*;
use scenario::{assert_hardly_lost, at_every_interval, rounds, samples_everything};
use std::{
    io::{Read, Write},
    sync::atomic::{AtomicBool, Ordering},
};

#[cfg(not(feature = "jemalloc"))]
#[global_allocator]
static GLOBAL: SamplingAllocator<std::alloc::System> =
    SamplingAllocator::with_inner(std::alloc::System);
#[cfg(feature = "jemalloc")]
#[global_allocator]
static GLOBAL: SamplingAllocator = SamplingAllocator::new();

/// Parses a document, writes it, and compares.
fn parse(number: usize) {
    let records: Vec<String> = (0..150)
        .map(|i| format!(r#"{{"id":{i},"name":"n{number}","tags":["a","b{i}"],"x":{i}.5}}"#))
        .collect();
    let text = format!("[{}]", records.join(","));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = value.as_array().unwrap();
    assert_eq!(rows.len(), 150);
    let ids: u64 = rows.iter().map(|row| row["id"].as_u64().unwrap()).sum();
    assert_eq!(ids, 149 * 150 / 2);
    let again: serde_json::Value = serde_json::from_str(&value.to_string()).unwrap();
    assert_eq!(again, value);
}

fn match_text(number: usize) {
    let pattern = regex::Regex::new(r"(?P<key>[a-z]+\d*)=(?P<value>[0-9]{1,6})(;|$)").unwrap();
    let text: String = (0..200)
        .map(|i| format!("key{i}={};", number * 1000 + i))
        .collect();
    let found: Vec<(String, usize)> = pattern
        .captures_iter(&text)
        .map(|found| (found["key"].to_owned(), found["value"].parse().unwrap()))
        .collect();
    assert_eq!(found.len(), 200);
    for (i, (key, value)) in found.iter().enumerate() {
        assert_eq!(
            (key.as_str(), *value),
            (&*format!("key{i}"), number * 1000 + i)
        );
    }
    assert_eq!(pattern.replace_all(&text, "").len(), 0);
}

fn compress(number: usize) {
    let plain: Vec<u8> = (0..60_000usize)
        .map(|i| u8::try_from((i * i + number) % 97).unwrap())
        .collect();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    packer.write_all(&plain).unwrap();
    let packed = packer.finish().unwrap();
    assert!(packed.len() < plain.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    assert!(unpacked == plain);
}

/// Work on a pool of threads that steal from each other, so blocks are freed by other threads than
/// made them.
fn pool(number: usize) {
    let words: Vec<String> = (0..2_000usize)
        .into_par_iter()
        .map(|i| format!("{:05}", (i * 7919 + number) % 20_011))
        .collect();
    let mut sorted = words.clone();
    sorted.par_sort();
    assert!(sorted.is_sorted());
    let number_of = |word: &String| word.parse::<usize>().unwrap();
    let in_parallel: usize = words.par_iter().map(number_of).sum();
    let in_order: usize = sorted.iter().map(number_of).sum();
    assert_eq!(in_parallel, in_order);
}

/// Tasks that spawn tasks and pass each other buffers through loopback and channels.
async fn serve(number: usize) {
    use tokio::net::UdpSocket;
    let (sender, receiver) = std::sync::mpsc::channel();
    let tasks: Vec<_> = (0..40usize)
        .map(|i| {
            let sender = sender.clone();
            tokio::spawn(async move {
                let buffer = vec![u8::try_from(i).unwrap(); 1 + i * 50];
                tokio::task::yield_now().await;
                let inner =
                    tokio::spawn(
                        async move { buffer.iter().map(|b| usize::from(*b)).sum::<usize>() },
                    );
                sender.send(inner.await.unwrap()).unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    drop(sender);
    let sum: usize = receiver.into_iter().sum();
    let expected: usize = (0..40).map(|i| i * (1 + i * 50)).sum();
    assert_eq!(sum, expected);

    let here = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let there = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let message = vec![7u8; 100 + number % 900];
    there
        .send_to(&message, here.local_addr().unwrap())
        .await
        .unwrap();
    let mut got = vec![0; 2_000];
    let (len, _) = here.recv_from(&mut got).await.unwrap();
    assert_eq!(got[..len], message);
}

#[test]
fn well_known_crates_give_correct_results() {
    at_every_interval("well_known_crates_give_correct_results", || {
        let before = heaptide::stats();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watching = scope.spawn(|| {
                let mut taken = 0;
                // At least one, in case this thread begins after the others have ended.
                while !stop.load(Ordering::Relaxed) || taken == 0 {
                    let profile = heaptide::ProfileOptions::new().raw().heap().unwrap();
                    profile.check().unwrap();
                    taken += 1;
                }
                taken
            });
            let others: Vec<_> = [parse, match_text, compress]
                .into_iter()
                .map(|work| scope.spawn(move || (0..6 * rounds()).for_each(work)))
                .collect();
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(3)
                .enable_io()
                .build()
                .unwrap();
            for number in 0..6 * rounds() {
                pool(number);
                runtime.block_on(serve(number));
            }
            drop(runtime);
            for other in others {
                other.join().unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            assert!(watching.join().unwrap() > 0);
        });
        let after = heaptide::stats();
        assert_hardly_lost(after);
        assert!(after.samples > before.samples + 20_000 || !samples_everything());
        // The remaining blocks belong to the pool, which stays, and to caches of the crates.
        assert!(
            after.live_samples < before.live_samples + 2_000,
            "{after:?}"
        );
    });
}
