//! What a walk needs to know of one code address, in one word, and the table that keeps these words.
//!
//! A value type without a static, so that it is tested and model checked at a tiny size. It knows
//! nothing of where a rule comes from.

use crate::record::sync::{AtomicU64, Ordering, array_of, const_unless_loom};

/// How to get from one frame to its caller's, packed:
///
/// | bits | meaning |
/// |---|---|
/// | 0..3 | kind: odd is a frame, the rest has nothing else to say; 0 is "no rule" |
/// | 3 | the frame pointer is saved at CFA + its offset |
/// | 4 | the return address is saved at CFA + its offset |
/// | 8..20 | offset of the saved frame pointer in words, signed |
/// | 20..32 | offset of the saved return address in words, signed |
/// | 32..64 | offset of the CFA in bytes, signed |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule(u64);

const FRAME: u64 = 0b001;
const FROM_SP: u64 = FRAME;
const FROM_FP: u64 = FRAME | 0b010;
const ROOT: u64 = 0b010;
const NEEDS_LIBGCC: u64 = 0b100;
const NO_UNWIND_INFO: u64 = 0b110;

const FP_SAVED: u64 = 1 << 3;
const FP_SHIFT: u32 = 8;
const RA_SAVED: u64 = 1 << 4;
const RA_SHIFT: u32 = 20;
const CFA_SHIFT: u32 = 32;
/// Width of the two offsets in words.
const WORDS_BITS: u32 = 12;

/// The register that a frame's end is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CfaBase {
    StackPointer,
    FramePointer,
}

/// Where a frame ends (its canonical frame address, the stack pointer before the call) and where it
/// keeps what its caller needs, in bytes from there. `None`: still in the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameRule {
    pub(super) base: CfaBase,
    pub(super) cfa: i32,
    pub(super) frame_pointer: Option<isize>,
    pub(super) return_address: Option<isize>,
}

/// A rule, unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RuleKind {
    Frame(FrameRule),
    /// The first function of a thread: nobody called it.
    Root,
    /// There is unwind information that a word cannot hold: only libgcc can do this frame.
    NeedsLibgcc,
    /// There is no unwind information.
    NoUnwindInfo,
}

impl Rule {
    pub(super) const ROOT: Self = Self(ROOT);
    pub(super) const NEEDS_LIBGCC: Self = Self(NEEDS_LIBGCC);
    pub(super) const NO_UNWIND_INFO: Self = Self(NO_UNWIND_INFO);

    /// NeedsLibgcc, if the frame does not fit a word.
    pub(super) fn of(frame: FrameRule) -> Self {
        Self::pack(frame).unwrap_or(Self::NEEDS_LIBGCC)
    }

    fn pack(frame: FrameRule) -> Option<Self> {
        let mut word = match frame.base {
            CfaBase::StackPointer => FROM_SP,
            CfaBase::FramePointer => FROM_FP,
        };
        word |= u64::from(frame.cfa.cast_unsigned()) << CFA_SHIFT;
        if let Some(offset) = frame.frame_pointer {
            word |= FP_SAVED | pack_words(offset)? << FP_SHIFT;
        }
        if let Some(offset) = frame.return_address {
            word |= RA_SAVED | pack_words(offset)? << RA_SHIFT;
        }
        Some(Self(word))
    }

    /// What nearly every rule is, in a few instructions.
    #[inline(always)]
    pub(super) fn frame(self) -> Option<FrameRule> {
        if self.0 & FRAME == 0 {
            return None;
        }
        let base = if self.0 & FROM_FP == FROM_FP {
            CfaBase::FramePointer
        } else {
            CfaBase::StackPointer
        };
        let saved = |flag, shift| (self.0 & flag != 0).then(|| unpack_words(self.0, shift));
        Some(FrameRule {
            base,
            cfa: signed_half(self.0 >> CFA_SHIFT),
            frame_pointer: saved(FP_SAVED, FP_SHIFT),
            return_address: saved(RA_SAVED, RA_SHIFT),
        })
    }

    pub(super) fn kind(self) -> RuleKind {
        match self.frame() {
            Some(frame) => RuleKind::Frame(frame),
            None if self == Self::ROOT => RuleKind::Root,
            None if self == Self::NEEDS_LIBGCC => RuleKind::NeedsLibgcc,
            None => RuleKind::NoUnwindInfo,
        }
    }
}

/// The low half of `word`, as the signed number that it holds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half is what is meant"
)]
#[inline(always)]
fn signed_half(word: u64) -> i32 {
    word as i32
}

