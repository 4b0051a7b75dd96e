//! Tests with frames that compilers do not make.
//!
//! They have no unwind tables, a register that does not hold what the tables say, or a stack that
//! was switched by hand.

#![expect(unsafe_code, reason = "calls assembly")]

use super::{
    Marker, Stack, capture,
    tests::{address_here, assert_same, both, callback, captured, ended, names},
    walker::WalkEnd,
};
use std::cell::RefCell;

// Assembly without `.cfi` directives has no unwind information.
core::arch::global_asm!(
    ".globl heaptide_test_framed",
    "heaptide_test_framed:",
    "push rbp",
    "mov rbp, rsp",
    "call rdi",
    "pop rbp",
    "ret",
    ".globl heaptide_test_unframed",
    "heaptide_test_unframed:",
    "sub rsp, 24",
    "call rdi",
    "add rsp, 24",
    "ret",
    // Has a frame pointer, which its tables use, and calls the next function with it.
    ".globl heaptide_test_by_frame_pointer",
    ".type heaptide_test_by_frame_pointer, @function",
    "heaptide_test_by_frame_pointer:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "call heaptide_test_garble",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".size heaptide_test_by_frame_pointer, . - heaptide_test_by_frame_pointer",
    // Uses the frame pointer for something else, and its tables do not say where it was saved.
    ".type heaptide_test_garble, @function",
    "heaptide_test_garble:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    "mov rbp, rsi",
    "call rdi",
    "pop rbp",
    ".cfi_def_cfa_offset 8",
    "ret",
    ".cfi_endproc",
    ".size heaptide_test_garble, . - heaptide_test_garble",
    // Calls on another stack, like the entry of a coroutine.
    ".globl heaptide_test_on_stack",
    ".type heaptide_test_on_stack, @function",
    "heaptide_test_on_stack:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "mov rsp, rsi",
    "call rdi",
    "mov rsp, rbp",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".size heaptide_test_on_stack, . - heaptide_test_on_stack",
);

unsafe extern "C" {
    fn heaptide_test_framed(callback: extern "C" fn());
    fn heaptide_test_unframed(callback: extern "C" fn());
    fn heaptide_test_by_frame_pointer(callback: extern "C" fn(), frame_pointer: usize);
    fn heaptide_test_on_stack(callback: extern "C" fn(), top: usize);
}

#[test]
fn a_frame_without_tables_is_stepped_over_by_its_frame_pointer() {
    // SAFETY: calls the given function.
    unsafe { heaptide_test_framed(callback) };
    let (own, libgcc) = captured();
    let (whole, _) = both();
    assert!(own.addresses().starts_with(libgcc.addresses()));
    // Above this test's own function they are equal, down to the thread's root.
    let shared = whole.addresses().len() - 1;
    let tail = |stack: &Stack| stack.addresses()[stack.addresses().len() - shared..].to_vec();
    assert_eq!(tail(&own), tail(&whole), "{:#?}", names(&own));
    assert!(own.addresses().len() > libgcc.addresses().len());
}

#[test]
fn a_frame_without_tables_nor_frame_pointer_loses_nothing_that_libgcc_sees() {
    // SAFETY: calls the given function.
    unsafe { heaptide_test_unframed(callback) };
    let (own, libgcc) = captured();
    assert!(own.addresses().starts_with(libgcc.addresses()));
    assert!(!own.addresses().is_empty());
}

thread_local! {
    static OWN: RefCell<Option<Stack>> = const { RefCell::new(None) };
}

/// libgcc would crash here.
extern "C" fn capture_own() {
    OWN.set(Some(capture(address_here())));
}

#[test]
fn a_frame_pointer_that_holds_something_else_ends_the_stack() {
    let block = Box::new([7usize; 64]);
    let heap = block.as_ptr().addr();
    let here = address_here();
    let off_the_stack = [
        0,
        1,
        4096,
        0xdead_beef_dead_beef,
        usize::MAX - 7,
        heap,
        here - (64 << 10),
    ];
    let misaligned = here.next_multiple_of(8) + 4;
    for garbage in off_the_stack.into_iter().chain([misaligned]) {
        // SAFETY: calls the given function.
        unsafe { heaptide_test_by_frame_pointer(capture_own, garbage) };
        let own = OWN.take().unwrap();
        let [garble, framed, end] = own.addresses() else {
            panic!("{garbage:x}: {own:x?}")
        };
        let (garble, framed) = (names_of_one(*garble), names_of_one(*framed));
        assert!(garble.ends_with("_garble"), "{garble}");
        assert!(framed.ends_with("_by_frame_pointer"), "{framed}");
        assert_eq!(*end, Marker::Truncated.address());
    }
    // On the stack and aligned, it leads to some words there. Any result but a crash is right.
    let words = [0usize, heap, here, 3, usize::MAX, here, 0];
    for place in 0..words.len() {
        let garbage = words.as_ptr().addr() + place * size_of::<usize>();
        // SAFETY: as above.
        unsafe { heaptide_test_by_frame_pointer(capture_own, garbage) };
        assert!(OWN.take().unwrap().addresses().len() >= 2);
    }
}

fn names_of_one(address: usize) -> String {
    super::tests::names_of(&[address]).join(" ")
}

/// Calls `callback` with the stack pointer at the end of `room`.
fn call_on(room: &mut [u128], callback: extern "C" fn()) {
    let top = room.as_mut_ptr_range().end.addr();
    // SAFETY: the room is aligned, large enough for the callbacks, and used by nobody else. The
    // call returns.
    unsafe { heaptide_test_on_stack(callback, top) };
}

#[test]
fn a_stack_on_the_heap_needs_libgcc() {
    call_on(&mut vec![0; 16 << 10], callback);
    let (own, libgcc) = captured();
    assert_same(&own, &libgcc);
    assert_eq!(ended(), Some(WalkEnd::NeedsLibgcc));
    let names = names(&own);
    assert!(
        names
            .iter()
            .any(|n| n.ends_with("a_stack_on_the_heap_needs_libgcc")),
        "{names:#?}"
    );
}

/// A stack is cut where a frame does not end above the one before: at a switch to a higher place on
/// the same stack, or from another stack to the thread's own.
fn assert_ends_at_the_switch() {
    let (own, libgcc) = captured();
    assert_eq!(ended(), Some(WalkEnd::Broken));
    let (end, kept) = own.addresses().split_last().unwrap();
    assert_eq!(*end, Marker::Truncated.address());
    assert!(libgcc.addresses().starts_with(kept));
    let last = names_of_one(*kept.last().unwrap());
    assert!(last.ends_with("_on_stack"), "{last}");
}

#[test]
fn a_stack_in_an_array_on_the_threads_stack_ends_at_the_switch() {
    call_on(&mut [0; 4 << 10], callback);
    assert_ends_at_the_switch();
}

#[test]
fn from_another_stack_back_to_the_threads_own_ends_at_the_switch() {
    thread_local! {
        static OWN_ROOM: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }
    extern "C" fn back() {
        let top = OWN_ROOM.take().pop().unwrap();
        // SAFETY: an array of this thread's, which the test below keeps for this call.
        unsafe { heaptide_test_on_stack(callback, top) };
    }
    let mut room = [0u128; 4 << 10];
    OWN_ROOM.set(vec![room.as_mut_ptr_range().end.addr()]);
    call_on(&mut vec![0; 16 << 10], back);
    assert_ends_at_the_switch();
}
