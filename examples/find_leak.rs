//! Finds the leak in a running service, from its snapshot files.
//!
//! ```text
//! cargo run --release --all-features --example find_leak
//! ```
//!
//! A real HTTP service on loopback has three handlers. One tracks every request and never frees it
//! (the leak), one fills a bounded cache and evicts, one allocates much and frees it. A client in
//! the same program sends requests for ten seconds. Meanwhile a `Snapshotter` writes a snapshot
//! file every second, as it would in a service. Then the leak is found from the files alone.

use axum::{
    Router,
    extract::{Path as UrlPath, State},
    routing::{get, post},
};
use heaptide::Snapshotter;
use heaptide_profile::Profile;
use heaptide_profile::leak;
use heaptide_profile::report::{self, Diff, Text, Top};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    collections::{HashMap, VecDeque},
    error::Error,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();

/// How long the service is under load.
const LOAD: Duration = Duration::from_secs(10);
/// How often a snapshot is written.
const EVERY: Duration = Duration::from_secs(1);
/// Connections of the client; each sends one request after the other.
const CLIENTS: usize = 4;
/// Requests per second of all clients: a busy service, not a benchmark.
const REQUESTS_PER_SECOND: u64 = 2400;
const OUTPUT: &str = "target/find_leak";

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

// ---- The service. It contains no code for the profiler. -----------------------------------------

/// Keeps requests for an audit that never comes: the leak.
#[derive(Default)]
struct RequestTracker {
    requests: Mutex<Vec<TrackedRequest>>,
}

#[expect(dead_code, reason = "the leak: requests are kept and never read")]
struct TrackedRequest {
    path: String,
    body: Vec<u8>,
}

impl RequestTracker {
    fn track(&self, path: &str, body: &[u8]) {
        let request = TrackedRequest {
            path: path.to_owned(),
            body: body.to_vec(),
        };
        self.requests.lock().unwrap().push(request);
    }
}

/// Keeps the newest pages, at most `MOST`.
#[derive(Default)]
struct PageCache {
    pages: HashMap<u64, Arc<str>>,
    oldest_first: VecDeque<u64>,
}

impl PageCache {
    const MOST: usize = 1500;

    fn page(&mut self, id: u64) -> Arc<str> {
        if let Some(page) = self.pages.get(&id) {
            return Arc::clone(page);
        }
        if self.pages.len() == Self::MOST
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.pages.remove(&oldest);
        }
        let page: Arc<str> = render_page(id).into();
        self.pages.insert(id, Arc::clone(&page));
        self.oldest_first.push_back(id);
        page
    }
}

fn render_page(id: u64) -> String {
    format!("<li>item {id}</li>\n").repeat(400)
}

/// Sorts the words of a generated text: it allocates much and keeps nothing.
fn build_report(id: u64) -> String {
    let mut words: Vec<String> = (0..2000)
        .map(|word| format!("word-{}", (word * 7919 + id) % 2000))
        .collect();
    words.sort();
    words.join(" ")
}

#[derive(Default)]
struct Service {
    tracker: RequestTracker,
    cache: Mutex<PageCache>,
}

async fn handle_order(
    State(service): State<Arc<Service>>,
    UrlPath(id): UrlPath<u64>,
    body: String,
) -> String {
    service
        .tracker
        .track(&format!("/orders/{id}"), body.as_bytes());
    format!("order {id} accepted\n")
}

async fn handle_page(State(service): State<Arc<Service>>, UrlPath(id): UrlPath<u64>) -> String {
    service.cache.lock().unwrap().page(id).to_string()
}

async fn handle_report(UrlPath(id): UrlPath<u64>) -> String {
    let report = build_report(id);
    format!("{} bytes of report\n", report.len())
}

async fn serve(listener: tokio::net::TcpListener) -> io::Result<()> {
    let router = Router::new()
        .route("/orders/{id}", post(handle_order))
        .route("/pages/{id}", get(handle_page))
        .route("/reports/{id}", get(handle_report))
        .with_state(Arc::default());
    axum::serve(listener, router).await
}

// ---- The client. --------------------------------------------------------------------------------

/// Sends a third of its requests to each handler, at an even pace, until `stop` is set.
async fn send_requests(
    address: SocketAddr,
    first: u64,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
) -> Result<()> {
    let client = reqwest::Client::new();
    let body = "x".repeat(12 << 10);
    let pause = Duration::from_secs(CLIENTS as u64) / u32::try_from(REQUESTS_PER_SECOND)?;
    let mut pace = tokio::time::interval(pause);
    let mut id = first;
    while !stop.load(Ordering::Relaxed) {
        pace.tick().await;
        let request = match id % 3 {
            0 => client
                .post(format!("http://{address}/orders/{id}"))
                .body(body.clone()),
            1 => client.get(format!("http://{address}/pages/{id}")),
            _ => client.get(format!("http://{address}/reports/{id}")),
        };
        let response = request.send().await?.error_for_status()?;
        response.bytes().await?;
        sent.fetch_add(1, Ordering::Relaxed);
        id += 1;
    }
    Ok(())
}

