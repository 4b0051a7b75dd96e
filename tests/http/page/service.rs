//! A service with 5,000 call stacks that hold memory. It changes on demand.
//!
//! The stacks are real: five calls deep, with a function of one of six modules at each depth.

use std::{
    hint::black_box,
    net::{SocketAddr, TcpListener},
    sync::Mutex,
    thread,
};

/// The number of different stacks that allocate.
pub(crate) const STACKS: usize = 5_000;
/// More stacks that allocate, because not every block is sampled. At 4 KiB two or three are not,
/// and more than thirty with odds of one in 10^20.
const SPARE: usize = 30;

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
            // The optimizer would merge functions that do the same.
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

/// Holds memory on all stacks. Some hold much more than most.
pub(crate) fn fill() {
    for path in 0..STACKS + SPARE {
        let skewed = [9, 1, 4, 2, 1, 3];
        let weight = skewed[path % 6] * skewed[path / 6 % 6] * skewed[5 - path / 36 % 6];
        request(path, 2_048 * (8 + weight + path % 7));
    }
}

/// Allocates more on one stack, and frees the memory of others.
fn change() {
    HELD.lock().unwrap().retain(|(path, _)| path % 6 != 2);
    for _ in 0..200 {
        request(1_296, 256 << 10);
    }
}

/// Changes the heap for each connection, until the process ends. Closing the connection says that
/// it is done.
pub(crate) fn change_on_demand() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            change();
            drop(stream);
        }
    });
    address
}
