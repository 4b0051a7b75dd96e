//! Blocks whose free has to wait: a free that arrives while its thread is *locked* (a signal handler,
//! a fork in progress) cannot ask the live table what the block is, and must be neither skipped nor
//! waited for. It is put aside here and done by a later slow path.

use crate::record::sync::{AtomicUsize, Ordering};
use core::alloc::Layout;

#[cfg(not(loom))]
const SLOTS: usize = 256;
#[cfg(loom)]
const SLOTS: usize = 2;

/// A free that was put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::record) struct PendingFree {
    pub(in crate::record) address: usize,
    pub(in crate::record) layout: Layout,
    /// Address of the [`SamplingAllocator`](crate::record::SamplingAllocator) that was asked to free it, and
    /// has to.
    pub(in crate::record) owner: usize,
}

/// Room for a fixed number of pending frees. Lock-free: a slot is claimed by one compare-and-swap, so a
/// signal handler may interrupt any of its operations, or a thread die in one.
pub(super) struct Aside {
    /// Full slots, and slots on the way to that: 0 means there is nothing to look for.
    pending: AtomicUsize,
    slots: [Slot; SLOTS],
}

struct Slot {
    /// `EMPTY`, `BUSY`, or the address of the block.
    state: AtomicUsize,
    size: AtomicUsize,
    align: AtomicUsize,
    owner: AtomicUsize,
}

const EMPTY: usize = 0;
/// No block has this address: it is not aligned, and blocks of size 1 are never at the first page.
const BUSY: usize = 1;

impl Slot {
    #[cfg(not(loom))]
    const fn new() -> Self {
        Self {
            state: AtomicUsize::new(EMPTY),
            size: AtomicUsize::new(0),
            align: AtomicUsize::new(0),
            owner: AtomicUsize::new(0),
        }
    }

    #[cfg(loom)]
    fn new() -> Self {
        Self {
            state: AtomicUsize::new(EMPTY),
            size: AtomicUsize::new(0),
            align: AtomicUsize::new(0),
            owner: AtomicUsize::new(0),
        }
    }
}

impl Aside {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self {
            pending: AtomicUsize::new(0),
            slots: [const { Slot::new() }; SLOTS],
        }
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self {
            pending: AtomicUsize::new(0),
            slots: std::array::from_fn(|_| Slot::new()),
        }
    }

    /// Whether there is nothing to [take](Self::take).
    pub(super) fn is_empty(&self) -> bool {
        self.pending.load(Ordering::Relaxed) == 0
    }

    /// Keeps a free for later; false if there is no room, and then the block is lost.
    pub(super) fn put(&self, free: PendingFree) -> bool {
        for slot in &self.slots {
            // Acquire pairs with `take`'s release of the slot: its reads of the old fields come first.
            let claimed =
                slot.state
                    .compare_exchange(EMPTY, BUSY, Ordering::Acquire, Ordering::Relaxed);
            if claimed.is_ok() {
                self.pending.fetch_add(1, Ordering::Relaxed);
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

    /// Takes one free of `owner`'s out, at or behind slot `*from`, which moves on; `None` at the end.
    pub(super) fn take(&self, owner: usize, from: &mut usize) -> Option<PendingFree> {
        while let Some(slot) = self.slots.get(*from) {
            *from += 1;
            let address = slot.state.load(Ordering::Acquire);
            if address == EMPTY || address == BUSY || slot.owner.load(Ordering::Relaxed) != owner {
                continue;
            }
            // Acquire pairs with `put`'s release, so the fields below are that free's.
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
                // The slot was emptied and filled anew with the same address in between.
                slot.state.store(address, Ordering::Release);
                continue;
            }
            slot.state.store(EMPTY, Ordering::Release);
            self.pending.fetch_sub(1, Ordering::Relaxed);
            if let Ok(layout) = layout {
                return Some(PendingFree {
                    address,
                    layout,
                    owner,
                });
            }
        }
        None
    }
}

impl core::fmt::Debug for Aside {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Aside").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn free(address: usize, owner: usize) -> PendingFree {
        PendingFree {
            address,
            layout: Layout::from_size_align(address / 2, 8).unwrap(),
            owner,
        }
    }

    #[test]
    fn gives_back_what_was_put_once_and_to_its_owner() {
        let aside = Aside::new();
        assert!(aside.is_empty());
        for address in 1..=SLOTS {
            assert!(aside.put(free(address * 16, address % 2)));
        }
        assert!(!aside.put(free(16, 0)), "full");
        let mut from = 0;
        let mut taken: Vec<_> = core::iter::from_fn(|| aside.take(0, &mut from)).collect();
        from = 0;
        taken.extend(core::iter::from_fn(|| aside.take(1, &mut from)));
        taken.sort_by_key(|free| free.address);
        let all: Vec<_> = (1..=SLOTS).map(|a| free(a * 16, a % 2)).collect();
        assert_eq!(taken, all);
        assert!(aside.is_empty());
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::{sync::Arc, thread};

    #[test]
    fn each_free_is_taken_exactly_once_and_whole() {
        loom::model(|| {
            let aside = Arc::new(Aside::new());
            let put = |aside: &Aside, address: usize| {
                let layout = Layout::from_size_align(address + 1, 8).unwrap();
                aside.put(PendingFree {
                    address,
                    layout,
                    owner: 9,
                })
            };
            let drain = |aside: &Aside| {
                let mut from = 0;
                let mut sum = 0;
                while let Some(free) = aside.take(9, &mut from) {
                    assert_eq!(free.layout.size(), free.address + 1, "torn");
                    sum += free.address;
                }
                sum
            };
            assert!(put(&aside, 16));
            let other = {
                let aside = Arc::clone(&aside);
                thread::spawn(move || drain(&aside))
            };
            assert!(put(&aside, 32));
            let mut sum = drain(&aside);
            sum += other.join().unwrap();
            sum += drain(&aside);
            assert_eq!(sum, 48);
            assert!(aside.is_empty());
        });
    }
    #[test]
    fn an_owner_never_gets_anothers_free_of_a_block_at_the_same_address() {
        loom::model(|| {
            let aside = Arc::new(Aside::new());
            // The size tells whose it is: a block of one owner was freed, and its address given to the other.
            let put = |aside: &Aside, owner: usize| {
                let layout = Layout::from_size_align(owner, 8).unwrap();
                aside.put(PendingFree {
                    address: 16,
                    layout,
                    owner,
                })
            };
            let take = |aside: &Aside, owner: usize| {
                let taken = aside.take(owner, &mut 0);
                if let Some(free) = taken {
                    assert_eq!(free.layout.size(), owner, "another's");
                }
                usize::from(taken.is_some())
            };
            assert!(put(&aside, 1));
            let other = {
                let aside = Arc::clone(&aside);
                thread::spawn(move || {
                    let taken = take(&aside, 1);
                    assert!(put(&aside, 2));
                    taken
                })
            };
            let taken = take(&aside, 1) + other.join().unwrap();
            assert_eq!(taken, 1);
            assert_eq!(take(&aside, 2), 1);
            assert!(aside.is_empty());
        });
    }
}
