//! Keeps `errno` unchanged across the profiler's own work.
//!
//! Programs read `errno` after a call into the C library, with frees in between: temporaries are
//! dropped before `io::Error::last_os_error()` runs. So the profiler must not change it inside
//! malloc or free. Only an allocation that fails may change it, as the inner allocator does.

#![expect(unsafe_code, reason = "errno is a variable of the C library")]

use core::ffi::c_int;

/// Runs work that allocates. Restores `errno` unless the work failed.
pub(super) fn kept_unless_null(work: impl FnOnce() -> *mut u8) -> *mut u8 {
    let before = get();
    let block = work();
    if !block.is_null() {
        set(before);
    }
    block
}

/// Runs work that frees. Restores `errno`.
pub(super) fn kept(work: impl FnOnce()) {
    let before = get();
    work();
    set(before);
}

pub(super) fn get() -> c_int {
    // SAFETY: the address is that of the C library's variable, which is valid as long as the thread
    // runs.
    unsafe { address().read() }
}

pub(super) fn set(value: c_int) {
    // SAFETY: as above. No reference to the variable exists.
    unsafe { address().write(value) };
}

fn address() -> *mut c_int {
    // SAFETY: the function takes no argument and cannot fail.
    unsafe { libc::__errno_location() }
}
