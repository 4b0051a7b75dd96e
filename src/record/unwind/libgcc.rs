//! The platform's unwinder, through `backtrace::trace_unsynchronized`: exact wherever there are unwind
//! tables, without a lock on glibc 2.35 and later.
//!
//! Never `backtrace::trace`: it takes the lock that symbolization holds for tens of milliseconds.

#![expect(
    unsafe_code,
    reason = "the unsynchronized trace and system calls are unsafe functions"
)]

use crate::record::errno;

/// No code lies below this address: libgcc ends a walk with a 0.
const LOWEST_CODE: usize = 4096;

/// Whether the bytes are mapped that libgcc looks at if it finds `address` in no tables. Only the kernel
/// can tell without a crash. The call is one that no sandbox forbids, and changes nothing: it copies a
/// signal mask from the place and then refuses the number of what to do with it.
#[cfg(target_os = "linux")]
pub(super) fn can_look_at(address: usize) -> bool {
    const NOTHING: core::ffi::c_int = -1;
    const MASK_BYTES: usize = 8;
    // Whoever allocates does not expect it to change.
    let before = errno::get();
    let can_read = |address: usize| {
        let none = core::ptr::null::<u64>();
        errno::set(0);
        // SAFETY: the kernel takes any address to read from, and writes to none.
        let result =
            unsafe { libc::syscall(libc::SYS_rt_sigprocmask, NOTHING, address, none, MASK_BYTES) };
        // 0: there is no mask at address 0, and nothing is refused.
        result != 0 && errno::get() != libc::EFAULT
    };
    // Nine bytes.
    let can = can_read(address) && address.checked_add(1).is_some_and(can_read);
    errno::set(before);
    can
}

#[cfg(not(target_os = "linux"))]
pub(super) fn can_look_at(_address: usize) -> bool {
    true
}

/// Visits the return addresses above `frame`, leaf first, until the root or until `visit` returns false;
/// true if the root was reached.
#[inline(never)]
pub(super) fn walk(frame: usize, visit: &mut dyn FnMut(usize) -> bool) -> bool {
    let mut complete = true;
    // A frame's `sp` is the stack pointer at its call, which is where the callee's frame ends. So the
    // wanted frames begin with the first one whose callee ends above `frame`; that callee is the
    // function `frame` lies in, and its return address is this frame's `ip`. From there on all are wanted:
    // a signal handler's own stack may lie above the one that was interrupted.
    let mut wanted = false;
    let visit = |found: &backtrace::Frame| {
        wanted |= found.sp().addr() > frame;
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_mapped_cannot_be_looked_at() {
        let local = 0u64;
        assert!(can_look_at(can_look_at as fn(usize) -> bool as usize));
        assert!(can_look_at((&raw const local).addr()));
        for nowhere in [0, 1, 4096, 1 << 46, usize::MAX, usize::MAX - 7, 1 << 63] {
            assert!(!can_look_at(nowhere), "{nowhere:x}");
        }
    }
}
