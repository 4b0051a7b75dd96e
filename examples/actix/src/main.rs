//! An actix-web service that serves its own heap under `/debug/pprof/`.
//!
//! ```text
//! cd examples/actix && cargo run --release
//! ```
//!
//! Send orders and look at the heap; `Orders::add` keeps the memory:
//!
//! ```text
//! for i in $(seq 3000); do curl -s -o /dev/null "http://127.0.0.1:8080/order/$i"; done
//! go tool pprof -top http://127.0.0.1:8080/debug/pprof/heap
//! go tool pprof -top -seconds 5 http://127.0.0.1:8080/debug/pprof/heap
//! curl 'http://127.0.0.1:8080/debug/pprof/heap?format=text'
//! ```
//!
//! A browser gets the page at `http://127.0.0.1:8080/debug/pprof/ui`.

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, Result, body::SizedStream, error, http::Method, web,
};
use futures_util::stream;
use heaptide::http::Service;
use http_body_util::{BodyExt, Full};
use std::{convert::Infallible, sync::Mutex};
use tower_service::Service as _;

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator = heaptide::SamplingAllocator::new();

/// Keeps every order, with 16 KiB of data.
#[derive(Default)]
struct Orders {
    kept: Mutex<Vec<String>>,
}

impl Orders {
    fn add(&self, name: &str) -> usize {
        let order = format!("{name:>16384}");
        // No code panics while the lock is held, so it is never poisoned.
        self.kept.lock().map_or(0, |mut kept| {
            kept.push(order);
            kept.len()
        })
    }
}

async fn order(orders: web::Data<Orders>, name: web::Path<String>) -> String {
    format!("order {} of {}\n", orders.add(&name), name)
}

/// Passes a request to heaptide's service and returns its response.
async fn heap(
    service: web::Data<Service>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse> {
    let mut asked = http::Request::builder()
        .method(request.method().as_str())
        .uri(request.uri().to_string());
    for (name, value) in request.headers() {
        asked = asked.header(name.as_str(), value.as_bytes());
    }
    let asked = asked.body(body).map_err(error::ErrorBadRequest)?;

    // Made on a thread of heaptide's, and given up when this future is dropped.
    let mut service = Service::clone(&service);
    let (head, body) = service.call(asked.map(Full::new)).await?.into_parts();
    let status = head
        .status
        .as_u16()
        .try_into()
        .map_err(error::ErrorInternalServerError)?;
    let mut response = HttpResponse::build(status);
    for (name, value) in &head.headers {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    // An answer to HEAD has no body but its length, which actix asks the body for.
    if request.method() == Method::HEAD {
        let length = head.headers.get("content-length");
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let nothing = stream::empty::<Result<web::Bytes, Infallible>>();
        return Ok(response.body(SizedStream::new(length.unwrap_or(0), nothing)));
    }
    Ok(response.body(body.collect().await?.to_bytes()))
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let orders = web::Data::new(Orders::default());
    // Made once for all workers: it keeps the history of clients and of the heap.
    // The host check stops web pages that point a host name of their own at this address.
    let service = web::Data::new(heaptide::http::service().check_host());
    let app = move || {
        App::new()
            .app_data(orders.clone())
            .app_data(service.clone())
            .route("/order/{name}", web::get().to(order))
            .service(web::scope("/debug/pprof").default_service(web::to(heap)))
    };
    println!("go tool pprof -top http://127.0.0.1:8080/debug/pprof/heap");
    HttpServer::new(app)
        // With this, actix drops the futures of clients that are gone.
        .h1_allow_half_closed(false)
        .bind("127.0.0.1:8080")?
        .run()
        .await
}