/// `None` if `offset` is no multiple of a word, or out of the field's range.
fn pack_words(offset: isize) -> Option<u64> {
    const LIMIT: isize = 1 << (WORDS_BITS - 1);
    let words = offset >> 3;
    let fits = offset & 7 == 0 && (-LIMIT..LIMIT).contains(&words);
    fits.then_some(words.cast_unsigned() as u64 & ((1 << WORDS_BITS) - 1))
}

/// In bytes.
#[inline(always)]
fn unpack_words(word: u64, shift: u32) -> isize {
    // To the top of a half word and back down, which extends the sign; one place less is times 8.
    let top = signed_half(word >> shift) << (i32::BITS - WORDS_BITS);
    (top >> (i32::BITS - WORDS_BITS - 3)) as isize
}

/// Keeps the rules of the code addresses met last: direct-mapped, without a lock. A `get` returns what
/// was put for that address and owner, or nothing.
pub(super) struct RuleTable<const SLOTS: usize> {
    slots: [RuleSlot; SLOTS],
}

/// Both halves in one cache line.
#[repr(align(16))]
struct RuleSlot {
    /// The address, XORed with the rule and the owner (Hyatt's trick of shared chess tables): the halves
    /// of two writers do not match each other, so a torn pair reads as empty.
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

/// Whose code is at an address: a module that stays for as long as the process, or this very one of those
/// that come and go. As a part of the key it makes a rule unfindable once its module was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner(u64);

impl Owner {
    pub(super) const PERMANENT: Self = Self(0);

    /// Two owners of different words are the same once in 2^63.
    pub(super) fn of(words: impl Iterator<Item = u64>) -> Self {
        let mixed = words.fold(0u64, |mixed, word| {
            (mixed ^ word)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .rotate_left(23)
        });
        // Above all user addresses, so that no address of a permanent module gives the same key.
        Self(mixed | 1 << 63)
    }
}

// Relaxed throughout: a rule points to no other memory, and the key tells whether the halves belong
// together.
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
        // An empty slot matches address 0 of a permanent module, where there is no code: "unknown".
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
        // Fibonacci hashing: return addresses differ in their low bits, the product's high ones are mixed.
        let hash = (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let index = hash >> (u64::BITS - SLOTS.trailing_zeros());
        self.slots.get(usize::try_from(index).ok()?)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame() -> impl Strategy<Value = FrameRule> {
        let offset = || proptest::option::of((-2048isize..2048).prop_map(|words| words * 8));
        (any::<bool>(), any::<i32>(), offset(), offset()).prop_map(|(stack, cfa, fp, ra)| {
            FrameRule {
                base: if stack {
                    CfaBase::StackPointer
                } else {
                    CfaBase::FramePointer
                },
                cfa,
                frame_pointer: fp,
                return_address: ra,
            }
        })
    }

    proptest! {
        #[test]
        fn a_frame_survives_its_word(frame in frame()) {
            prop_assert_eq!(Rule::of(frame).kind(), RuleKind::Frame(frame));
        }
    }

    #[test]
    fn what_does_not_fit_a_word_is_foreign() {
        let fits = FrameRule {
            base: CfaBase::StackPointer,
            cfa: 16,
            frame_pointer: Some(-16),
            return_address: Some(-8),
        };
        assert_ne!(Rule::of(fits), Rule::NEEDS_LIBGCC);
        for offset in [-4, 2048 * 8, -2049 * 8] {
            let frame_pointer = Some(offset);
            assert_eq!(
                Rule::of(FrameRule {
                    frame_pointer,
                    ..fits
                }),
                Rule::NEEDS_LIBGCC
            );
            let return_address = Some(offset);
            assert_eq!(
                Rule::of(FrameRule {
                    return_address,
                    ..fits
                }),
                Rule::NEEDS_LIBGCC
            );
        }
        assert_eq!(Rule::ROOT.kind(), RuleKind::Root);
        assert_eq!(Rule::NEEDS_LIBGCC.kind(), RuleKind::NeedsLibgcc);
        assert_eq!(Rule::NO_UNWIND_INFO.kind(), RuleKind::NoUnwindInfo);
    }

    #[test]
    fn a_table_gives_back_what_was_put_for_that_owner() {
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
            "another module, at one place"
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
    use super::*;
    use loom::{sync::Arc, thread};

    /// Two addresses that share a slot of a table of two.
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
    fn a_reader_sees_the_rule_of_the_module_that_it_asks_for_or_nothing() {
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
