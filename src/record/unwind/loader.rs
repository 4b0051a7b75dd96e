//! Asks the dynamic loader, once when the program is loaded and never from a sample.
//!
//! `dlsym` waits for the loader's lock. Another thread holds that lock while it opens a library, as
//! long as the library's slowest constructor runs. Before this module's own constructor has run,
//! and where the C library has no such symbols, the answers are "not there".

#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(
        unsafe_code,
        reason = "a constructor in a section of its own, and symbols of the C library"
    )
)]

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
pub(super) use glibc::look_up;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) use glibc::{is_permanent, object_around, stack_end};

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn object_around(_address: usize) -> Option<Object> {
    None
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn stack_end() -> Option<usize> {
    None
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn is_permanent(_start: usize) -> bool {
    false
}

/// Whether `object_around` can find an object.
pub(super) fn is_ready() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    return glibc::is_ready();
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    return false;
}

/// A loaded executable or library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Object {
    /// Its first address, and the end of its last byte.
    pub(super) start: usize,
    pub(super) end: usize,
    /// The address of its `.eh_frame_hdr`; 0 if it has none.
    pub(super) header: usize,
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use super::Object;
    use core::{
        ffi::{CStr, c_int, c_void},
        mem, ptr,
        sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
    };

    /// `_dl_find_object` of glibc 2.35 and later, which is lock-free and signal-safe. Null before
    /// the constructor has run.
    static FIND_OBJECT: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
    /// The value of `__libc_stack_end`; 0 before the constructor has run.
    static STACK_END: AtomicUsize = AtomicUsize::new(0);

    /// The start addresses of the modules that stay as long as this code: the module of this code,
    /// the program and the C library; 0 if unknown. Other early modules may be unloaded: a
    /// constructor opened them, or they were opened before the library with this code.
    static PERMANENT: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

    /// `struct dl_find_object` of `<dlfcn.h>`, as on x86-64 and aarch64.
    #[repr(C)]
    #[derive(Default)]
    struct FoundObject {
        flags: u64,
        map_start: usize,
        map_end: usize,
        link_map: usize,
        eh_frame: usize,
        reserved: [u64; 7],
    }

    type FindObject = unsafe extern "C" fn(*mut c_void, *mut FoundObject) -> c_int;

    #[used]
    // The loader calls each entry of this section once, as a function of the C ABI. This one is
    // such a function, and ignores the arguments that it gets.
    #[unsafe(link_section = ".init_array")]
    static CONSTRUCTOR: extern "C" fn() = look_up;

    pub(in crate::record::unwind) extern "C" fn look_up() {
        FIND_OBJECT.store(symbol(c"_dl_find_object"), Ordering::Relaxed);
        let stack_end = symbol(c"__libc_stack_end").cast::<usize>();
        if !stack_end.is_null() {
            // SAFETY: the C library's `void *__libc_stack_end`, set before any constructor runs.
            STACK_END.store(unsafe { stack_end.read() }, Ordering::Relaxed);
        }
        // SAFETY: takes a number. Returns 0 for a number that it does not know.
        let entry = unsafe { libc::getauxval(libc::AT_ENTRY) };
        let code = [
            look_up as extern "C" fn() as usize,
            usize::try_from(entry).unwrap_or_default(),
            symbol(c"gnu_get_libc_version").addr(),
        ];
        for (place, code) in PERMANENT.iter().zip(code) {
            let start = object_around(code).map_or(0, |object| object.start);
            place.store(start, Ordering::Relaxed);
        }
    }

    /// Whether the module that begins at `start` is never unloaded.
    pub(in crate::record::unwind) fn is_permanent(start: usize) -> bool {
        PERMANENT
            .iter()
            .any(|place| place.load(Ordering::Relaxed) == start)
    }

    /// The address of a symbol. Null if there is none.
    fn symbol(name: &CStr) -> *mut c_void {
        // SAFETY: the name is a C string.
        unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
    }

    #[inline]
    pub(in crate::record::unwind) fn is_ready() -> bool {
        !FIND_OBJECT.load(Ordering::Relaxed).is_null()
    }

    /// The highest address that a frame on the main thread's stack uses.
    pub(in crate::record::unwind) fn stack_end() -> Option<usize> {
        match STACK_END.load(Ordering::Relaxed) {
            0 => None,
            end => Some(end),
        }
    }

    /// The loaded object around an address.
    pub(in crate::record::unwind) fn object_around(address: usize) -> Option<Object> {
        let find = FIND_OBJECT.load(Ordering::Relaxed);
        if find.is_null() {
            return None;
        }
        // SAFETY: not null, so it is the C library's function of that name, which has this type.
        let find = unsafe { mem::transmute::<*mut c_void, FindObject>(find) };
        let mut found = FoundObject::default();
        // SAFETY: the function accepts any address, and the result has room for its output.
        let missing = unsafe { find(ptr::without_provenance_mut(address), &raw mut found) };
        (missing == 0).then_some(Object {
            start: found.map_start,
            end: found.map_end,
            header: found.eh_frame,
        })
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn the_constructor_has_run() {
        assert!(
            is_ready(),
            "glibc 2.35 or later is needed to test the walker"
        );
        let here = 0u8;
        let here = (&raw const here).addr();
        // This test's thread has another stack, below the main thread's.
        assert!(stack_end().unwrap() > here);
    }

    #[test]
    fn code_is_found_in_its_object_and_a_stack_in_none() {
        let code = the_constructor_has_run as fn() as usize;
        let object = object_around(code).unwrap();
        assert!((object.start..object.end).contains(&code));
        assert!((object.start..object.end).contains(&object.header));
        let data = 0u8;
        assert_eq!(object_around((&raw const data).addr()), None);
        let libc = object_around(libc::getpid as *const () as usize).unwrap();
        assert_ne!(libc.start, object.start);
    }
}
