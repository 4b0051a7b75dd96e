//! The blocks that an inner allocator handed out, with their layouts.
//!
//! Each has to come back once, with the layout it was made with.

#![expect(unsafe_code, reason = "a static table behind a lock of its own")]

use std::{
    alloc::Layout,
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

const PLACES: usize = 1 << 18;

/// An open-addressed table in static memory, behind a spin lock. An allocator cannot use anything
/// that allocates.
pub(crate) struct Shadow {
    locked: AtomicBool,
    wrong: AtomicUsize,
    /// Address, size and alignment. Address 0 is free, 1 was in use.
    places: UnsafeCell<[(usize, usize, usize); PLACES]>,
}

// SAFETY: the places are only touched with the lock held.
unsafe impl Sync for Shadow {}

impl Shadow {
    pub(crate) const fn new() -> Self {
        Self {
            locked: AtomicBool::new(false),
            wrong: AtomicUsize::new(0),
            places: UnsafeCell::new([(0, 0, 0); PLACES]),
        }
    }

    /// How many blocks came back that were not out, or had another layout.
    pub(crate) fn wrong(&self) -> usize {
        self.wrong.load(Ordering::Relaxed)
    }

    /// Runs `f` on the places from the first place of `address` on.
    fn search<R>(
        &self,
        address: usize,
        f: impl Fn(&mut (usize, usize, usize)) -> Option<R>,
    ) -> Option<R> {
        while self.locked.swap(true, Ordering::Acquire) {
            std::thread::yield_now();
        }
        // SAFETY: the lock is held, so this is the only reference.
        let places = unsafe { &mut *self.places.get() };
        let start = (address >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let found = (0..PLACES).find_map(|step| f(&mut places[(start + step) % PLACES]));
        self.locked.store(false, Ordering::Release);
        found
    }

    /// Stores a block, unless it is null, and returns it.
    pub(crate) fn made(&self, block: *mut u8, layout: Layout) -> *mut u8 {
        if !block.is_null() {
            let entry = (block.addr(), layout.size(), layout.align());
            let kept = self.search(block.addr(), |place| (place.0 <= 1).then(|| *place = entry));
            if kept.is_none() {
                self.wrong.fetch_add(1, Ordering::Relaxed);
            }
        }
        block
    }

    /// Removes the block. Returns whether it was out with this layout.
    pub(crate) fn gone(&self, block: *mut u8, layout: Layout) -> bool {
        let entry = (block.addr(), layout.size(), layout.align());
        let right = self.search(block.addr(), |place| match *place {
            (0, ..) => Some(false),
            found if found == entry => {
                place.0 = 1;
                Some(true)
            }
            _ => None,
        });
        if right != Some(true) {
            self.wrong.fetch_add(1, Ordering::Relaxed);
        }
        right == Some(true)
    }
}
