//! Stack captures under difficult conditions, with every allocation sampled.
//!
//! The stack is nearly full, libraries are loaded and unloaded, or the loader's lock is held for a
//! long time.

#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![expect(unsafe_code, reason = "threads on given stacks, and libraries in C")]

use heaptide::{Profile, ProfileOptions};
use std::{
    alloc::System,
    cell::RefCell,
    collections::BTreeMap,
    ffi::{CString, c_int, c_void},
    fs,
    hint::black_box,
    io::{Read, Write, pipe},
    mem,
    os::fd::AsRawFd,
    path::Path,
    process::Command,
    ptr, slice,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

#[global_allocator]
static GLOBAL: heaptide::SamplingAllocator<System> =
    heaptide::SamplingAllocator::with_inner(System).sample_interval(1);

// ---- Stacks near their end
const PAINT: u8 = 0xa5;
/// Memory below a stack that nothing may touch.
const GUARD: usize = 64 << 10;

/// Runs `work` on a thread whose stack has `size` bytes and is painted.
fn on_painted_stack(size: usize, work: &mut (dyn FnMut(&Painted) + Send)) {
    struct Task<'a> {
        work: &'a mut (dyn FnMut(&Painted) + Send),
        painted: Painted,
    }
    extern "C" fn run(task: *mut c_void) -> *mut c_void {
        // SAFETY: this is the task below, and its owner waits for this thread.
        let task = unsafe { &mut *task.cast::<Task<'_>>() };
        (task.work)(&task.painted);
        ptr::null_mut()
    }
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: new memory, at any address.
    let block = unsafe { libc::mmap(ptr::null_mut(), GUARD + size, libc::PROT_NONE, kind, -1, 0) };
    assert_ne!(block, libc::MAP_FAILED);
    let low = block.wrapping_byte_add(GUARD);
    // SAFETY: the upper part of that memory.
    assert_eq!(unsafe { libc::mprotect(low, size, access) }, 0);
    // SAFETY: the same part, which is writable now.
    unsafe { ptr::write_bytes(low.cast::<u8>(), PAINT, size) };
    let mut task = Task {
        work,
        painted: Painted { low: low.addr() },
    };
    let mut attributes = mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: initializes its argument.
    let made = unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) };
    assert_eq!(made, 0);
    // SAFETY: initialized above. Only the thread with these attributes uses the memory.
    let set = unsafe { libc::pthread_attr_setstack(attributes.as_mut_ptr(), low, size) };
    assert_eq!(set, 0);
    let mut thread = 0;
    let argument = (&raw mut task).cast();
    // SAFETY: initialized above. The task outlives the thread, which is joined below.
    let made = unsafe { libc::pthread_create(&raw mut thread, attributes.as_ptr(), run, argument) };
    assert_eq!(made, 0);
    // SAFETY: a thread that was made and is joined once.
    assert_eq!(unsafe { libc::pthread_join(thread, ptr::null_mut()) }, 0);
    // SAFETY: no thread runs on it after the join.
    assert_eq!(unsafe { libc::munmap(block, GUARD + size) }, 0);
}

/// The painted stack of the calling thread.
struct Painted {
    low: usize,
}

impl Painted {
    /// Bytes below the caller that have been used at any time.
    #[inline(never)]
    fn used(&self) -> usize {
        let here = 0u8;
        let below = (&raw const here).addr() - self.low;
        let paint = ptr::with_exposed_provenance::<u8>(self.low);
        // SAFETY: this thread's stack below its lowest frame. Nobody else writes to it.
        let paint = unsafe { slice::from_raw_parts(paint, below) };
        let untouched = paint.iter().take_while(|byte| **byte == PAINT).count();
        below - untouched
    }

    #[inline(never)]
    fn left(&self) -> usize {
        let here = 0u8;
        (&raw const here).addr() - self.low
    }
}

#[inline(never)]
fn allocate() {
    let mut block = black_box(vec![1u8; 100]);
    block.reserve_exact(black_box(1000));
    drop(black_box(block));
}

