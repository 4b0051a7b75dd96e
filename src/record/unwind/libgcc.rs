//! The platform's unwinder, called through `backtrace::trace_unsynchronized`.
//!
//! It is exact wherever there are unwind tables, and takes no lock on glibc 2.35 and later. Never
//! use `backtrace::trace`: it takes the lock that symbolization holds for tens of milliseconds.

#![expect(
    unsafe_code,
    reason = "the unsynchronized trace and system calls are unsafe functions"
)]

use crate::record::errno;

/// No code lies below this address: libgcc ends a walk with a 0.
const LOWEST_CODE: usize = 4096;

/// Whether the bytes at `address` are mapped. libgcc reads them if it finds the address in no
/// tables.
///
/// Only the kernel can tell without a crash. No sandbox forbids this call, and it changes nothing:
/// it copies a signal mask from the address, and then rejects the number of the operation.
#[cfg(target_os = "linux")]
pub(super) fn is_readable(address: usize) -> bool {
    const NOTHING: core::ffi::c_int = -1;
    const MASK_BYTES: usize = 8;
    // An allocation must not change it.
    let before = errno::get();
    let can_read = |address: usize| {
        let none = core::ptr::null::<u64>();
        errno::set(0);
        // SAFETY: the kernel may be asked to read from any address, and writes to none.
        let result =
            unsafe { libc::syscall(libc::SYS_rt_sigprocmask, NOTHING, address, none, MASK_BYTES) };
        // The result is 0 if there is no mask at address 0, and then nothing was rejected.
        result != 0 && errno::get() != libc::EFAULT
    };
    // libgcc reads nine bytes.
    let can = can_read(address) && address.checked_add(1).is_some_and(can_read);
    errno::set(before);
    can
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_readable(_address: usize) -> bool {
    true
}

/// Visits the return addresses above `frame`, leaf first, until the root or until `visit` returns
/// false. True if it reached the root.
#[inline(never)]
pub(super) fn walk(frame: usize, visit: &mut dyn FnMut(usize) -> bool) -> bool {
    let mut complete = true;
    // A frame's `sp` is the stack pointer at its call, where the callee's frame ends. So the wanted
    // frames begin with the first one whose callee ends above `frame`. That callee is the function
    // of `frame`, and its return address is this frame's `ip`. From there on all frames are wanted:
    // a signal handler's own stack may lie above the interrupted one.
    let mut wanted = false;
    let visit = |found: &backtrace::Frame| {
        wanted |= found.sp().addr() > frame;
        let address = found.ip().addr();
        if wanted && address >= LOWEST_CODE && !visit(address) {
            complete = false;
        }
        complete
    };
    // SAFETY: unsynchronized calls must not race with the data that the `backtrace` crate guards by
    // its lock. On Unix that is only symbolization. Tracing is a bare `_Unwind_Backtrace`, which
    // may run on any number of threads. `visit` resolves no symbols.
    unsafe { backtrace::trace_unsynchronized(visit) };
    complete
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn an_unmapped_address_is_not_readable() {
        let local = 0u64;
        assert!(is_readable(is_readable as fn(usize) -> bool as usize));
        assert!(is_readable((&raw const local).addr()));
        for nowhere in [0, 1, 4096, 1 << 46, usize::MAX, usize::MAX - 7, 1 << 63] {
            assert!(!is_readable(nowhere), "{nowhere:x}");
        }
    }
}
