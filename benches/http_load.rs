//! Measures a service on all cores while 64 clients request its heap at once for 20 seconds.
//!
//! It prints errors, memory and the latency of the service's own requests, and the same without the
//! clients for comparison.
//!
//! ```text
//! cargo bench --features http --bench http_load
//! ```

#[path = "../tests/support/http_load.rs"]
mod http_load;

use http_load::Seen;
use std::time::Duration;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();

fn print(label: &str, seen: &Seen) {
    println!(
        "{label:<28} own requests: median {:>8.2?}  99 % {:>8.2?}  longest {:>8.2?}; resident {} \
         kB before, \
         {} kB after; heaps by status {:?}",
        seen.quantile(500),
        seen.quantile(990),
        seen.quantile(1000),
        seen.resident_kb.0,
        seen.resident_kb.1,
        seen.statuses
    );
}

fn main() {
    // `cargo test --benches` runs this too. Then it only has to work.
    let is_measured = std::env::args().any(|word| word == "--bench");
    let time = Duration::from_secs(if is_measured { 20 } else { 1 });
    print("nobody asks", &http_load::run(0, time, None));
    print("64 ask the service", &http_load::run(64, time, None));
    let server = heaptide::http::serve("127.0.0.1:0").expect("a server");
    let heap = Some(server.local_addr());
    print(
        "64 ask a server of its own",
        &http_load::run(64, time, heap),
    );
}
