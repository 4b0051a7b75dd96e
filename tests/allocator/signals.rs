//! Signal handlers that interrupt the profiler's slow path and allocate, free and fork there.
//!
//! An inner allocator does the same from below. Nothing deadlocks, each block goes back once with
//! its own layout, and frees that cannot be deferred are counted.
//!
//! The inner allocator blocks signals while it runs, because interrupting one in a handler that
//! allocates was never allowed. Only heaptide is interrupted here.

#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "is an allocator, and installs signal handlers")]

#[path = "../support/scenario.rs"]
mod scenario;
mod shadow;

use heaptide::SamplingAllocator;
use scenario::{at_every_interval, rounds, samples_everything};
use shadow::Shadow;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    mem::MaybeUninit,
    ptr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering},
    },
};

#[global_allocator]
static GLOBAL: SamplingAllocator<Unsignaled> = SamplingAllocator::with_inner(Unsignaled);

/// The system's allocator, with signals blocked while it runs.
struct Unsignaled;

static SHADOW: Shadow = Shadow::new();

fn unsignaled<R>(work: impl FnOnce() -> R) -> R {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: writes the set it is given.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: the first set was filled above, the second is written.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr()) };
    let result = work();
    // SAFETY: the set was written by the call above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    result
}

// SAFETY: every block is the system's.
unsafe impl GlobalAlloc for Unsignaled {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        from_below();
        // SAFETY: what our caller promises.
        unsignaled(|| SHADOW.made(unsafe { System.alloc(layout) }, layout))
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: what our caller promises.
        unsignaled(|| SHADOW.made(unsafe { System.alloc_zeroed(layout) }, layout))
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsignaled(|| {
            if SHADOW.gone(block, layout) {
                // SAFETY: what our caller promises.
                unsafe { System.dealloc(block, layout) };
            }
        });
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        unsignaled(|| {
            if !SHADOW.gone(block, layout) {
                return ptr::null_mut();
            }
            // SAFETY: what our caller promises.
            let new_block = unsafe { System.realloc(block, layout, new_size) };
            // SAFETY: our caller promises that the new size makes a layout.
            let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
            SHADOW.made(new_block, new_layout)
        })
    }
}

// ---- the work of the handlers

/// Blocks from the interrupted code to the handler, which frees them.
static TO_HANDLER: [AtomicPtr<[u8; 100]>; 8] = [const { AtomicPtr::new(ptr::null_mut()) }; 8];
/// Blocks from the handler to the interrupted code.
static FROM_HANDLER: [AtomicPtr<[u8; 300]>; 8] = [const { AtomicPtr::new(ptr::null_mut()) }; 8];
static HANDLED: AtomicUsize = AtomicUsize::new(0);
/// Frees that were deferred, since the handler interrupted a locked thread.
static DEFERRED: AtomicUsize = AtomicUsize::new(0);

fn give<T>(slots: &[AtomicPtr<T>], value: Box<T>, at: usize) {
    let before = slots[at % slots.len()].swap(Box::into_raw(value), Ordering::Relaxed);
    drop(own(before));
}

fn own<T>(pointer: *mut T) -> Option<Box<T>> {
    // SAFETY: a slot holds a pointer from a box, and only one caller takes it out.
    (!pointer.is_null()).then(|| unsafe { Box::from_raw(pointer) })
}

fn take<T>(slots: &[AtomicPtr<T>], at: usize) -> Option<Box<T>> {
    own(slots[at % slots.len()].swap(ptr::null_mut(), Ordering::Relaxed))
}

fn live() -> u64 {
    heaptide::stats().live_samples
}

/// Allocates and frees blocks of each kind, and frees a block of the interrupted code.
fn meddle(number: usize) {
    let before = live();
    if let Some(block) = take(&TO_HANDLER, number) {
        assert_eq!(*block, [5; 100]);
        drop(block);
        if samples_everything() && live() == before {
            DEFERRED.fetch_add(1, Ordering::Relaxed);
        }
    }
    let mut grown: Vec<u8> = Vec::with_capacity(30 + number % 50);
    grown.extend([3; 20]);
    grown.reserve_exact(70_000);
    grown.shrink_to_fit();
    assert_eq!(grown, [3; 20]);
    give(&FROM_HANDLER, Box::new([6; 300]), number);
}

extern "C" fn handler(_: libc::c_int) {
    // errno belongs to the interrupted code.
    let errno = std::io::Error::last_os_error().raw_os_error();
    meddle(HANDLED.load(Ordering::Relaxed));
    HANDLED.fetch_add(1, Ordering::Relaxed);
    assert_eq!(std::io::Error::last_os_error().raw_os_error(), errno);
    arm();
}

fn install(handler: extern "C" fn(libc::c_int)) {
    let address = handler as *const () as libc::sighandler_t;
    // SAFETY: the handler is a function that takes the number of the signal.
    let before = unsafe { libc::signal(libc::SIGUSR1, address) };
    assert_ne!(before, libc::SIG_ERR);
}