/// The figure of docs/unwinding.md, with room for other compilers. A walk begins only with at least
/// 24 KiB.
#[test]
fn a_sample_needs_little_stack() {
    allocate();
    let mut first = 0;
    let mut block = vec![1u8; 100];
    on_painted_stack(256 << 10, &mut |stack| {
        // A realloc's sample begins deeper than an allocation's. As the first one it computes the
        // rules of this thread's frames. After another one it would only if two of them share a
        // slot of the rules' table.
        block.reserve_exact(black_box(1000));
        allocate();
        first = stack.used();
    });
    let mut no_walk = 0;
    on_painted_stack(24 << 10, &mut |stack| {
        // Otherwise it is walked, and the walk used the painted part.
        assert!(stack.left() < 24 << 10);
        allocate();
        no_walk = stack.used();
    });
    println!("the first sample of a thread: {first} bytes of stack; without a walk: {no_walk}");
    let optimized = !cfg!(debug_assertions);
    assert!(first > 1000 && no_walk > 500);
    assert!(first < if optimized { 12 << 10 } else { 22 << 10 });
    assert!(no_walk < least_to_descend());
}

/// With this much of a stack left, a sampled allocation and its realloc have to work.
fn least_to_descend() -> usize {
    if cfg!(debug_assertions) {
        14 << 10
    } else {
        4 << 10
    }
}

/// Allocates, frees and reallocates at every depth, until less than `least` is left. Returns how
/// much the deepest call took.
#[inline(never)]
fn descend(stack: &Painted, least: usize) -> usize {
    let here = black_box([0u8; 256]);
    let mut block = black_box(vec![1u8; 10]);
    block.reserve_exact(black_box(100));
    let deepest = if stack.left() > least + 1024 {
        descend(stack, least)
    } else {
        drop(mem::take(&mut block));
        stack.used()
    };
    drop(block);
    black_box(here);
    deepest
}

#[test]
fn recursion_to_the_end_of_a_stack() {
    for size in [64 << 10, 256 << 10] {
        on_painted_stack(size, &mut |stack| {
            assert!(descend(stack, least_to_descend()) > 500);
        });
    }
    let profile = profile();
    let functions: Vec<&str> = profile.functions.iter().map(|f| &*f.name).collect();
    assert!(functions.contains(&"[stack nearly full]"), "{functions:?}");
}

/// Without symbols: the test looks for addresses, and the symbolizer does not know the libraries.
fn profile() -> Profile {
    ProfileOptions::new().raw().allocs().unwrap()
}

// ---- Libraries
fn build(folder: &Path, name: &str, text: &str) -> CString {
    let source = folder.join(format!("{name}.c"));
    let library = folder.join(format!("{name}.so"));
    fs::write(&source, text).unwrap();
    let status = Command::new("cc")
        .args(["-O1", "-fomit-frame-pointer", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(status.success());
    CString::new(library.into_os_string().into_encoded_bytes()).unwrap()
}

/// A library with a function that calls back from a frame of `words` words.
fn build_caller(folder: &Path, name: &str, words: usize) -> CString {
    let text = format!(
        "void call(void (*callback)(void)) {{
             volatile long room[{words}];
             room[0] = 1;
             callback();
             room[1] = 2;
         }}"
    );
    build(folder, name, &text)
}

struct Library(*mut c_void);

impl Library {
    fn open(file: &CString) -> Self {
        // SAFETY: a library that this test has built.
        let handle = unsafe { libc::dlopen(file.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null(), "{file:?}");
        Self(handle)
    }

    fn call(&self, callback: extern "C" fn()) -> usize {
        // SAFETY: an open library.
        let call = unsafe { libc::dlsym(self.0, c"call".as_ptr()) };
        assert!(!call.is_null());
        // SAFETY: the function of that name has this type.
        let function =
            unsafe { mem::transmute::<*mut c_void, extern "C" fn(extern "C" fn())>(call) };
        function(callback);
        call.addr()
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: the library is open, and no thread runs its code.
        assert_eq!(unsafe { libc::dlclose(self.0) }, 0);
    }
}

thread_local! {
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

extern "C" fn allocate_there() {
    KEPT.with_borrow_mut(|kept| {
        kept.push(vec![1; 777]);
        if kept.len() > 8 {
            kept.clear();
        }
    });
}

#[test]
#[ignore = "needs cc (Debian package gcc)"]
fn libraries_are_loaded_and_unloaded_while_they_are_sampled() {
    let folder = tempfile::tempdir().unwrap();
    let libraries: Vec<CString> = [4, 40, 600, 8]
        .iter()
        .enumerate()
        .map(|(i, words)| build_caller(folder.path(), &format!("caller{i}"), *words))
        .collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let snapshots = scope.spawn(|| {
            let mut taken = 0;
            // At least one, in case this thread begins after the others have ended.
            while !done.load(Relaxed) || taken == 0 {
                assert!(!profile().samples.is_empty());
                taken += 1;
            }
            taken
        });
        let loaders = [[0, 1], [2, 3]].map(|pair| {
            let libraries = &libraries;
            scope.spawn(move || {
                for round in 0..500 {
                    Library::open(&libraries[pair[round % 2]]).call(allocate_there);
                }
            })
        });
        for loader in loaders {
            loader.join().unwrap();
        }
        done.store(true, Relaxed);
        assert!(snapshots.join().unwrap() > 0);
    });

