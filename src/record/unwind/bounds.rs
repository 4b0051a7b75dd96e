//! How much stack the calling thread has left.

#![expect(
    unsafe_code,
    reason = "asking the C library for a thread's stack is unsafe"
)]

use core::{cell::Cell, mem::MaybeUninit, ptr};

thread_local! {
    /// Lowest address of this thread's stack; 0 before it was asked for, 1 where it is not known.
    static LOWEST: Cell<usize> = const { Cell::new(0) };
}

/// Bytes between the end of the stack and `frame`, an address on it; `None` where that is not known.
pub(super) fn room_below(frame: usize) -> Option<usize> {
    LOWEST.with(|lowest| {
        if lowest.get() == 0 {
            lowest.set(find_lowest().unwrap_or(1));
        }
        // Below the known stack: a coroutine or an alternate signal stack, of unknown size.
        frame.checked_sub(lowest.get()).filter(|_| lowest.get() > 1)
    })
}

/// Takes 1 µs once per thread and some of the C library's own malloc; on the main thread it reads
/// `/proc/self/maps`, 30 µs.
#[cold]
fn find_lowest() -> Option<usize> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: always valid to call; it names the calling thread.
    let this = unsafe { libc::pthread_self() };
    // SAFETY: `this` is a running thread, and the call initialises what the second argument points to.
    if unsafe { libc::pthread_getattr_np(this, attributes.as_mut_ptr()) } != 0 {
        return None;
    }
    let mut lowest = ptr::null_mut();
    let mut size = 0;
    // SAFETY: the attributes were initialised by the successful call above, and the two results are
    // locals of the right types.
    let got =
        unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut lowest, &raw mut size) };
    // SAFETY: initialised above, destroyed once, not used afterwards.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    (got == 0).then(|| lowest.addr())
}
