//! A captured stack in a fixed array, since a capture must not allocate.
//!
//! The array is not cleared first. That alone would take as long as a walk over three frames.

#![expect(unsafe_code, reason = "reads the part of an array that was written")]

use super::{MOST_FRAMES, Marker};
use core::{fmt, mem::MaybeUninit, slice};

/// Return addresses, leaf first, and possibly a marker.
pub(in crate::record) struct Stack {
    /// The first `len` are written.
    addresses: [MaybeUninit<usize>; MOST_FRAMES + 1],
    len: usize,
}

impl Stack {
    pub(super) const fn empty() -> Self {
        Self {
            addresses: [const { MaybeUninit::uninit() }; MOST_FRAMES + 1],
            len: 0,
        }
    }

    /// The return addresses, leaf first.
    pub(in crate::record) fn addresses(&self) -> &[usize] {
        let written: &[MaybeUninit<usize>] = self.addresses.get(..self.len).unwrap_or_default();
        // SAFETY: `push` writes each address before it counts it.
        unsafe { slice::from_raw_parts(written.as_ptr().cast(), written.len()) }
    }

    /// Adds an address of a walk. False if the stack is full.
    #[inline(always)]
    pub(super) fn keep(&mut self, address: usize) -> bool {
        self.len < MOST_FRAMES && self.push(address)
    }

    pub(super) fn mark(&mut self, marker: Marker) {
        // Never false for one marker: the array has room for one address more than a walk may fill.
        let _ = self.push(marker.address());
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    #[inline(always)]
    fn push(&mut self, address: usize) -> bool {
        match self.addresses.get_mut(self.len) {
            Some(slot) => {
                slot.write(address);
                self.len += 1;
                true
            }
            None => false,
        }
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.addresses()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_maximum_and_a_marker() {
        let mut stack = Stack::empty();
        assert!(stack.addresses().is_empty());
        assert!((0..MOST_FRAMES).all(|address| stack.keep(address)));
        assert!(!stack.keep(1));
        stack.mark(Marker::Truncated);
        stack.mark(Marker::Truncated);
        let expected = (0..MOST_FRAMES).chain([Marker::Truncated.address()]);
        assert!(stack.addresses().iter().copied().eq(expected));
        stack.clear();
        assert!(stack.addresses().is_empty());
        stack.keep(7);
        assert_eq!(format!("{stack:?}"), "[7]");
    }
}
