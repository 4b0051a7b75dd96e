//! The one recorder of the process, its first configuration and its fork handlers.
//!
//! Everything else in this part is a value that a test can make.

#![expect(
    unsafe_code,
    reason = "reads the environment and the auxiliary vector, and registers fork handlers"
)]

use super::{
    sampling::filter::AddressFilter, sampling::thread, settings::VARIABLE,
    tables::recorder::Recorder,
};
// The model checker has nothing to check in these, so they are `core`'s also under loom.
use core::{
    ffi::CStr,
    sync::atomic::{AtomicU8, AtomicU64, Ordering},
};

/// Most counters are 0 while there are fewer live samples than counters. At 200,000 live samples of
/// large blocks (a heap of 100 GiB of them), one free in eleven of an unsampled large block needs
/// the live table for nothing.
const LARGE_COUNTERS: usize = if cfg!(any(test, loom, miri)) {
    16
} else {
    1 << 21
};
/// Fewer, since few blocks are looked up here, and since each live sample of a small program costs
/// one page of it: 4 KiB for each of the first 32 samples and nothing afterwards.
const MARKED_COUNTERS: usize = if cfg!(any(test, loom, miri)) {
    16
} else {
    1 << 17
};

// Separate from the recorder, so that the filters are zero pages and take no space in the program's
// file.
#[cfg(not(loom))]
static LARGE: AddressFilter<LARGE_COUNTERS> = AddressFilter::new();
#[cfg(not(loom))]
static MARKED: AddressFilter<MARKED_COUNTERS> = AddressFilter::new();
#[cfg(not(loom))]
static RECORDER: Recorder = Recorder::new();
#[cfg(loom)]
loom::lazy_static! {
    static ref LARGE: AddressFilter<LARGE_COUNTERS> = AddressFilter::new();
    static ref MARKED: AddressFilter<MARKED_COUNTERS> = AddressFilter::new();
    static ref RECORDER: Recorder = Recorder::new();
}

/// 1 after an allocation came through a [`SamplingAllocator`](super::SamplingAllocator).
static IN_USE: AtomicU8 = AtomicU8::new(0);
/// 1 after a thread began to register the fork handlers.
static FORK_HANDLERS: AtomicU8 = AtomicU8::new(0);
/// The random seed of this process; 0 before it is made.
static SEED: AtomicU64 = AtomicU64::new(0);

/// The process's recorder.
#[inline(always)]
pub(super) fn recorder() -> &'static Recorder {
    &RECORDER
}

/// The filter over live sampled blocks that are not marked by their address.
#[inline(always)]
pub(super) fn large() -> &'static AddressFilter<LARGE_COUNTERS> {
    &LARGE
}

/// The filter over live sampled blocks that are marked by their address. It identifies unsampled
/// blocks that have the signature by chance, without a lock.
#[inline(always)]
pub(super) fn marked() -> &'static AddressFilter<MARKED_COUNTERS> {
    &MARKED
}

/// Whether an allocation ever came through a `SamplingAllocator`.
pub(super) fn is_in_use() -> bool {
    IN_USE.load(Ordering::Relaxed) != 0
}

/// Settles the sample interval at the first allocation. `builder` is the interval that the
/// allocator was built with.
#[inline]
pub(super) fn configure_once(builder: Option<u64>) {
    if IN_USE.load(Ordering::Relaxed) == 0 || !RECORDER.settings.is_configured() {
        configure(builder);
    }
}

#[cold]
fn configure(builder: Option<u64>) {
    let environment = environment();
    if !RECORDER.settings.configure(builder, environment) {
        complain(environment.unwrap_or_default());
    }
    IN_USE.store(1, Ordering::Relaxed);
}

/// The environment's value, read without std: `std::env::var` allocates and takes a lock.
fn environment() -> Option<&'static [u8]> {
    // SAFETY: the name is a C string. Another thread that changes the environment meanwhile races
    // with every `getenv`; this call happens at the first allocation, before `main`.
    let value = unsafe { libc::getenv(VARIABLE.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: `getenv` returned a C string that lives until the variable is changed. It is read at
    // once and not kept.
    Some(unsafe { CStr::from_ptr(value) }.to_bytes())
}

/// Writes one line to stderr, without formatting, buffering or a lock.
fn complain(value: &[u8]) {
    const SHOWN: usize = 80;
    let parts: [&[u8]; 5] = [
        b"heaptide: ignoring ",
        VARIABLE.to_bytes(),
        b"=",
        value.get(..value.len().min(SHOWN)).unwrap_or_default(),
        b": not a number of bytes such as 524288, 512KiB or 1MiB (0 = off)\n",
    ];
    let mut line = [0u8; 256];
    let mut len = 0;
    for byte in parts.into_iter().flatten() {
        if let Some(slot) = line.get_mut(len) {
            *slot = *byte;
            len += 1;
        }
    }
    // SAFETY: the buffer holds `len` bytes. A failed write does not matter: the stats and the
    // profiles repeat the message.
    let _ = unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), len) };
}

/// The seed of this process's random gaps.
pub(super) fn seed() -> u64 {
    match SEED.load(Ordering::Relaxed) {
        0 => make_seed(),
        seed => seed,
    }
}

#[cold]
fn make_seed() -> u64 {
    // SAFETY: the call is always valid. It returns 0 where the kernel gives no such entry.
    let random = unsafe { libc::getauxval(libc::AT_RANDOM) };
    let random = usize::try_from(random).unwrap_or_default();
    let address: *const [u8; 8] = core::ptr::with_exposed_provenance(random);
    // SAFETY: a nonzero AT_RANDOM is the address of 16 random bytes that live as long as the
    // process.
    let bytes = (!address.is_null()).then(|| unsafe { address.read() });
    // Without them, address space randomization makes the address of this static random.
    let fallback = ((&raw const SEED).addr() as u64).to_ne_bytes();
    let seed = u64::from_ne_bytes(bytes.unwrap_or(fallback)) | 1;
    SEED.store(seed, Ordering::Relaxed);
    seed
}

/// Registers the fork handlers once, after the inner allocator has served an allocation. Handlers
/// run in reverse order before a fork, so ours then run before the inner allocator's own.
#[inline]
pub(super) fn register_fork_handlers() {
    if FORK_HANDLERS.load(Ordering::Relaxed) == 0 && FORK_HANDLERS.swap(1, Ordering::Relaxed) == 0 {
        // SAFETY: the handlers are functions of this program and live as long as it does. A failure
        // (no memory) does not matter much: without a gate a forked child loses samples, but cannot
        // hang, since it only tries locks.
        let _ = unsafe { libc::pthread_atfork(Some(before_fork), Some(in_parent), Some(in_child)) };
    }
}

extern "C" fn before_fork() {
    thread::with(|thread| {
        let own = usize::from(thread.is_locked());
        thread.enter_lock();
        // False if a thread is stopped inside. Then the child may find shards that stay locked. It
        // loses samples and defers frees, and counts both.
        let _ = RECORDER.gate.close(own);
    });
}

extern "C" fn in_parent() {
    RECORDER.gate.open();
    thread::with(thread::Thread::leave_lock);
}

extern "C" fn in_child() {
    thread::with(|thread| {
        thread.leave_lock();
        RECORDER.gate.open_in_child(usize::from(thread.is_locked()));
    });
}