// ---- The heap snapshots: the code that a service adds. ------------------------------------------

/// Takes a symbolized snapshot every second: the files are later read without this program.
fn start_snapshots(folder: &Path) -> heaptide::Result<Snapshotter> {
    Snapshotter::builder()
        .dir(folder)
        .every(EVERY)
        .symbolize()
        .start()
}

/// Shows the progress until the load is over and the last snapshot file is written.
fn wait_for(snapshots: &Snapshotter, sent: &AtomicU64) -> Result<()> {
    let wanted = LOAD.as_secs() / EVERY.as_secs();
    let bar = ProgressBar::new(wanted).with_style(ProgressStyle::with_template(
        "{bar:40} {pos:>2}/{len} snapshots  {msg}",
    )?);
    let started = Instant::now();
    while snapshots.counts().taken < wanted {
        if snapshots.counts().failed > 0 || started.elapsed() > 2 * LOAD {
            return Err("snapshots failed: stderr has the reason".into());
        }
        std::thread::sleep(Duration::from_millis(100));
        bar.set_position(snapshots.counts().taken);
        bar.set_message(format!("{} requests", sent.load(Ordering::Relaxed)));
    }
    bar.finish();
    Ok(())
}

/// The snapshot files in a folder. Their names sort by time.
fn snapshot_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Removes the snapshot files of an earlier run, and no other files.
fn empty(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".pb.gz") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Runs service, client and snapshots, and writes `heap` and `allocs` while the service still runs.
fn run_under_load(folder: &Path, heap: &Path, allocs: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU64::new(0));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    println!("a service with a leak runs at http://{address} for {LOAD:?} under load");
    let service = runtime.spawn(serve(listener));
    let snapshots = start_snapshots(folder)?;
    let clients: Vec<_> = (0..CLIENTS as u64)
        .map(|client| {
            let first = client << 32;
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            runtime.spawn(send_requests(address, first, stop, sent))
        })
        .collect();

    let watched = wait_for(&snapshots, &sent);
    drop(snapshots);
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        runtime.block_on(client)??;
    }
    heaptide::write_heap_profile(fs::File::create(heap)?)?;
    heaptide::write_allocs_profile(fs::File::create(allocs)?)?;
    service.abort();
    watched
}

fn main() -> Result<()> {
    let output = Path::new(OUTPUT);
    let folder = output.join("snapshots");
    empty(&folder)?;
    let heap = output.join("heap.pb.gz");
    let allocs = output.join("allocs.pb.gz");
    run_under_load(&folder, &heap, &allocs)?;

    // From here on only the files are read, as if they came from another machine.
    let paths = snapshot_files(&folder)?;
    let profiles = paths
        .iter()
        .map(|path| Ok(Profile::read(&fs::read(path)?)?))
        .collect::<Result<Vec<_>>>()?;
    let (Some(last), Some(early)) = (profiles.last(), profiles.get(profiles.len() / 3)) else {
        return Err("no snapshots were written".into());
    };
    let live = last.sample_type("inuse_space")?;

    println!("\n== What is live in the last snapshot ==\n");
    let text = Text::default().rows(8).short_names();
    println!("{}", Top::new(live).text(&text));
    println!(
        "\n== What grew since second {} ==\n",
        profiles.len() / 3 + 1
    );
    println!("{}", Diff::new(early, live)?.text(&text));
    println!("\n== Who leaks ==\n");
    // Source paths in profiles are absolute, as they were at the build.
    let verdict = leak::find(&profiles)?.to_string();
    println!(
        "{}",
        verdict.replace(concat!(env!("CARGO_MANIFEST_DIR"), "/"), "")
    );

    let flamegraph = output.join("flamegraph.svg");
    report::write_flamegraph(live, fs::File::create(&flamegraph)?)?;
    println!("\n== Look further ==\n");
    println!("go tool pprof -http=: {}", heap.display());
    println!(
        "go tool pprof -top -sample_index=alloc_space {}",
        allocs.display()
    );
    if let (Some(first), Some(last)) = (paths.get(profiles.len() / 3), paths.last()) {
        let (first, last) = (first.display(), last.display());
        println!("go tool pprof -http=: -diff_base {first} {last}");
        println!("cargo run --release --bin heaptide -- diff {first} {last}");
    }
    println!("open {}", flamegraph.display());
    Ok(())
}
