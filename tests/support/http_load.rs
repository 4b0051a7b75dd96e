//! A service that works on all cores while clients ask for its heap.

use axum::{Router, routing::get};
use std::{
    collections::BTreeMap,
    fs,
    hint::black_box,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::runtime;

/// The result of one run.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Answers by status. 0 is a connection that failed.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Latencies of requests to the service itself, sorted.
    pub(crate) latencies: Vec<Duration>,
    /// Resident kilobytes, before and after.
    pub(crate) resident_kb: (u64, u64),
}

impl Seen {
    /// The latency that this share of the requests does not exceed.
    pub(crate) fn quantile(&self, permille: usize) -> Duration {
        let last = self.latencies.len() - 1;
        self.latencies[last * permille / 1000]
    }
}

/// The work for one request: some thousand allocations, of which it keeps a few.
fn handle() -> String {
    let mut words: Vec<String> = (0..1000)
        .map(|word| format!("word-{}", word * 7919 % 1000))
        .collect();
    words.sort();
    black_box(words).join(" ")
}

fn resident_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("procfs is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let words = line.and_then(|line| line.split_whitespace().next());
    words.and_then(|word| word.parse().ok()).expect("a number")
}

/// A client that sends the service itself 100 requests a second.
async fn ask_the_service(
    address: SocketAddr,
    until: Instant,
    latencies: Arc<Mutex<Vec<Duration>>>,
) {
    let client = reqwest::Client::new();
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    while Instant::now() < until {
        pace.tick().await;
        let start = Instant::now();
        let answer = client.get(format!("http://{address}/work")).send().await;
        let body = answer.expect("the service answers").bytes().await;
        assert!(body.expect("the service answers").len() > 8000);
        latencies.lock().unwrap().push(start.elapsed());
    }
}

async fn ask_for_heaps(url: String, until: Instant, statuses: Arc<Mutex<BTreeMap<u16, u64>>>) {
    let client = reqwest::Client::new();
    while Instant::now() < until {
        let status = match client.get(&url).send().await {
            Ok(answer) => {
                let status = answer.status().as_u16();
                answer.bytes().await.map_or(0, |_whole| status)
            }
            Err(_) => 0,
        };
        *statuses.lock().unwrap().entry(status).or_default() += 1;
        // The server asks it to come back in a second. It comes sooner, but with a pause.
        if status != 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Runs the service and `clients` on one runtime with a thread for each core, beside threads that
/// allocate on all of them. The heap is served at `heap`, or by the service.
pub(crate) fn run(clients: usize, time: Duration, heap: Option<SocketAddr>) -> Seen {
    let runtime = runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let app = Router::new()
        .route("/work", get(|| async { handle() }))
        .nest_service("/debug/pprof", heaptide::http::service());
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
    let listener = listener.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let _serving = runtime.spawn(async move { axum::serve(listener, app).await });
    let url = format!("http://{}/debug/pprof/heap", heap.unwrap_or(address));

    let stop = Arc::new(AtomicBool::new(false));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let busy: Vec<_> = (0..cores)
        .map(|_| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    black_box(handle());
                    // Half of a core each. Otherwise the test would measure the scheduler.
                    std::thread::sleep(Duration::from_millis(1));
                }
            })
        })
        .collect();

    let latencies = Arc::<Mutex<Vec<Duration>>>::default();
    let statuses = Arc::<Mutex<BTreeMap<u16, u64>>>::default();
    // Once, so that what a process's first profile allocates does not count as growth.
    let warm = Instant::now() + Duration::from_millis(500);
    let first = ask_for_heaps(url.clone(), warm, Arc::default());
    runtime.block_on(first);
    let before = resident_kb();
    let until = Instant::now() + time;
    let mut asking: Vec<_> = (0..clients)
        .map(|_| runtime.spawn(ask_for_heaps(url.clone(), until, Arc::clone(&statuses))))
        .collect();
    asking.push(runtime.spawn(ask_the_service(address, until, Arc::clone(&latencies))));
    for one in asking {
        runtime.block_on(one).expect("no client panics");
    }
    let after = resident_kb();
    stop.store(true, Ordering::Relaxed);
    for thread in busy {
        thread.join().expect("it allocates and does not panic");
    }
    let mut latencies = std::mem::take(&mut *latencies.lock().unwrap());
    latencies.sort_unstable();
    let statuses = std::mem::take(&mut *statuses.lock().unwrap());
    Seen {
        statuses,
        latencies,
        resident_kb: (before, after),
    }
}