/// The interrupted work: sampled blocks made and freed, tables that grow, new stacks.
fn interrupted(until: impl Fn() -> bool) {
    let mut blocks: Vec<Vec<u8>> = Vec::with_capacity(300);
    let mut step = 1usize;
    while !until() {
        step = step.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let random = step >> 33;
        match random % 8 {
            0..4 if blocks.len() < 300 => blocks.push(vec![9; 1 + random % 900]),
            4 if !blocks.is_empty() => {
                let at = random % blocks.len();
                blocks[at].reserve_exact(random % 80_000);
                blocks[at].shrink_to(random % 80_000);
            }
            5 => give(&TO_HANDLER, Box::new([5; 100]), random),
            6 => {
                if let Some(block) = take(&FROM_HANDLER, random) {
                    assert_eq!(*block, [6; 300]);
                }
            }
            _ if !blocks.is_empty() => {
                let block = blocks.swap_remove(random % blocks.len());
                assert!(block.iter().step_by(61).all(|byte| *byte == 9));
            }
            _ => {}
        }
    }
}

/// Frees the blocks on their way.
fn tidy() {
    for at in 0..8 {
        drop(take(&TO_HANDLER, at));
        drop(take(&FROM_HANDLER, at));
    }
}

// ---- the source of the signals

static TIMER: AtomicPtr<libc::c_void> = AtomicPtr::new(ptr::null_mut());
/// Makes the time to the next signal random.
static PAUSE: AtomicU64 = AtomicU64::new(1);

/// Arranges the next signal within 60 microseconds. A handler calls it at its end, so that the
/// interrupted code makes progress in between.
fn arm() {
    let pause = PAUSE
        .load(Ordering::Relaxed)
        .wrapping_mul(6_364_136_223_846_793_005)
        + 1;
    PAUSE.store(pause, Ordering::Relaxed);
    // SAFETY: numbers, for which 0 is a value.
    let mut time = unsafe { MaybeUninit::<libc::itimerspec>::zeroed().assume_init() };
    time.it_value.tv_nsec = 2_000 + i64::try_from((pause >> 33) % 58_000).unwrap();
    let timer = TIMER.load(Ordering::Relaxed);
    // SAFETY: the timer exists until `interrupt` has ended. A null old value is allowed.
    let set = unsafe { libc::timer_settime(timer, 0, &raw const time, ptr::null_mut()) };
    assert_eq!(set, 0);
}

/// Runs `work`, and interrupts it with signals until it ends.
fn interrupt(work: impl FnOnce()) {
    // SAFETY: numbers and pointers, for which 0 is a value.
    let mut event = unsafe { MaybeUninit::<libc::sigevent>::zeroed().assume_init() };
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_signo = libc::SIGUSR1;
    // SAFETY: takes nothing, and cannot fail.
    event.sigev_notify_thread_id = unsafe { libc::gettid() };
    let mut timer = ptr::null_mut();
    // SAFETY: the event is filled in, and the timer is a local.
    let made = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
    assert_eq!(made, 0);
    TIMER.store(timer, Ordering::Relaxed);
    arm();
    work();
    unsignaled(|| {
        // SAFETY: made above and deleted once; signals are blocked, so no handler arms it any more.
        assert_eq!(unsafe { libc::timer_delete(timer) }, 0);
        install(ignore);
    });
}

/// Handles a signal that was under way when the timer was deleted.
extern "C" fn ignore(_: libc::c_int) {}

#[test]
fn a_handler_allocates_and_frees() {
    at_every_interval("a_handler_allocates_and_frees", || {
        install(handler);
        let before = heaptide::stats();
        let times = 4_000 * rounds();
        interrupt(|| interrupted(|| HANDLED.load(Ordering::Relaxed) >= times));
        tidy();
        let _ = heaptide::snapshot().unwrap();
        let after = heaptide::stats();
        let deferred = DEFERRED.load(Ordering::Relaxed);
        assert!(
            deferred > 0 || !samples_everything(),
            "none came while locked"
        );
        assert_eq!(after.lost.frees, 0, "{after:?}");
        assert!(
            after.live_samples < before.live_samples + 30,
            "{before:?} {after:?}"
        );
        assert_eq!(SHADOW.wrong(), 0);
    });
}

// ---- fork from a handler

static CODES: Mutex<Vec<i32>> = Mutex::new(Vec::new());
static IS_CHILD: AtomicBool = AtomicBool::new(false);
static MOST_FORKS: AtomicUsize = AtomicUsize::new(0);

