//! The endpoints as a client sees them: requests and responses.
//!
//! The process records every allocation, so that the content of a profile can be checked exactly.
#![cfg(all(feature = "http", feature = "symbolize"))]

mod access;
mod contract;
mod deltas;
mod profiles;
mod requests;

use bytes::Bytes;
use heaptide::{Profile, http::Endpoints};
use http::{Request, Response};
use std::{
    hint::black_box,
    sync::{Mutex, PoisonError},
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<std::alloc::System> =
    heaptide::SamplingAllocator::with_inner(std::alloc::System).sample_interval(1);

/// Runs one test after another, each on its own thread from its start. They check exact numbers.
/// One of them sets the interval, which a thread in the middle of a gap takes over later.
fn alone(test: impl FnOnce() + Send) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let tested = std::thread::scope(|scope| scope.spawn(test).join());
    if let Err(panicked) = tested {
        std::panic::resume_unwind(panicked);
    }
}

fn get(endpoints: &Endpoints, path: &str) -> Response<Bytes> {
    ask(endpoints, "GET", path, &[], "")
}

fn ask(
    endpoints: &Endpoints,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Bytes::copy_from_slice(body.as_bytes());
    endpoints.respond(&request.body(body).unwrap())
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

fn profile(endpoints: &Endpoints, path: &str) -> Profile {
    let response = get(endpoints, path);
    assert_eq!(response.status(), 200, "{path}: {:?}", response.body());
    assert_eq!(
        header(&response, "content-type"),
        "application/octet-stream"
    );
    Profile::read(response.body()).unwrap()
}

/// The sum of the samples with a function of this name.
fn sum(profile: &Profile, function: &str) -> [i64; 4] {
    let mut sum = [0; 4];
    for sample in &profile.samples {
        let mut names = profile.frames(sample).filter_map(|frame| frame.function);
        if names.any(|f| f.name.ends_with(function)) {
            for (sum, value) in sum.iter_mut().zip(&sample.values) {
                *sum += value;
            }
        }
    }
    sum
}

#[inline(never)]
fn kept_for_the_table() -> Vec<u8> {
    black_box(vec![1; 100_000])
}

#[inline(never)]
fn kept_for_the_delta() -> Vec<u8> {
    black_box(vec![1; 30_000])
}

#[inline(never)]
fn passing_for_the_delta() {
    drop(black_box(vec![1u8; 7_000]));
}
