//! Deferred frees: blocks that a later slow path frees.
//!
//! A free that arrives while its thread is *locked* (in a signal handler, during a fork) cannot
//! look the block up in the live table. It must neither be skipped nor wait. So it is stored here,
//! and a later slow path does it.

use crate::record::sync::{AtomicUsize, Ordering, array_of, const_unless_loom};
use core::alloc::Layout;

#[cfg(not(loom))]
const SLOTS: usize = 256;
#[cfg(loom)]
const SLOTS: usize = 2;

/// A deferred free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::record) struct DeferredFree {
    pub(in crate::record) address: usize,
    pub(in crate::record) layout: Layout,
    /// Address of the [`SamplingAllocator`](crate::record::SamplingAllocator) that was called to
    /// free it. Only this one may free it.
    pub(in crate::record) owner: usize,
}

/// Storage for a fixed number of deferred frees. Lock-free: one compare-and-swap claims a slot. So
/// a signal handler may interrupt any operation, and a thread may die in one.
pub(super) struct DeferredFrees {
    /// Slots that are full or are being filled. 0 means that there is nothing to take.
    count: AtomicUsize,
    slots: [FreeSlot; SLOTS],
}

struct FreeSlot {
    /// `EMPTY`, `BUSY`, or the address of the block.
    state: AtomicUsize,
    size: AtomicUsize,
    align: AtomicUsize,
    owner: AtomicUsize,
}

const EMPTY: usize = 0;
/// No block has this address: it is not aligned, and no block of size 1 lies in the first page.
const BUSY: usize = 1;

impl FreeSlot {
    const_unless_loom! {
        fn new() -> Self {
            Self {
                state: AtomicUsize::new(EMPTY),
                size: AtomicUsize::new(0),
                align: AtomicUsize::new(0),
                owner: AtomicUsize::new(0),
            }
        }
    }
}

impl DeferredFrees {
    const_unless_loom! {
        pub(super) fn new() -> Self {
            Self {
                count: AtomicUsize::new(0),
                slots: array_of!(FreeSlot::new(); SLOTS),
            }
        }
    }

    /// Whether there is nothing to [take](Self::take).
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Stores a free for later. False if all slots are full; then the block is lost.
    pub(super) fn defer(&self, free: DeferredFree) -> bool {
        for slot in &self.slots {
            // Acquire pairs with `take`'s release of the slot: `take` has read the old fields
            // before.
            let claimed =
                slot.state
                    .compare_exchange(EMPTY, BUSY, Ordering::Acquire, Ordering::Relaxed);
            if claimed.is_ok() {
                self.count.fetch_add(1, Ordering::Relaxed);
                slot.size.store(free.layout.size(), Ordering::Relaxed);
                slot.align.store(free.layout.align(), Ordering::Relaxed);
                slot.owner.store(free.owner, Ordering::Relaxed);
                // Release publishes the fields to the `take` that claims this address.
                slot.state.store(free.address, Ordering::Release);
                return true;
            }
        }
        false
    }

    /// Takes out one free of `owner`, from slot `*from` on, and advances `*from`. `None` at the
    /// end.
    pub(super) fn take(&self, owner: usize, from: &mut usize) -> Option<DeferredFree> {
        while let Some(slot) = self.slots.get(*from) {
            *from += 1;
            let address = slot.state.load(Ordering::Acquire);
            if address == EMPTY || address == BUSY || slot.owner.load(Ordering::Relaxed) != owner {
                continue;
            }
            // Acquire pairs with `defer`'s release: the fields below belong to that free.
            let claimed =
                slot.state
                    .compare_exchange(address, BUSY, Ordering::Acquire, Ordering::Relaxed);
            if claimed.is_err() {
                continue;
            }
            let layout = Layout::from_size_align(
                slot.size.load(Ordering::Relaxed),
                slot.align.load(Ordering::Relaxed),
            );
            let owner_now = slot.owner.load(Ordering::Relaxed);
            if owner_now != owner {
                // Meanwhile the slot was emptied and filled again with the same address.
                slot.state.store(address, Ordering::Release);
                continue;
            }
            slot.state.store(EMPTY, Ordering::Release);
            self.count.fetch_sub(1, Ordering::Relaxed);
            if let Ok(layout) = layout {
                return Some(DeferredFree {
                    address,
                    layout,
                    owner,
                });
            }
        }
        None
    }
}

