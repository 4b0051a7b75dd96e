//! The four methods of heaptide's allocator, each in a function of its own, to be disassembled.
//!
//! The inner allocator is opaque to the compiler. The program is never run: tests/fast_path of
//! the crate disassembles it.

use heaptide::SamplingAllocator;
use std::{
    alloc::{GlobalAlloc, Layout},
    hint::black_box,
};

unsafe extern "C" {
    fn inner_alloc(size: usize, align: usize) -> *mut u8;
    fn inner_alloc_zeroed(size: usize, align: usize) -> *mut u8;
    fn inner_dealloc(block: *mut u8, size: usize, align: usize);
    fn inner_realloc(block: *mut u8, size: usize, align: usize, new_size: usize) -> *mut u8;
}

// Opaque to the compiler.
std::arch::global_asm!(
    ".globl inner_alloc, inner_alloc_zeroed, inner_dealloc, inner_realloc",
    "inner_alloc: ud2",
    "inner_alloc_zeroed: ud2",
    "inner_dealloc: ud2",
    "inner_realloc: ud2",
);

struct Inner;

// SAFETY: never called.
unsafe impl GlobalAlloc for Inner {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { inner_alloc(layout.size(), layout.align()) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { inner_alloc_zeroed(layout.size(), layout.align()) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { inner_dealloc(block, layout.size(), layout.align()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        unsafe { inner_realloc(block, layout.size(), layout.align(), new_size) }
    }
}

static ALLOCATOR: SamplingAllocator<Inner> = SamplingAllocator::with_inner(Inner);

#[unsafe(no_mangle)]
unsafe fn fast_alloc(size: usize, align: usize) -> *mut u8 {
    unsafe { ALLOCATOR.alloc(Layout::from_size_align_unchecked(size, align)) }
}

#[unsafe(no_mangle)]
unsafe fn fast_alloc_zeroed(size: usize, align: usize) -> *mut u8 {
    unsafe { ALLOCATOR.alloc_zeroed(Layout::from_size_align_unchecked(size, align)) }
}

#[unsafe(no_mangle)]
unsafe fn fast_dealloc(block: *mut u8, size: usize, align: usize) {
    unsafe { ALLOCATOR.dealloc(block, Layout::from_size_align_unchecked(size, align)) }
}

#[unsafe(no_mangle)]
unsafe fn fast_realloc(block: *mut u8, size: usize, align: usize, new_size: usize) -> *mut u8 {
    let layout = unsafe { Layout::from_size_align_unchecked(size, align) };
    unsafe { ALLOCATOR.realloc(block, layout, new_size) }
}

fn main() {
    // Makes the linker keep the functions.
    black_box((
        fast_alloc as *const (),
        fast_alloc_zeroed as *const (),
        fast_dealloc as *const (),
        fast_realloc as *const (),
    ));
}
