//! `errno` across the profiler's own work.
//!
//! Programs read `errno` after a call into the C library, with frees in between: temporaries are dropped
//! before `io::Error::last_os_error()` runs. So nothing that the profiler does inside of malloc or free
//! may change it. An allocation that fails may, as the inner allocator's does.

#![expect(unsafe_code, reason = "errno is a variable of the C library")]

use core::ffi::c_int;

/// Runs work that allocates; `errno` is afterwards what it was before, unless the work failed.
pub(super) fn kept_unless_null(work: impl FnOnce() -> *mut u8) -> *mut u8 {
    let before = get();
    let block = work();
    if !block.is_null() {
        set(before);
    }
    block
}

/// Runs work that frees; `errno` is afterwards what it was before.
pub(super) fn kept(work: impl FnOnce()) {
    let before = get();
    work();
    set(before);
}

pub(super) fn get() -> c_int {
    // SAFETY: the address below is that of the C library's variable, valid for as long as the thread runs.
    unsafe { address().read() }
}

pub(super) fn set(value: c_int) {
    // SAFETY: as above; nobody keeps a reference to it.
    unsafe { address().write(value) };
}

fn address() -> *mut c_int {
    // SAFETY: takes nothing, and cannot fail.
    unsafe { libc::__errno_location() }
}
