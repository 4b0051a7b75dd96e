//! Captures of single stacks, held against libgcc: markers, odd frames, libraries that come and go.

#![expect(unsafe_code, reason = "calls C, signal handlers and assembly")]

use super::*;
use core::{
    ffi::{CStr, c_int, c_long, c_void},
    mem,
    mem::MaybeUninit,
    ptr,
};
use std::{
    cell::{Cell, RefCell},
    ffi::CString,
    fs,
    path::Path,
    process::Command,
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
    // By a pointer, so that no call is inlined.
    let stack = std::hint::black_box(nested as fn(usize) -> Stack)(depth - 1);
    std::hint::black_box(&stack);
    stack
}

fn names(stack: &Stack) -> Vec<String> {
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

// ---- Odd frames. ------------------------------------------------------------------------------------

/// The stack above the caller, own and by libgcc.
#[inline(never)]
fn both() -> (Stack, Stack) {
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
    /// What a C function's or the kernel's callback has captured.
    static CAPTURED: RefCell<Option<(Stack, Stack)>> = const { RefCell::new(None) };
    /// How a fast walk ended right after that.
    static AFTER: Cell<Option<End>> = const { Cell::new(None) };
}

extern "C" fn callback() {
    let stacks = both();
    CAPTURED.with(|captured| *captured.borrow_mut() = Some(stacks));
    AFTER.set(Some(comparison::by_rules_alone(address_here()).0));
}

#[inline(always)]
fn address_here() -> usize {
    let here = 0u8;
    std::hint::black_box(&raw const here).addr()
}

fn captured() -> (Stack, Stack) {
    CAPTURED.take().expect("the callback was called")
}

fn assert_same(own: &Stack, libgcc: &Stack) {
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
    // SAFETY: the array's address, length and element size; the comparison looks at nothing.
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

/// Handles SIGUSR1 by a capture, once, on this thread; with `flags` of `sigaction`.
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
    // SAFETY: a valid action; nobody else in this process handles this signal.
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
    let mut block = vec![0u64; 16 << 10].into_boxed_slice();
    let stack = libc::stack_t {
        ss_sp: block.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: size_of_val(&*block),
    };
    // SAFETY: a block that outlives its use, which ends below.
    unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) };
    let (own, libgcc) = captured_in_a_signal_handler(libc::SA_ONSTACK);
    let off = libc::stack_t {
        ss_flags: libc::SS_DISABLE,
        ..stack
    };
    // SAFETY: switches the alternate stack off, on which nothing runs any more.
    unsafe { libc::sigaltstack(&raw const off, ptr::null_mut()) };
    assert_same(&own, &libgcc);
    let names = names(&own);
    assert!(
        names
            .iter()
            .any(|n| n.ends_with("a_signal_handler_on_a_stack_of_its_own")),
        "{names:#?}"
    );
}

#[cfg(target_arch = "x86_64")]
mod untabled {
    use super::*;

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
    );

    unsafe extern "C" {
        fn heaptide_test_framed(callback: extern "C" fn());
        fn heaptide_test_unframed(callback: extern "C" fn());
    }

    #[test]
    fn a_frame_without_tables_is_stepped_over_by_its_frame_pointer() {
        // SAFETY: calls the function that it is given.
        unsafe { heaptide_test_framed(callback) };
        let (own, libgcc) = captured();
        let (whole, _) = both();
        assert!(own.addresses().starts_with(libgcc.addresses()));
        // Above this test's own function they are the same, down to the thread's root.
        let shared = whole.addresses().len() - 1;
        let tail = |stack: &Stack| stack.addresses()[stack.addresses().len() - shared..].to_vec();
        assert_eq!(tail(&own), tail(&whole), "{:#?}", names(&own));
        assert!(own.addresses().len() > libgcc.addresses().len());
    }

    #[test]
    fn a_frame_without_tables_nor_frame_pointer_loses_nothing_that_libgcc_sees() {
        // SAFETY: calls the function that it is given.
        unsafe { heaptide_test_unframed(callback) };
        let (own, libgcc) = captured();
        assert!(own.addresses().starts_with(libgcc.addresses()));
        assert!(!own.addresses().is_empty());
    }
}

// ---- Libraries that come and go. -----------------------------------------------------------------------

type Call = unsafe extern "C" fn(extern "C" fn(), c_long);

/// A library with a function that calls back from a frame of `words` words, each holding its argument.
fn build(folder: &Path, name: &str, words: usize, option: &str) -> CString {
    let source = folder.join(format!("{name}.c"));
    let library = folder.join(format!("{name}.so"));
    // Frames of a short or of a long size differ in nothing else: the return address is the same.
    let text = format!(
        "void call(void (*callback)(void), long word);
         static void __attribute__((noinline)) fill(volatile long *room, long word) {{
             for (int i = 0; i < {words}; i++) room[i] = word;
         }}
         void call(void (*callback)(void), long word) {{
             volatile long room[{words}];
             fill(room, word);
             callback();
         }}"
    );
    fs::write(&source, text).unwrap();
    // The C compiler that also links Rust programs.
    let status = Command::new("cc")
        .args(["-O1", "-fomit-frame-pointer", "-fno-stack-protector"])
        .args(["-shared", "-fPIC", "-nostdlib", option, "-o"])
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(status.success());
    CString::new(library.into_os_string().into_encoded_bytes()).unwrap()
}

