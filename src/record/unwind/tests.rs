//! Compares captures of single stacks with libgcc: markers, signal handlers, callbacks, threads.
//!
//! The other test modules of this folder use its helpers.

#![expect(unsafe_code, reason = "calls C and signal handlers")]

use super::*;
use core::{
    ffi::{c_int, c_void},
    mem::MaybeUninit,
    ptr,
};
use std::{
    cell::{Cell, RefCell},
    sync::Mutex,
};

#[inline(never)]
fn leaf() -> Stack {
    let here = 0u8;
    capture((&raw const here).addr())
}

#[inline(never)]
fn nested(depth: usize) -> Stack {
    if depth == 0 {
        return leaf();
    }
    // Through a pointer, so that no call is inlined.
    let stack = std::hint::black_box(nested as fn(usize) -> Stack)(depth - 1);
    std::hint::black_box(&stack);
    stack
}

pub(super) fn names(stack: &Stack) -> Vec<String> {
    names_of(stack.addresses())
}

pub(super) fn names_of(addresses: &[usize]) -> Vec<String> {
    let mut names = Vec::new();
    for address in addresses {
        backtrace::resolve(*address as *mut _, |symbol| {
            let name = symbol.name().map(|name| format!("{name:#}"));
            names.push(name.unwrap_or_default());
        });
    }
    names
}

#[test]
fn the_first_address_is_the_caller_of_the_given_frame() {
    let stack = nested(2);
    let names = names(&stack);
    assert!(names[0].ends_with("tests::nested"), "{names:#?}");
    assert!(!names.iter().any(|name| name.contains("capture")));
    assert_eq!(names.iter().filter(|n| n.ends_with("::nested")).count(), 3);
}

#[test]
fn a_deep_stack_keeps_its_leaf_and_says_that_it_was_cut() {
    let stack = nested(300);
    assert_eq!(stack.addresses().len(), MOST_FRAMES + 1);
    assert_eq!(stack.addresses().last(), Some(&Marker::Truncated.address()));
    assert!(names(&stack)[0].ends_with("tests::nested"));
}

#[test]
fn near_the_end_of_the_stack_nothing_is_walked() {
    fn descend() -> Stack {
        let here = [0u8; 512];
        std::hint::black_box(&here);
        let frame = here.as_ptr().addr();
        if Bounds::around(frame).unwrap().room_below(frame) < LEAST_ROOM {
            return capture(frame);
        }
        let stack = descend();
        std::hint::black_box(&here);
        stack
    }
    let thread = std::thread::Builder::new().stack_size(256 << 10);
    let stack = thread.spawn(descend).unwrap().join().unwrap();
    assert_eq!(stack.addresses(), [Marker::StackNearlyFull.address()]);
}

#[test]
fn markers_have_addresses_of_their_own() {
    let mut addresses = Marker::ALL.map(Marker::address).to_vec();
    addresses.dedup();
    assert_eq!(addresses.len(), Marker::ALL.len());
    let bytes = (&raw const MARKERS).addr()..(&raw const MARKERS).addr() + MARKERS.len();
    assert!(
        addresses
            .iter()
            .all(|a| bytes.contains(&(a - 1)) && bytes.contains(a))
    );
}

// ---- Callbacks. --------------------------------------------------------------------------

/// The stack above the caller: ours and libgcc's.
#[inline(never)]
pub(super) fn both() -> (Stack, Stack) {
    let here = 0u8;
    let frame = (&raw const here).addr();
    let own = capture(frame);
    let mut libgcc = Stack::empty();
    if !by_libgcc(frame, &mut libgcc) {
        libgcc.mark(Marker::Truncated);
    }
    (own, libgcc)
}

thread_local! {
    /// The capture of the last callback from C or from the kernel.
    static CAPTURED: RefCell<Option<(Stack, Stack)>> = const { RefCell::new(None) };
    /// How a fast walk ended directly after it.
    static AFTER: Cell<Option<WalkEnd>> = const { Cell::new(None) };
}

pub(super) extern "C" fn callback() {
    let stacks = both();
    CAPTURED.with(|captured| *captured.borrow_mut() = Some(stacks));
    AFTER.set(Some(comparison::by_rules_alone(address_here()).0));
}

#[inline(always)]
pub(super) fn address_here() -> usize {
    let here = 0u8;
    std::hint::black_box(&raw const here).addr()
}

pub(super) fn captured() -> (Stack, Stack) {
    CAPTURED.take().expect("the callback was called")
}

/// How a fast walk ended directly after the last callback.
pub(super) fn ended() -> Option<WalkEnd> {
    AFTER.take()
}

pub(super) fn assert_same(own: &Stack, libgcc: &Stack) {
    assert_eq!(
        own.addresses(),
        libgcc.addresses(),
        "{:#?}\n{:#?}",
        names(own),
        names(libgcc)
    );
}

#[test]
fn a_callback_of_the_c_librarys_sort() {
    extern "C" fn compare(_: *const c_void, _: *const c_void) -> c_int {
        callback();
        0
    }
    let mut numbers = [3u64, 1, 2];
    // SAFETY: the array's address, length and element size. The comparison reads neither element.
    unsafe { libc::qsort(numbers.as_mut_ptr().cast(), 3, 8, Some(compare)) };
    let (own, libgcc) = captured();
    assert_same(&own, &libgcc);
    let names = names(&own);
    assert!(names.iter().any(|n| n.contains("qsort")), "{names:#?}");
    assert!(
        names
            .iter()
            .any(|n| n.contains("sort") && n.contains("tests::")),
        "{names:#?}"
    );
}

