//! Finds the bounds of the calling thread's stack.

#![expect(
    unsafe_code,
    reason = "asking the C library for a thread's stack is unsafe"
)]

use super::loader;
use core::{cell::Cell, mem::MaybeUninit, ptr};

/// The stack of one thread, from its lowest address to the end of its first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) low: usize,
    pub(super) high: usize,
}

/// Not looked up yet.
const NOT_LOOKED_UP: Bounds = Bounds { low: 0, high: 0 };
/// Looked up without a result. Holds no address.
const UNKNOWN: Bounds = Bounds { low: 1, high: 1 };

thread_local! {
    /// The bounds of this thread. Captures run muted, so no capture of a signal handler sees a
    /// half-written value.
    static BOUNDS: Cell<Bounds> = const { Cell::new(NOT_LOOKED_UP) };
}

impl Bounds {
    /// The stack that holds `frame`, if it is the calling thread's own. `None` on a coroutine's or
    /// an alternate signal stack, and where the own stack is unknown.
    pub(super) fn around(frame: usize) -> Option<Self> {
        let own = BOUNDS.with(|bounds| {
            if bounds.get() == NOT_LOOKED_UP {
                bounds.set(find(frame).unwrap_or(UNKNOWN));
            }
            bounds.get()
        });
        (own.low..own.high).contains(&frame).then_some(own)
    }

    /// Bytes by which the stack may still grow below `frame`.
    pub(super) fn room_below(self, frame: usize) -> usize {
        frame.saturating_sub(self.low)
    }
}

#[cold]
fn find(frame: usize) -> Option<Bounds> {
    // A child may be forked by a thread that is not the main thread. Then that thread's id is the
    // process id, but its stack is not the main stack.
    main_thread()
        .filter(|main| (main.low..main.high).contains(&frame))
        .or_else(any_thread)
}

/// The main thread's stack, if the calling thread is the main thread. It takes four system calls
/// and no lock. `pthread_getattr_np` reads `/proc/self/maps`, with 30 µs and seven calls of malloc.
fn main_thread() -> Option<Bounds> {
    let high = loader::stack_end()?;
    // SAFETY: the function takes no argument and cannot fail.
    let process = unsafe { libc::getpid() };
    // SAFETY: as above.
    if unsafe { libc::gettid() } != process {
        return None;
    }
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the result has room for the output of the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_STACK, limit.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: the successful call above has written it.
    let limit = unsafe { limit.assume_init() };
    // SAFETY: takes a number. Returns 0 for a number that it does not know.
    let name = unsafe { libc::getauxval(libc::AT_EXECFN) };
    lowest(usize::try_from(name).ok()?, limit.rlim_cur).map(|low| Bounds { low, high })
}

/// The lowest address that the main thread's stack may grow to. `name` is the address of the
/// program's file name, the last string on that stack. `None` without a limit: then the stack ends
/// where other mappings begin.
fn lowest(name: usize, limit: libc::rlim_t) -> Option<usize> {
    const LEAST_PAGE: usize = 4096;
    if limit == libc::RLIM_INFINITY {
        return None;
    }
    // The top of the stack, or at most a page above it: a longer name may begin in the page before
    // the last one.
    let top = name.checked_next_multiple_of(LEAST_PAGE)?;
    top.checked_add(LEAST_PAGE)?
        .checked_sub(usize::try_from(limit).ok()?)
}

/// Runs `work` while this thread receives no signals.
fn unsignaled<R>(work: impl FnOnce() -> R) -> R {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: writes the given set.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    // SAFETY: reads the set that was filled above, and writes the other one.
    let blocked =
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr()) };
    let result = work();
    if blocked == 0 {
        // SAFETY: reads the set that the successful call above has written.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    }
    result
}

/// The calling thread's stack, from the C library.
///
/// It takes 1 µs once per thread, and some of the C library's own malloc, which is not the inner
/// allocator. If a signal handler interrupted it and forked, the child would wait for that malloc
/// forever, in programs that never call it. So signals are blocked.
fn any_thread() -> Option<Bounds> {
    unsignaled(ask)
}

fn ask() -> Option<Bounds> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: the call is always valid. It names the calling thread.
    let this = unsafe { libc::pthread_self() };
    // SAFETY: `this` is a running thread, and the call initializes the second argument's target.
    if unsafe { libc::pthread_getattr_np(this, attributes.as_mut_ptr()) } != 0 {
        return None;
    }
    let mut low = ptr::null_mut();
    let mut size = 0;
    // SAFETY: the successful call above initialized the attributes. The two results are locals of
    // the right types.
    let got =
        unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut low, &raw mut size) };
    // SAFETY: initialized above, destroyed once, not used afterwards.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    let low = low.addr();
    let high = low.checked_add(size)?;
    (got == 0).then_some(Bounds { low, high })
}

/// The bounds of the main thread, ours and the C library's. The main thread has to call this.
#[cfg(test)]
pub(super) fn of_main_thread() -> Option<(Bounds, Bounds)> {
    main_thread().zip(any_thread())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address_of_local() -> usize {
        let local = 0u8;
        (&raw const local).addr()
    }

    #[test]
    fn the_bounds_match_the_size_of_a_threads_stack() {
        // glibc reuses the stack of a thread that has ended, but not if it is more than four times
        // too large. The threads of the other tests have 2 MiB.
        let thread = std::thread::Builder::new().stack_size(256 << 10);
        let work = || {
            let local = address_of_local();
            (Bounds::around(local).unwrap(), local)
        };
        let (bounds, local) = thread.spawn(work).unwrap().join().unwrap();
        assert!((bounds.low..bounds.high).contains(&local));
        let size = bounds.high - bounds.low;
        assert!((256 << 10..512 << 10).contains(&size), "{size}");
    }

    #[test]
    fn memory_outside_the_threads_stack_has_no_bounds() {
        let block = Box::new(0u8);
        assert_eq!(Bounds::around((&raw const *block).addr()), None);
        assert!(Bounds::around(address_of_local()).is_some());
    }

    #[test]
    fn the_limit_counts_from_the_top_of_the_main_stack() {
        assert_eq!(lowest(0x7ffd_0000_0fe8, 0x80_0000), Some(0x7ffc_ff80_2000));
        assert_eq!(lowest(0x7ffd_0000_0fe8, libc::RLIM_INFINITY), None);
        assert_eq!(lowest(0x1000, 0x80_0000), None);
    }
}
