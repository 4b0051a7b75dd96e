//! A program without an async runtime that serves its heap.
//!
//! ```text
//! (seq 2000000; cat) | cargo run --release --features http --example plain
//! go tool pprof -top http://127.0.0.1:6060/debug/pprof/heap
//! ```
//!
//! It counts the words of its input and ends with the input: two million numbers here, then the
//! lines that you type.

use std::{collections::HashMap, io};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = heaptide::http::serve("127.0.0.1:6060")?;
    println!(
        "go tool pprof -top http://{}/debug/pprof/heap",
        server.local_addr()
    );
    let mut counts: HashMap<String, u64> = HashMap::new();
    for line in io::stdin().lines() {
        for word in line?.split_whitespace() {
            *counts.entry(word.to_owned()).or_default() += 1;
        }
    }
    println!("{} different words", counts.len());
    Ok(())
}
