//! An axum service that serves its own heap under `/debug/pprof/`.
//!
//! ```text
//! cargo run --release --features http --example service            # or: -- --leak
//! ```
//!
//! Give it something to do:
//!
//! ```text
//! curl 'http://127.0.0.1:8080/search?q=word-1'
//! for i in $(seq 5000); do curl -s -o /dev/null "http://127.0.0.1:8080/search?q=word-$i"; done
//! ```
//!
//! Look at its heap; with `--leak`, `QueryLog::add` is first:
//!
//! ```text
//! go tool pprof -top http://127.0.0.1:8080/debug/pprof/heap
//! go tool pprof -http=: http://127.0.0.1:8080/debug/pprof/heap
//! go tool pprof -top -seconds 5 http://127.0.0.1:8080/debug/pprof/heap
//! curl -o base.pb.gz http://127.0.0.1:8080/debug/pprof/heap
//! go tool pprof -top -diff_base base.pb.gz http://127.0.0.1:8080/debug/pprof/heap
//! ```
//!
//! Other machines should reach a service, but not its heap. Here both listen on loopback. A service
//! that listens on other addresses serves its heap with `heaptide::http::serve`, on a separate
//! port.

use axum::{
    Router,
    extract::{RawQuery, State},
    routing::get,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();

/// The documents that contain each word.
struct Index {
    documents: BTreeMap<String, Vec<u32>>,
}

impl Index {
    fn build() -> Self {
        let mut documents = BTreeMap::<String, Vec<u32>>::new();
        for document in 0..20_000 {
            for word in 0..20 {
                let word = format!("word-{}", (document * 31 + word * 7919) % 10_000);
                documents.entry(word).or_default().push(document);
            }
        }
        Self { documents }
    }

    /// The documents of the first 100 words that begin with `start`.
    fn search(&self, start: &str) -> Vec<String> {
        let matching = self.documents.range(start.to_owned()..);
        matching
            .take_while(|(word, _)| word.starts_with(start))
            .take(100)
            .map(|(word, documents)| format!("{word}: {documents:?}\n"))
            .collect()
    }
}

/// Keeps queries and answers, and is never read or cleared.
#[derive(Default)]
struct QueryLog {
    entries: Mutex<Vec<String>>,
}

impl QueryLog {
    fn add(&self, query: &str, answer: &str) {
        let entry = format!("{query} -> {answer}");
        // No code panics while the lock is held, so it is never poisoned.
        if let Ok(mut entries) = self.entries.lock() {
            entries.push(entry);
        }
    }
}

struct Service {
    index: Index,
    log: Option<QueryLog>,
}

async fn search(State(service): State<Arc<Service>>, RawQuery(query): RawQuery) -> String {
    let query = query.unwrap_or_default();
    let start = query.strip_prefix("q=").unwrap_or(&query);
    let answer = service.index.search(start).concat();
    if let Some(log) = &service.log {
        log.add(start, &answer);
    }
    answer
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let leaks = std::env::args().any(|word| word == "--leak");
    let service = Arc::new(Service {
        index: Index::build(),
        log: leaks.then(QueryLog::default),
    });
    let app = Router::new()
        .route("/search", get(search))
        .with_state(service)
        // This one line serves the heap.
        .nest_service("/debug/pprof", heaptide::http::service().check_host());

    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
        let address = listener.local_addr()?;
        println!("curl http://{address}/search?q=word-1");
        println!("go tool pprof -top http://{address}/debug/pprof/heap");
        axum::serve(listener, app).await
    })?;
    Ok(())
}