/// Loads a library, captures from within it and unloads it; returns where it was. `end`: of the fast walk.
fn visit(library: &CStr, word: c_long, end: End) -> usize {
    // SAFETY: a library without constructors, built by this test.
    let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOW) };
    assert!(!handle.is_null(), "{library:?}");
    // SAFETY: an open library.
    let call = unsafe { libc::dlsym(handle, c"call".as_ptr()) };
    // SAFETY: the function of that name has this type.
    let function = unsafe { mem::transmute::<*mut c_void, Call>(call) };
    // SAFETY: it calls the callback, which captures.
    unsafe { function(callback, word) };
    // SAFETY: open, and none of its functions runs any more.
    unsafe { libc::dlclose(handle) };
    let (own, libgcc) = captured();
    assert_same(&own, &libgcc);
    assert!(names(&own).iter().any(|n| n.ends_with("tests::visit")));
    assert_eq!(AFTER.get(), Some(end));
    call.addr()
}

#[test]
fn a_library_in_the_place_of_another_one_has_its_own_rules() {
    let folder = tempfile::tempdir().unwrap();
    let libraries = [("a", 4), ("b", 8), ("c", 40), ("d", 600)]
        .map(|(name, words)| build(folder.path(), name, words, "-Wl,--build-id"));
    // What a rule of the library before would take for a return address: none, too low a one, data, and
    // code of a whole chain of frames.
    let data = folder.path().as_os_str().as_encoded_bytes().as_ptr();
    let (own, _) = both();
    let mut words = vec![0, 1, data.addr()];
    words.extend(own.addresses());
    let mut places: Vec<usize> = Vec::new();
    for word in words {
        let word = c_long::try_from(word).unwrap();
        for order in [[0, 1, 2, 3], [1, 0, 3, 2]] {
            places.extend(order.map(|i| visit(&libraries[i], word, End::Root)));
        }
    }
    let visits = places.len();
    places.dedup();
    assert!(
        places.len() < visits,
        "no two libraries were loaded at one place: {places:x?}"
    );
}

#[test]
fn a_library_without_a_build_id_is_left_to_libgcc() {
    let folder = tempfile::tempdir().unwrap();
    for (name, words) in [("a", 4), ("b", 40)] {
        let library = build(folder.path(), name, words, "-Wl,--build-id=none");
        visit(&library, 1, End::Foreign);
    }
}

// ---- Whose stack it is. ----------------------------------------------------------------------------------

#[test]
fn small_threads() {
    for size in [48, 64, 128] {
        let thread = std::thread::Builder::new().stack_size(size << 10);
        let (own, libgcc) = thread.spawn(both).unwrap().join().unwrap();
        assert_same(&own, &libgcc);
        assert!(own.addresses().len() > 3);
    }
}

/// What the main thread captured before `main`: tests run on other threads.
static MAIN_THREAD: Mutex<Option<(Stack, Stack)>> = Mutex::new(None);
/// The main thread's bounds: own, and the C library's.
static MAIN_BOUNDS: Mutex<Option<(Bounds, Bounds)>> = Mutex::new(None);

// The loader calls this function as it calls `loader`'s.
#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = capture_on_the_main_thread;

extern "C" fn capture_on_the_main_thread() {
    // Which constructor comes first is the linker's choice.
    loader::look_up();
    if let Ok(mut captured) = MAIN_THREAD.lock() {
        *captured = Some(both());
    }
    if let Ok(mut bounds) = MAIN_BOUNDS.lock() {
        *bounds = bounds::of_main_thread();
    }
}

#[test]
fn the_main_thread() {
    let captured = MAIN_THREAD.lock().unwrap().take();
    let (own, libgcc) = captured.expect("the constructor has run");
    assert_same(&own, &libgcc);
    let names = names(&own);
    assert!(names.last().unwrap().contains("_start"), "{names:#?}");

    let bounds = MAIN_BOUNDS.lock().unwrap().take();
    let (own, theirs) = bounds.expect("the main thread's stack has a limit");
    // The arguments and the environment lie above what frames use.
    assert!(
        own.high <= theirs.high && theirs.high - own.high < 2 << 20,
        "{own:x?} {theirs:x?}"
    );
    // Ours allows for a file name of a page; theirs is in whole pages.
    assert!(
        own.low.abs_diff(theirs.low) <= 2 * 4096,
        "{own:x?} {theirs:x?}"
    );
}