    // The samples are of these libraries: a return address in the function, and this test above it.
    let library = Library::open(&libraries[0]);
    let call = library.call(allocate_there) as u64;
    let profile = profile();
    let inside = call..call + 100;
    let at = profile
        .locations
        .iter()
        .position(|l| inside.contains(&l.address));
    let at = at.expect("a sample of the library's code");
    let deepest = profile
        .samples
        .iter()
        .filter(|sample| sample.locations.iter().any(|id| id.index() == at))
        .map(|sample| sample.locations.len())
        .max();
    assert!(deepest > Some(5), "{deepest:?}");
}

#[test]
#[ignore = "needs cc (Debian package gcc)"]
fn a_sample_does_not_wait_for_another_threads_dlopen() {
    let folder = tempfile::tempdir().unwrap();
    let (mut started, tell_started) = pipe().unwrap();
    let (go_on, mut tell_go_on) = pipe().unwrap();
    // It waits 10 s at most. A thread that needs the loader's lock gets it after that.
    let text = format!(
        "#include <poll.h>
         #include <unistd.h>
         static int told;
         int call(void) {{ return told; }}
         __attribute__((constructor)) static void wait_for_the_test(void) {{
             struct pollfd go_on = {{ {}, POLLIN, 0 }};
             if (write({}, \"x\", 1) == 1) told = poll(&go_on, 1, 10000);
         }}",
        go_on.as_raw_fd(),
        tell_started.as_raw_fd()
    );
    let slow = build(folder.path(), "slow", &text);
    let caller = build_caller(folder.path(), "caller", 12);
    let caller = Library::open(&caller);
    let opener = thread::spawn(move || {
        let library = Library::open(&slow);
        // SAFETY: an open library.
        let call = unsafe { libc::dlsym(library.0, c"call".as_ptr()) };
        // SAFETY: the function of that name has this type.
        let told = unsafe { mem::transmute::<*mut c_void, extern "C" fn() -> c_int>(call) };
        told()
    });
    started.read_exact(&mut [0]).unwrap();
    // The constructor runs. New call paths need new rules, and a signal's frame needs libgcc.
    let before = heaptide::stats().samples;
    let map: BTreeMap<String, f64> = (0..100).map(|i| (format!("{i:x}"), f64::from(i))).collect();
    assert_eq!(format!("{map:?}").matches(':').count(), 100);
    in_a_signal_handler();
    // Code of a library that was there before. It is looked up by now, so only the capture is new.
    assert!(heaptide::stats().samples > before + 100);
    tell_go_on.write_all(b"x").unwrap();
    let told = opener.join().unwrap();
    assert_eq!(told, 1, "the constructor timed out");
    // This library was open before, so its rules are known and only the capture is new.
    caller.call(allocate_there);
}

/// Allocates in a signal handler that this thread raises itself.
fn in_a_signal_handler() {
    extern "C" fn handle(_: c_int) {
        allocate();
    }
    // SAFETY: all fields are integers or pointers that may be null.
    let mut action = unsafe { mem::zeroed::<libc::sigaction>() };
    action.sa_sigaction = handle as extern "C" fn(c_int) as usize;
    // SAFETY: a valid action; nobody else in this process handles this signal.
    unsafe { libc::sigaction(libc::SIGUSR2, &raw const action, ptr::null_mut()) };
    // SAFETY: the handler is installed.
    unsafe { libc::raise(libc::SIGUSR2) };
}