impl core::fmt::Debug for DeferredFrees {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DeferredFrees").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn free(address: usize, owner: usize) -> DeferredFree {
        DeferredFree {
            address,
            layout: Layout::from_size_align(address / 2, 8).unwrap(),
            owner,
        }
    }

    #[test]
    fn each_deferred_free_is_returned_once_to_its_owner() {
        let deferred = DeferredFrees::new();
        assert!(deferred.is_empty());
        for address in 1..=SLOTS {
            assert!(deferred.defer(free(address * 16, address % 2)));
        }
        assert!(!deferred.defer(free(16, 0)), "full");
        let mut from = 0;
        let mut taken: Vec<_> = core::iter::from_fn(|| deferred.take(0, &mut from)).collect();
        from = 0;
        taken.extend(core::iter::from_fn(|| deferred.take(1, &mut from)));
        taken.sort_by_key(|free| free.address);
        let all: Vec<_> = (1..=SLOTS).map(|a| free(a * 16, a % 2)).collect();
        assert_eq!(taken, all);
        assert!(deferred.is_empty());
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::{sync::Arc, thread};

    #[test]
    fn each_free_is_taken_exactly_once_and_not_torn() {
        loom::model(|| {
            let deferred = Arc::new(DeferredFrees::new());
            let put = |deferred: &DeferredFrees, address: usize| {
                let layout = Layout::from_size_align(address + 1, 8).unwrap();
                deferred.defer(DeferredFree {
                    address,
                    layout,
                    owner: 9,
                })
            };
            let drain = |deferred: &DeferredFrees| {
                let mut from = 0;
                let mut sum = 0;
                while let Some(free) = deferred.take(9, &mut from) {
                    assert_eq!(free.layout.size(), free.address + 1, "torn");
                    sum += free.address;
                }
                sum
            };
            assert!(put(&deferred, 16));
            let other = {
                let deferred = Arc::clone(&deferred);
                thread::spawn(move || drain(&deferred))
            };
            assert!(put(&deferred, 32));
            let mut sum = drain(&deferred);
            sum += other.join().unwrap();
            sum += drain(&deferred);
            assert_eq!(sum, 48);
            assert!(deferred.is_empty());
        });
    }
    #[test]
    fn an_owner_never_gets_a_free_of_another_owner_at_the_same_address() {
        loom::model(|| {
            let deferred = Arc::new(DeferredFrees::new());
            // The size shows the owner: a block of one owner was freed, and the other owner got its
            // address.
            let put = |deferred: &DeferredFrees, owner: usize| {
                let layout = Layout::from_size_align(owner, 8).unwrap();
                deferred.defer(DeferredFree {
                    address: 16,
                    layout,
                    owner,
                })
            };
            let take = |deferred: &DeferredFrees, owner: usize| {
                let taken = deferred.take(owner, &mut 0);
                if let Some(free) = taken {
                    assert_eq!(free.layout.size(), owner, "another owner's");
                }
                usize::from(taken.is_some())
            };
            assert!(put(&deferred, 1));
            let other = {
                let deferred = Arc::clone(&deferred);
                thread::spawn(move || {
                    let taken = take(&deferred, 1);
                    assert!(put(&deferred, 2));
                    taken
                })
            };
            let taken = take(&deferred, 1) + other.join().unwrap();
            assert_eq!(taken, 1);
            assert_eq!(take(&deferred, 2), 1);
            assert!(deferred.is_empty());
        });
    }
}