/// Forks. Every second child leaves from within the handler. The others go on with the interrupted
/// work.
extern "C" fn forking_handler(_: libc::c_int) {
    let number = HANDLED.load(Ordering::Relaxed);
    // After the last one the work has ended, and no child may go on from there.
    if IS_CHILD.load(Ordering::Relaxed) || number >= MOST_FORKS.load(Ordering::Relaxed) {
        return;
    }
    // SAFETY: the inner allocator blocks signals, so none of its locks is held here.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        IS_CHILD.store(true, Ordering::Relaxed);
        scenario::set_alarm();
        for i in 0..5 {
            meddle(number + i);
        }
        if number.is_multiple_of(2) {
            // The interrupted code may hold a shard. Then there is no snapshot.
            let code = match heaptide::snapshot() {
                Ok(_) => 0,
                Err(error) if error.is_busy() => 0,
                Err(_) => 3,
            };
            // SAFETY: always valid to call.
            unsafe { libc::_exit(code) };
        }
        return;
    }
    let code = wait(pid);
    if code != 0 {
        CODES.lock().unwrap().push(code);
    }
    HANDLED.fetch_add(1, Ordering::Relaxed);
    arm();
}

fn wait(pid: libc::pid_t) -> i32 {
    assert!(pid > 0);
    let mut status = 0;
    // SAFETY: `pid` is a child of this process and `status` a local.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        100 + libc::WTERMSIG(status)
    }
}

#[test]
fn a_handler_forks() {
    at_every_interval("a_handler_forks", || {
        install(forking_handler);
        let times = 100 * rounds();
        MOST_FORKS.store(times, Ordering::Relaxed);
        interrupt(|| {
            interrupted(|| {
                HANDLED.load(Ordering::Relaxed) >= times || IS_CHILD.load(Ordering::Relaxed)
            });
            if IS_CHILD.load(Ordering::Relaxed) {
                let steps = Cell::new(0);
                interrupted(|| {
                    steps.set(steps.get() + 1);
                    steps.get() > 500
                });
                tidy();
                let taken = heaptide::snapshot().is_ok();
                let fine = taken && heaptide::stats().lost.frees == 0 && SHADOW.wrong() == 0;
                // SAFETY: always valid to call.
                unsafe { libc::_exit(if fine { 0 } else { 4 }) };
            }
        });
        assert_eq!(
            *CODES.lock().unwrap(),
            [0; 0],
            "exit codes of children that failed"
        );
        assert_eq!(heaptide::stats().lost.frees, 0);
        assert_eq!(SHADOW.wrong(), 0);
    });
}

// ---- more frees than can be deferred

/// Sampled blocks that the inner allocator frees when a locked thread asks it for memory.
#[expect(clippy::vec_box, reason = "blocks of their own are what is freed")]
static STOCK: Mutex<Vec<Box<[u8; 64]>>> = Mutex::new(Vec::new());
static ARMED: AtomicBool = AtomicBool::new(false);
static FREED_WHILE_LOCKED: AtomicU64 = AtomicU64::new(0);

/// Called by the inner allocator, below everything. When the stack table copies a new stack, that
/// stack's shard is locked.
fn from_below() {
    if !ARMED.swap(false, Ordering::Relaxed) {
        return;
    }
    let mut stock = std::mem::take(&mut *STOCK.lock().unwrap());
    let before = live();
    drop(stock.pop());
    if live() == before {
        // The block from `pop`, the others, and the block of the vector.
        FREED_WHILE_LOCKED.store(1 + stock.len() as u64 + 1, Ordering::Relaxed);
        drop(stock);
    } else {
        *STOCK.lock().unwrap() = stock;
        ARMED.store(true, Ordering::Relaxed);
    }
}

#[test]
fn more_frees_than_can_be_deferred() {
    if !scenario::is_child() {
        scenario::in_own_process(
            "more_frees_than_can_be_deferred",
            &[("HEAPTIDE_SAMPLE_INTERVAL", "1")],
        );
        return;
    }
    let stock: Vec<_> = (0..600).map(|_| Box::new([1; 64])).collect();
    *STOCK.lock().unwrap() = stock;
    let before = live();
    ARMED.store(true, Ordering::Relaxed);
    // This stack is new.
    let kept = std::hint::black_box(vec![0u8; 10]);
    let more = std::hint::black_box(vec![1u8; 11]);
    assert!(
        !ARMED.load(Ordering::Relaxed),
        "the inner allocator ran while its thread was locked"
    );
    let freed = FREED_WHILE_LOCKED.load(Ordering::Relaxed);
    assert!(freed > 500, "{freed}");
    drop((kept, more));
    // Frees with a slot are done by now, or before this snapshot. The others are lost, and counted.
    let snapshot = heaptide::snapshot().unwrap();
    assert_eq!(snapshot.lost().frees, freed - 256);
    let after = live();
    let expected = before - freed + (freed - 256);
    assert!(after.abs_diff(expected) < 10, "{after} {expected}");
    let profile = heaptide::ProfileOptions::new().raw().heap_of(&snapshot);
    let said = format!("heaptide lost {} frees of sampled blocks", freed - 256);
    assert!(
        profile.comments.iter().any(|c| c.starts_with(&said)),
        "{:?}",
        profile.comments
    );
    assert_eq!(SHADOW.wrong(), 0);
}
