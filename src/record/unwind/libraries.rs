//! Tests with libraries that are loaded and unloaded, with different rules or no unwind tables.

#![expect(unsafe_code, reason = "loads libraries and calls them")]

use super::{
    Stack,
    tests::{assert_same, both, callback, captured, ended, names},
    walker::WalkEnd,
};
use core::{
    ffi::{CStr, c_long, c_void},
    mem,
};
use std::{ffi::CString, fs, path::Path, process::Command};

type LibraryCall = unsafe extern "C" fn(extern "C" fn(), c_long);

/// Builds a library with a function that calls back from a frame of `words` words. Each word holds
/// the function's argument.
fn build(folder: &Path, name: &str, words: usize, options: &[&str]) -> CString {
    let source = folder.join(format!("{name}.c"));
    let library = folder.join(format!("{name}.so"));
    // The frames differ only in their size: the return address is the same.
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
        .args(["-shared", "-fPIC", "-nostdlib"])
        .args(options)
        .arg("-o")
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(status.success());
    CString::new(library.into_os_string().into_encoded_bytes()).unwrap()
}

/// Loads a library, captures from inside it and unloads it. Returns both stacks and the address of
/// the function.
fn captured_in(library: &CStr, word: c_long) -> ((Stack, Stack), usize) {
    // SAFETY: a library without constructors, built by this test.
    let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOW) };
    assert!(!handle.is_null(), "{library:?}");
    // SAFETY: an open library.
    let call = unsafe { libc::dlsym(handle, c"call".as_ptr()) };
    // SAFETY: the function of this name has this type.
    let function = unsafe { mem::transmute::<*mut c_void, LibraryCall>(call) };
    // SAFETY: it calls the callback, which captures.
    unsafe { function(callback, word) };
    // SAFETY: the library is open, and none of its functions runs any more.
    unsafe { libc::dlclose(handle) };
    (captured(), call.addr())
}

/// As above, for a library with tables. `end` is the expected end of the fast walk.
fn visit(library: &CStr, word: c_long, end: WalkEnd) -> usize {
    let ((own, libgcc), place) = captured_in(library, word);
    assert_same(&own, &libgcc);
    assert!(names(&own).iter().any(|n| n.ends_with("::visit")));
    assert_eq!(ended(), Some(end));
    place
}

#[test]
fn a_library_in_the_place_of_another_one_has_its_own_rules() {
    let folder = tempfile::tempdir().unwrap();
    let libraries = [("a", 4), ("b", 8), ("c", 40), ("d", 600)]
        .map(|(name, words)| build(folder.path(), name, words, &["-Wl,--build-id"]));
    // Words that a rule of the library before would take for a return address: none, one that is
    // too low, data, and the code of a whole chain of frames.
    let data = folder.path().as_os_str().as_encoded_bytes().as_ptr();
    let (own, _) = both();
    let mut words = vec![0, 1, data.addr()];
    words.extend(own.addresses());
    let mut places: Vec<usize> = Vec::new();
    for word in words {
        let word = c_long::try_from(word).unwrap();
        for order in [[0, 1, 2, 3], [1, 0, 3, 2]] {
            places.extend(order.map(|i| visit(&libraries[i], word, WalkEnd::Root)));
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
fn a_library_without_a_build_id_needs_libgcc() {
    let folder = tempfile::tempdir().unwrap();
    for (name, words) in [("a", 4), ("b", 40)] {
        let library = build(folder.path(), name, words, &["-Wl,--build-id=none"]);
        visit(&library, 1, WalkEnd::NeedsLibgcc);
    }
}

#[test]
fn a_c_library_without_tables() {
    const BARE: &str = "-fno-asynchronous-unwind-tables";
    let folder = tempfile::tempdir().unwrap();
    for (name, options) in [
        ("framed", [BARE, "-fno-omit-frame-pointer"]),
        ("unframed", [BARE, "-fomit-frame-pointer"]),
    ] {
        let library = build(folder.path(), name, 4, &options);
        let ((own, libgcc), _) = captured_in(&library, 1);
        assert_eq!(ended(), Some(WalkEnd::NoUnwindInfo));
        let seen = libgcc.addresses().split_last().unwrap().1;
        assert!(
            own.addresses().starts_with(seen),
            "{name}: {own:x?} {libgcc:x?}"
        );
        let whole = names(&own).iter().any(|n| n.ends_with("::captured_in"));
        // Without a frame pointer it depends on the value in that register.
        assert!(whole || name == "unframed", "{name}: {:#?}", names(&own));
    }
}