/// Handles SIGUSR1 once on this thread, with a capture. `flags` are those of `sigaction`.
fn captured_in_a_signal_handler(flags: c_int) -> (Stack, Stack) {
    extern "C" fn handle(_: c_int) {
        callback();
    }
    // Both tests use the signal.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap();
    // SAFETY: all fields are integers or pointers that may be null.
    let mut action = unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() };
    action.sa_sigaction = handle as extern "C" fn(c_int) as usize;
    action.sa_flags = flags;
    // SAFETY: a valid action. Nothing else in this process handles this signal.
    unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()) };
    // SAFETY: the handler was just set.
    unsafe { libc::raise(libc::SIGUSR1) };
    captured()
}

#[test]
fn a_signal_handler_on_the_threads_stack() {
    let (own, libgcc) = captured_in_a_signal_handler(0);
    assert_same(&own, &libgcc);
    let names = names(&own);
    assert!(
        names
            .iter()
            .any(|n| n.ends_with("a_signal_handler_on_the_threads_stack")),
        "{names:#?}"
    );
}

#[test]
fn a_signal_handler_on_a_stack_of_its_own() {
    const BYTES: usize = 128 << 10;
    let here = 0u8;
    let thread = (&raw const here).addr();
    for is_above in [false, true] {
        // It is only a hint, but the kernel follows it where there is room.
        let place = |distance: usize| {
            if is_above {
                thread + distance
            } else {
                thread - distance
            }
        };
        let block = [1 << 31, 1 << 33, 1 << 35]
            .into_iter()
            .find_map(|distance| {
                let hint = ptr::without_provenance_mut(place(distance) & !0xfff);
                let access = libc::PROT_READ | libc::PROT_WRITE;
                let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
                // SAFETY: new memory, wherever there is room.
                let block = unsafe { libc::mmap(hint, BYTES, access, kind, -1, 0) };
                (block != libc::MAP_FAILED && (block.addr() > thread) == is_above).then_some(block)
            });
        let block = block.expect("room on this side of the thread's stack");
        let stack = libc::stack_t {
            ss_sp: block,
            ss_flags: 0,
            ss_size: BYTES,
        };
        // SAFETY: a block that is never unmapped.
        unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) };
        let (own, libgcc) = captured_in_a_signal_handler(libc::SA_ONSTACK);
        let off = libc::stack_t {
            ss_flags: libc::SS_DISABLE,
            ..stack
        };
        // SAFETY: switches off the alternate stack, on which nothing runs any more.
        unsafe { libc::sigaltstack(&raw const off, ptr::null_mut()) };
        assert_same(&own, &libgcc);
        let names = names(&own);
        assert!(
            names
                .iter()
                .any(|n| n.ends_with("a_signal_handler_on_a_stack_of_its_own")),
            "above: {is_above}: {names:#?}"
        );
    }
}

// ---- Bounds of the stack. ----------------------------------------------------------------

#[test]
fn small_threads() {
    for size in [64, 96, 128] {
        let thread = std::thread::Builder::new().stack_size(size << 10);
        let (own, libgcc) = thread.spawn(both).unwrap().join().unwrap();
        assert_same(&own, &libgcc);
        assert!(own.addresses().len() > 3);
    }
}

/// The main thread's capture before `main`, since tests run on other threads.
static MAIN_THREAD: Mutex<Option<(Stack, Stack)>> = Mutex::new(None);
/// The main thread's bounds: ours, and the C library's.
static MAIN_BOUNDS: Mutex<Option<(Bounds, Bounds)>> = Mutex::new(None);

// The loader calls this function like that of `loader`.
#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = capture_on_the_main_thread;

extern "C" fn capture_on_the_main_thread() {
    // The linker chooses which constructor runs first.
    loader::look_up();
    if let Ok(mut captured) = MAIN_THREAD.lock() {
        *captured = Some(both());
    }
    if let Ok(mut bounds) = MAIN_BOUNDS.lock() {
        *bounds = bounds::of_main_thread();
    }
}

/// Whether this process's stack may grow without a limit (`ulimit -s unlimited`).
fn has_no_limit() -> bool {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the result has room for the output of the call.
    let got = unsafe { libc::getrlimit(libc::RLIMIT_STACK, limit.as_mut_ptr()) };
    assert_eq!(got, 0);
    // SAFETY: the successful call above has written it.
    unsafe { limit.assume_init() }.rlim_cur == libc::RLIM_INFINITY
}

#[test]
fn the_main_thread() {
    let captured = MAIN_THREAD.lock().unwrap().take();
    let (own, libgcc) = captured.expect("the constructor has run");
    assert_same(&own, &libgcc);
    let names = names(&own);
    assert!(names.last().unwrap().contains("_start"), "{names:#?}");

    let bounds = MAIN_BOUNDS.lock().unwrap().take();
    if has_no_limit() {
        assert!(bounds.is_none(), "{bounds:x?}: only the C library knows");
        return;
    }
    let (own, theirs) = bounds.expect("the main thread's stack has a limit");
    // The arguments and the environment lie above the part that frames use.
    assert!(
        own.high <= theirs.high && theirs.high - own.high < 2 << 20,
        "{own:x?} {theirs:x?}"
    );
    // Ours leaves one page for the file name. Theirs is in whole pages.
    assert!(
        own.low.abs_diff(theirs.low) <= 2 * 4096,
        "{own:x?} {theirs:x?}"
    );
}
