//! Asks the mark and the filters whether a block may be sampled.
//!
//! A small block may be sampled if it bears the mark ([`mark`]) and the
//! filter of marked blocks holds it. Any other block may be sampled if the filter of large blocks
//! holds it. Both filters belong to the process ([`global`]), since any thread frees any block.

use crate::record::{global, sampling::mark};
use core::alloc::Layout;

/// Whether a block may be sampled. False is certain.
#[inline(always)]
pub(super) fn is_maybe_sampled(address: usize, layout: Layout) -> bool {
    if mark::is_markable(layout) {
        mark::has_signature(address) && global::marked().may_hold(address)
    } else {
        global::large().may_hold(address)
    }
}

/// Adds a sampled block to its filter.
pub(super) fn insert(address: usize, layout: Layout) {
    if mark::is_markable(layout) {
        global::marked().insert(address);
    } else {
        global::large().insert(address);
    }
}

/// Removes a block that [`insert`] added.
pub(super) fn remove(address: usize, layout: Layout) {
    if mark::is_markable(layout) {
        global::marked().remove(address);
    } else {
        global::large().remove(address);
    }
}
