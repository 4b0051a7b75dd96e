//! Memory reserved in advance for a constructor that cannot report that there is none.
//!
//! DashMap's constructor aborts if its one allocation fails. So blocks of exactly its layout are
//! allocated before, and the allocator hands these out when the constructor asks. A trial
//! allocation that is freed again would not do: another thread could take that memory in between.

#![expect(unsafe_code, reason = "allocates and frees blocks by their layout")]

use crate::record::sampling::thread::Thread;
use core::{alloc::Layout, ptr};
use std::alloc;

/// One block for each of the two tables.
const BLOCKS: usize = 2;

/// Blocks that are reserved and not taken yet. Address 0 is none.
#[derive(Clone, Copy, Debug)]
pub(in crate::record) struct ReservedMemory {
    layout: Layout,
    blocks: [usize; BLOCKS],
}

impl ReservedMemory {
    pub(in crate::record) const NOTHING: Self = Self {
        layout: Layout::new::<()>(),
        blocks: [0; BLOCKS],
    };
}

/// Runs a constructor that asks for at most `BLOCKS` blocks, all of this layout. `None` if there is
/// no memory for them.
pub(super) fn construct<R>(
    thread: &Thread,
    layout: Layout,
    constructor: impl FnOnce() -> R,
) -> Option<R> {
    if layout.size() == 0 {
        return Some(constructor());
    }
    let blocks = [(); BLOCKS].map(|()| {
        // SAFETY: the size is not 0.
        unsafe { alloc::alloc(layout) }.expose_provenance()
    });
    let has_all = blocks.iter().all(|block| *block != 0);
    thread.reserved.set(ReservedMemory { layout, blocks });
    let made = has_all.then(constructor);
    let left = thread.reserved.replace(ReservedMemory::NOTHING);
    for block in left.blocks.into_iter().filter(|block| *block != 0) {
        // SAFETY: made above with this layout, and not taken: `take` would have set it to 0.
        unsafe { alloc::dealloc(ptr::with_exposed_provenance_mut(block), layout) };
    }
    made
}

/// Takes a reserved block, if this thread's constructor asks for it. The block is not zeroed.
pub(in crate::record) fn take(thread: &Thread, layout: Layout) -> Option<*mut u8> {
    if thread.reserved.get().layout != layout {
        return None;
    }
    // Empty meanwhile: a signal handler that asks for the same layout now gets none of these.
    let mut reserved = thread.reserved.replace(ReservedMemory::NOTHING);
    let block = reserved.blocks.iter_mut().find(|block| **block != 0);
    let address = block.map(core::mem::take);
    thread.reserved.set(reserved);
    address.map(ptr::with_exposed_provenance_mut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reserved_block_is_taken_once_by_its_layout() {
        let thread = Thread::new();
        let layout = Layout::new::<[u64; 9]>();
        let taken = construct(&thread, layout, || {
            assert_eq!(take(&thread, Layout::new::<u64>()), None);
            take(&thread, layout)
        });
        let block = taken.flatten().unwrap();
        assert_eq!(take(&thread, layout), None, "the other block was freed");
        // SAFETY: `construct` made it with this layout, and it was taken out.
        unsafe { alloc::dealloc(block, layout) };
        let both = construct(&thread, layout, || [(); 3].map(|()| take(&thread, layout)));
        let [Some(first), Some(second), None] = both.unwrap() else {
            panic!("two blocks")
        };
        assert_ne!(first, second);
        for block in [first, second] {
            // SAFETY: as above.
            unsafe { alloc::dealloc(block, layout) };
        }
    }
}
