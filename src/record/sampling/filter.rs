//! A lock-free counting filter over the addresses of live sampled blocks.
//!
//! It answers "not sampled, surely" or "ask the live table". It is separate from
//! [`mark`](super::mark) because threads share it. A counter that reaches its highest value stays
//! there. If it were counted down it could reach zero while a block is live. The free of that block
//! would be missed, and the block would stay in every profile.

use crate::record::sync::{AtomicU8, Ordering, array_of, const_unless_loom};

/// Counts live sampled blocks by a hash of their address. It lies in zero pages, and only the pages
/// of sampled blocks are ever written. `COUNTERS` is a power of two.
pub(in crate::record) struct AddressFilter<const COUNTERS: usize> {
    counters: [AtomicU8; COUNTERS],
}

impl<const COUNTERS: usize> AddressFilter<COUNTERS> {
    const_unless_loom! {
        pub(in crate::record) fn new() -> Self {
            Self {
                counters: array_of!(AtomicU8::new(0); COUNTERS),
            }
        }
    }

    /// Whether a sampled block may live at `address`. False is certain.
    // Relaxed: a thread that frees a block got its address from the thread that inserted it. The
    // program synchronized the two, and that orders these accesses too.
    #[inline]
    pub(in crate::record) fn may_hold(&self, address: usize) -> bool {
        self.counter(address)
            .is_none_or(|counter| counter.load(Ordering::Relaxed) > 0)
    }

    /// Counts a new block.
    pub(in crate::record) fn insert(&self, address: usize) {
        self.change(address, |count| count.checked_add(1));
    }

    /// Stops counting a block that was inserted before.
    pub(in crate::record) fn remove(&self, address: usize) {
        self.change(address, |count| match count {
            0 | u8::MAX => None,
            count => Some(count - 1),
        });
    }

    fn change(&self, address: usize, to: impl Fn(u8) -> Option<u8>) {
        let Some(counter) = self.counter(address) else {
            return;
        };
        let mut seen = counter.load(Ordering::Relaxed);
        while let Some(next) = to(seen) {
            match counter.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    #[inline]
    fn counter(&self, address: usize) -> Option<&AtomicU8> {
        // Fibonacci hashing: all marked blocks have the same low bits, and large blocks lie at
        // multiples of a page or more. So the low bits say nothing, and the product's high bits are
        // used.
        let hash = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let index = hash >> (u64::BITS - COUNTERS.ilog2());
        self.counters.get(usize::try_from(index).ok()?)
    }
}

impl<const COUNTERS: usize> core::fmt::Debug for AddressFilter<COUNTERS> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AddressFilter").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_held_until_it_is_removed() {
        let filter = AddressFilter::<16>::new();
        assert!(!filter.may_hold(0x7f00_0000_0000));
        filter.insert(0x7f00_0000_0000);
        filter.insert(0x7f00_0000_0000);
        filter.remove(0x7f00_0000_0000);
        assert!(filter.may_hold(0x7f00_0000_0000));
        filter.remove(0x7f00_0000_0000);
        assert!(!filter.may_hold(0x7f00_0000_0000));
    }

    #[test]
    fn a_full_counter_never_forgets() {
        let filter = AddressFilter::<16>::new();
        for _ in 0..300 {
            filter.insert(4096);
        }
        for _ in 0..300 {
            filter.remove(4096);
        }
        assert!(filter.may_hold(4096));
    }

    #[test]
    fn removing_an_unknown_address_changes_nothing() {
        let filter = AddressFilter::<16>::new();
        filter.remove(4096);
        filter.insert(4096);
        assert!(filter.may_hold(4096));
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::{sync::Arc, thread};

    #[test]
    fn concurrent_inserts_and_removes_lose_nothing() {
        loom::model(|| {
            let filter = Arc::new(AddressFilter::<16>::new());
            filter.insert(4096);
            let other = {
                let filter = Arc::clone(&filter);
                thread::spawn(move || {
                    filter.insert(4096);
                    filter.remove(4096);
                })
            };
            filter.insert(4096);
            filter.remove(4096);
            other.join().unwrap();
            assert!(filter.may_hold(4096));
            filter.remove(4096);
            assert!(!filter.may_hold(4096));
        });
    }
}
