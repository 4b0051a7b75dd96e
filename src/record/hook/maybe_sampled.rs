//! Candidates: blocks that may be sampled ones, known by their address and layout alone.
//!
//! A small block is one if it bears the [mark](crate::record::sampling::mark) of sampled ones and the filter of marked blocks
//! holds it; any other block if the filter of large ones does. Both filters are the process's
//! ([`global`]), since any thread frees any block.

use crate::record::{global, sampling::mark};
use core::alloc::Layout;

/// Whether a block may be a sampled one; false is certain.
#[inline(always)]
pub(super) fn is_maybe_sampled(address: usize, layout: Layout) -> bool {
    if mark::is_markable(layout) {
        mark::has_signature(address) && global::marked().may_hold(address)
    } else {
        global::large().may_hold(address)
    }
}

/// Makes a sampled block a candidate.
pub(super) fn insert(address: usize, layout: Layout) {
    if mark::is_markable(layout) {
        global::marked().insert(address);
    } else {
        global::large().insert(address);
    }
}

/// Ends what [`insert`] began.
pub(super) fn remove(address: usize, layout: Layout) {
    if mark::is_markable(layout) {
        global::marked().remove(address);
    } else {
        global::large().remove(address);
    }
}
