//! The platform's unwinder, through `backtrace::trace_unsynchronized`: exact wherever there are unwind
//! tables, without a lock on glibc 2.35 and later.
//!
//! Never `backtrace::trace`: it takes the lock that symbolization holds for tens of milliseconds.

#![expect(unsafe_code, reason = "the unsynchronized trace is an unsafe function")]

/// No code lies below this address: libgcc ends a walk with a 0.
const LOWEST_CODE: usize = 4096;

/// Visits the return addresses above `frame`, leaf first, until the root or until `visit` returns false;
/// true if the root was reached.
#[inline(never)]
pub(super) fn walk(frame: usize, visit: &mut dyn FnMut(usize) -> bool) -> bool {
    let mut complete = true;
    // A frame's `sp` is the stack pointer at its call, which is where the callee's frame ends. So the
    // wanted frames begin with the first one whose callee ends above `frame`; that callee is the
    // function `frame` lies in, and its return address is this frame's `ip`.
    let visit = |found: &backtrace::Frame| {
        let wanted = found.sp().addr() > frame;
        let address = found.ip().addr();
        if wanted && address >= LOWEST_CODE && !visit(address) {
            complete = false;
        }
        complete
    };
    // SAFETY: unsynchronized calls must not race with what the `backtrace` crate guards by its lock. On
    // Unix that is symbolization only; tracing is a bare `_Unwind_Backtrace`, which may run on any
    // number of threads. `visit` resolves nothing.
    unsafe { backtrace::trace_unsynchronized(visit) };
    complete
}
