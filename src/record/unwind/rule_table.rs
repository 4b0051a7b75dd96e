//! The lock-free table that keeps the rule of each code address.
//!
//! It is a plain value, so that the model checker can test it at a tiny size.

use super::rules::Rule;
use crate::record::sync::{AtomicU64, Ordering, array_of, const_unless_loom};

/// Keeps the rules of the latest code addresses. Direct-mapped and lock-free. A `get` returns the
/// rule that was put for this address and owner, or nothing.
pub(super) struct RuleTable<const SLOTS: usize> {
    slots: [RuleSlot; SLOTS],
}

/// Both halves lie in one cache line.
#[repr(align(16))]
struct RuleSlot {
    /// The address, XORed with the rule and the owner (Hyatt's method for shared chess tables). The
    /// halves of two writers do not match, so a torn pair reads as empty.
    key: AtomicU64,
    rule: AtomicU64,
}

impl RuleSlot {
    const_unless_loom! {
        fn new() -> Self {
            Self {
                key: AtomicU64::new(0),
                rule: AtomicU64::new(0),
            }
        }
    }
}

/// Identifies the module at an address: any module that stays as long as the process, or one
/// particular module that may be unloaded. It is part of the key, so a rule cannot be found after
/// its module was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner(u64);

impl Owner {
    pub(super) const PERMANENT: Self = Self(0);

    /// Two owners of different words are equal with a probability of one in 2^63.
    pub(super) fn of(words: impl Iterator<Item = u64>) -> Self {
        let mixed = words.fold(0u64, |mixed, word| {
            (mixed ^ word)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .rotate_left(23)
        });
        // Above all user addresses, so no address of a permanent module gives the same key.
        Self(mixed | 1 << 63)
    }
}

// Relaxed throughout: a rule points to no other memory, and the key shows whether the halves match.
impl<const SLOTS: usize> RuleTable<SLOTS> {
    const_unless_loom! {
        pub(super) fn new() -> Self {
            const { assert!(SLOTS.is_power_of_two() && SLOTS > 1) };
            Self {
                slots: array_of!(RuleSlot::new(); SLOTS),
            }
        }
    }

    #[inline(always)]
    pub(super) fn get(&self, address: usize, owner: Owner) -> Option<Rule> {
        let slot = self.slot(address)?;
        let rule = slot.rule.load(Ordering::Relaxed);
        let key = slot.key.load(Ordering::Relaxed);
        // An empty slot matches address 0 of a permanent module. There is no code there, and the
        // rule reads as "no unwind information".
        (key ^ rule ^ owner.0 == address as u64).then_some(Rule(rule))
    }

    pub(super) fn put(&self, address: usize, owner: Owner, rule: Rule) {
        if let Some(slot) = self.slot(address) {
            let key = address as u64 ^ rule.0 ^ owner.0;
            slot.rule.store(rule.0, Ordering::Relaxed);
            slot.key.store(key, Ordering::Relaxed);
        }
    }

    /// Never `None`: the hash has as many bits as the table's size.
    #[inline(always)]
    fn slot(&self, address: usize) -> Option<&RuleSlot> {
        // Fibonacci hashing: return addresses differ in their low bits, and the product's high bits
        // are mixed.
        let hash = (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let index = hash >> (u64::BITS - SLOTS.trailing_zeros());
        self.slots.get(usize::try_from(index).ok()?)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{
        super::rules::{CfaBase, FrameRule},
        *,
    };

    #[test]
    fn a_table_returns_only_the_rule_of_the_same_owner() {
        static TABLE: RuleTable<16> = RuleTable::new();
        let address = 0x5555_1234_5678;
        let permanent = Owner::PERMANENT;
        let [one, two] = [[1, 2], [1, 3]].map(|words| Owner::of(words.into_iter()));
        assert_eq!(TABLE.get(address, permanent), None);
        TABLE.put(address, permanent, Rule::ROOT);
        assert_eq!(TABLE.get(address, permanent), Some(Rule::ROOT));
        assert_eq!(TABLE.get(address + 1, permanent), None);
        assert_eq!(TABLE.get(address, one), None);

        TABLE.put(address, one, Rule::NEEDS_LIBGCC);
        assert_eq!(TABLE.get(address, one), Some(Rule::NEEDS_LIBGCC));
        assert_eq!(
            TABLE.get(address, two),
            None,
            "another module at the same place"
        );
        assert_eq!(TABLE.get(address, permanent), None);
    }

    #[test]
    fn any_number_of_addresses_share_the_slots_without_mixing() {
        static TABLE: RuleTable<16> = RuleTable::new();
        let rule = |address: usize| {
            Rule::of(FrameRule {
                base: CfaBase::StackPointer,
                cfa: i32::try_from(address % 0x1000).unwrap(),
                frame_pointer: None,
                return_address: Some(-8),
            })
        };
        let mut kept = 0;
        for round in 0..2 {
            for address in (0x7f00_0000_1000..0x7f00_0000_1000 + 500).step_by(5) {
                if round == 0 {
                    TABLE.put(address, Owner::PERMANENT, rule(address));
                } else if let Some(found) = TABLE.get(address, Owner::PERMANENT) {
                    assert_eq!(found, rule(address));
                    kept += 1;
                }
            }
        }
        assert!((8..=16).contains(&kept), "{kept} of 16 slots in use");
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::{
        super::rules::{CfaBase, FrameRule},
        *,
    };
    use loom::{sync::Arc, thread};

    /// Two addresses that share a slot in a table of two.
    const ADDRESSES: [usize; 2] = [0x1000, 0x1008];

    fn rule(address: usize) -> Rule {
        Rule::of(FrameRule {
            base: CfaBase::StackPointer,
            cfa: if address == ADDRESSES[0] { 16 } else { 32 },
            frame_pointer: None,
            return_address: Some(-8),
        })
    }

    #[test]
    fn a_reader_sees_the_rule_of_its_address_or_nothing() {
        loom::model(|| {
            let table = Arc::new(RuleTable::<2>::new());
            let [one, two] =
                ADDRESSES.map(|address| table.slot(address).unwrap() as *const RuleSlot);
            assert_eq!(one, two, "the addresses share a slot");
            let writers = ADDRESSES.map(|address| {
                let table = Arc::clone(&table);
                thread::spawn(move || table.put(address, Owner::PERMANENT, rule(address)))
            });
            for address in ADDRESSES {
                if let Some(found) = table.get(address, Owner::PERMANENT) {
                    assert_eq!(found, rule(address));
                }
            }
            for writer in writers {
                writer.join().unwrap();
            }
        });
    }

    #[test]
    fn a_reader_sees_the_rule_of_its_module_or_nothing() {
        loom::model(|| {
            let table = Arc::new(RuleTable::<2>::new());
            let [address, _] = ADDRESSES;
            let owners = [Owner::PERMANENT, Owner::of([7].into_iter())];
            let rules = [rule(ADDRESSES[0]), rule(ADDRESSES[1])];
            let writers = [0, 1].map(|i| {
                let table = Arc::clone(&table);
                thread::spawn(move || table.put(address, owners[i], rules[i]))
            });
            for (owner, rule) in owners.into_iter().zip(rules) {
                let found = table.get(address, owner);
                assert!(found.is_none_or(|found| found == rule));
            }
            for writer in writers {
                writer.join().unwrap();
            }
        });
    }
}
