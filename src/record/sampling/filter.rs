//! A counting filter over the addresses of live sampled blocks: "surely not sampled" or "ask the live
//! table", without a lock.
//!
//! It stands apart from [`mark`](super::mark) because it is shared between threads. A counter that
//! reaches its highest value stays there for good: counting down from it could reach zero while a block
//! is live, and a sampled block whose free is missed would stay in every profile for ever.

use crate::record::sync::{AtomicU8, Ordering, array_of, const_unless_loom};

/// Counts live sampled blocks by a hash of their address, in zero pages of which only those that sampled
/// blocks hash to are ever written. `COUNTERS` is a power of two.
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

    /// Whether a sampled block may live at `address`; false is certain.
    // Relaxed: whoever frees a block got its address from the thread that allocated and added it, by
    // some synchronization of the program's own, and that orders these accesses too.
    #[inline]
    pub(in crate::record) fn may_hold(&self, address: usize) -> bool {
        self.counter(address)
            .is_none_or(|counter| counter.load(Ordering::Relaxed) > 0)
    }

    /// Counts a block in.
    pub(in crate::record) fn insert(&self, address: usize) {
        self.change(address, |count| count.checked_add(1));
    }

    /// Counts a block out that was counted in before.
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
        // Fibonacci hashing: marked blocks all have the same low bits, and large ones lie at multiples of a
        // page or more; so the low bits say nothing and the product's high bits are taken.
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
    fn holds_what_was_added_until_it_is_removed() {
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
    fn removing_what_was_not_added_changes_nothing() {
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
    fn concurrent_adds_and_removes_lose_nothing() {
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
