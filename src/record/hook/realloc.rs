//! How a block is reallocated that is sampled, may be sampled, or becomes sampled.

#![expect(unsafe_code, reason = "reallocates blocks of the inner allocator")]

use super::maybe_sampled::{self, is_maybe_sampled};
use crate::record::{
    SamplingAllocator, global,
    sampling::{countdown::Pick, mark, thread::Thread},
    tables::live::Lookup,
    unwind,
};
use core::{
    alloc::{GlobalAlloc, Layout},
    ptr,
};

impl<A: GlobalAlloc> SamplingAllocator<A> {
    /// Reallocates a block that may be sampled, or whose new block is picked: a free of the old
    /// block and an allocation of the new size. If it fails it changes nothing, as the inner
    /// allocator's. `picked` holds the frame address of the slow-path function.
    ///
    /// # Safety
    ///
    /// The contract of `GlobalAlloc::realloc`.
    pub(super) unsafe fn reallocate(
        &self,
        thread: &Thread,
        block: *mut u8,
        layout: Layout,
        new_size: usize,
        picked: Option<(Pick, usize)>,
    ) -> *mut u8 {
        // SAFETY: the caller of `realloc` promises that the new size makes a layout.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let recorder = global::recorder();
        let is_maybe_sampled = is_maybe_sampled(block.addr(), layout);
        // Only an allocation makes a mark, and only a free ends it.
        let mut must_copy = picked.is_some() && mark::is_markable(new_layout);
        let mut sampled = None;
        if is_maybe_sampled && !must_copy {
            if mark::is_markable(layout) {
                must_copy = recorder.look_up(thread, block.addr()) != Lookup::NotSampled;
            } else {
                match recorder.begin_realloc(thread, block.addr()) {
                    Lookup::Sampled(begun) => sampled = Some(begun),
                    Lookup::NotSampled => {}
                    Lookup::Busy => must_copy = true,
                }
            }
        }

        if must_copy {
            // SAFETY: `alloc` wants a size that is not 0, and `realloc` promises that.
            let fresh = |layout| unsafe { self.inner.alloc(layout) };
            let new_block = match picked {
                Some((pick, frame)) => {
                    self.allocate_sampled(thread, new_layout, pick, frame, fresh)
                }
                None => fresh(new_layout),
            };
            if !new_block.is_null() {
                let kept = layout.size().min(new_size);
                // SAFETY: both blocks have at least `kept` bytes, and nobody else has the new one.
                unsafe { ptr::copy_nonoverlapping(block, new_block, kept) };
            }
            if !new_block.is_null() && is_maybe_sampled {
                // SAFETY: the caller of `realloc` gives the old block up.
                unsafe { self.free_maybe_sampled(thread, block, layout) };
            } else if !new_block.is_null() {
                // SAFETY: as above. The block is not sampled, so the inner allocator made it with
                // this layout.
                unsafe { self.inner.dealloc(block, layout) };
            }
            return new_block;
        }

        // SAFETY: our caller keeps the contract. The block is not marked, so the inner allocator
        // made it with this layout.
        let new_block = unsafe { self.inner.realloc(block, layout, new_size) };
        if let Some(sampled) = sampled {
            let gone = !new_block.is_null();
            sampled.end(gone);
            if gone {
                maybe_sampled::remove(block.addr(), layout);
            }
        }
        if let (Some((pick, frame)), false) = (picked, new_block.is_null()) {
            let _muted = thread.mute();
            let stack = unwind::capture(frame);
            self.record_large(thread, new_block, new_layout, pick, &stack);
        }
        new_block
    }
}
