//! A service with 5,000 call stacks that hold memory, and its page over HTTP.
//!
//! The stacks are real: five calls deep, a function of one of six modules at each depth.

use std::{
    hint::black_box,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Mutex,
    thread,
};

use bytes::Bytes;
use heaptide::http::Endpoints;

/// How many different stacks allocate.
pub(crate) const STACKS: usize = 5_000;

static HELD: Mutex<Vec<(usize, Vec<u8>)>> = Mutex::new(Vec::new());

macro_rules! modules {
    ($($module:ident),*) => {$(
        mod $module {
            modules!(@calls accept fetch, fetch decode, decode index, index store);

            #[inline(never)]
            pub(super) fn store(_path: usize, bytes: usize) -> Vec<u8> {
                std::hint::black_box(module_path!());
                std::hint::black_box(Vec::with_capacity(bytes))
            }
        }
    )*};
    (@calls $($caller:ident $callee:ident),*) => {$(
        #[inline(never)]
        pub(super) fn $caller(path: usize, bytes: usize) -> Vec<u8> {
            use super::{billing, images, orders, search, sessions, users};
            // The optimizer makes one of functions that do the same.
            std::hint::black_box(module_path!());
            let next = [
                orders::$callee, sessions::$callee, images::$callee,
                search::$callee, users::$callee, billing::$callee,
            ];
            std::hint::black_box(next[path % 6](path / 6, bytes))
        }
    )*};
}
modules!(orders, sessions, images, search, users, billing);

#[inline(never)]
fn request(path: usize, bytes: usize) {
    let accept = [
        orders::accept,
        sessions::accept,
        images::accept,
        search::accept,
        users::accept,
        billing::accept,
    ];
    let block = black_box(accept[path % 6](path / 6, bytes));
    HELD.lock().unwrap().push((path, block));
}

/// Holds memory on all stacks, on some much more than on most.
pub(crate) fn plant() {
    for path in 0..STACKS {
        let skewed = [9, 1, 4, 2, 1, 3];
        let weight = skewed[path % 6] * skewed[path / 6 % 6] * skewed[5 - path / 36 % 6];
        request(path, 2_048 * (8 + weight + path % 7));
    }
}

/// Holds more in one place and less in another.
pub(crate) fn change() {
    HELD.lock().unwrap().retain(|(path, _)| path % 6 != 2);
    for _ in 0..200 {
        request(1_296, 256 << 10);
    }
}

/// Serves the page, and `/change`, until the process ends.
pub(crate) fn serve(port: u16) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let address = listener.local_addr().unwrap();
    let endpoints = Endpoints::builder().build();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let endpoints = endpoints.clone();
            thread::spawn(move || answer(stream, &endpoints));
        }
    });
    address
}

/// One request of one connection. A browser that hangs up is no failure of the page's.
fn answer(mut stream: TcpStream, endpoints: &Endpoints) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let mut request = http::Request::builder()
        .method(words.next()?)
        .uri(words.next()?);
    loop {
        let mut header = String::new();
        reader.by_ref().take(10_000).read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else {
            break;
        };
        request = request.header(name, value);
    }
    let request = request.body(Bytes::new()).ok()?;
    if request.uri().path() == "/change" {
        change();
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            .ok()?;
        return Some(());
    }
    let reply = endpoints.respond(&request);
    let mut head = format!("HTTP/1.1 {}\r\n", reply.status());
    for (name, value) in reply.headers() {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().ok()?));
    }
    let length = reply.body().len();
    head.push_str(&format!(
        "Content-Length: {length}\r\nConnection: close\r\n\r\n"
    ));
    stream
        .write_all(&[head.as_bytes(), reply.body()].concat())
        .ok()
}
