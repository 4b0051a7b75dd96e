//! The unwind rule of one code address, packed into one word.
//!
//! It is a plain value, and knows nothing of its source.

/// How to get from a frame to its caller's frame, packed:
///
/// | bits | meaning |
/// |---|---|
/// | 0..3 | kind: an odd number is a frame; the others hold nothing else; 0 is "no rule" |
/// | 3 | the frame pointer is saved at CFA + its offset |
/// | 4 | the return address is saved at CFA + its offset |
/// | 8..20 | offset of the saved frame pointer in words, signed |
/// | 20..32 | offset of the saved return address in words, signed |
/// | 32..64 | offset of the CFA in bytes, signed |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule(pub(super) u64);

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
/// The width of the two word offsets in bits.
const WORDS_BITS: u32 = 12;

/// The register that the CFA is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CfaBase {
    StackPointer,
    FramePointer,
}

/// The rule of a frame: its CFA, and where the caller's registers are saved.
///
/// The canonical frame address is where the frame ends: the stack pointer before the call. The
/// offsets are in bytes from it. `None`: the value is still in its register.
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
    /// The first function of a thread, which has no caller.
    Root,
    /// The unwind information does not fit into a word. Only libgcc can walk this frame.
    NeedsLibgcc,
    /// There is no unwind information.
    NoUnwindInfo,
}

impl Rule {
    pub(super) const ROOT: Self = Self(ROOT);
    pub(super) const NEEDS_LIBGCC: Self = Self(NEEDS_LIBGCC);
    pub(super) const NO_UNWIND_INFO: Self = Self(NO_UNWIND_INFO);

    /// [`NEEDS_LIBGCC`](Self::NEEDS_LIBGCC) if the frame does not fit into a word.
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

    /// Unpacks a frame, which nearly every rule is, in a few instructions.
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

/// The low half of `word`, as a signed number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "only the low half is wanted"
)]
#[inline(always)]
fn signed_half(word: u64) -> i32 {
    word as i32
}

/// Packs an offset in bytes. `None` if it is not a multiple of a word, or out of range.
fn pack_words(offset: isize) -> Option<u64> {
    const LIMIT: isize = 1 << (WORDS_BITS - 1);
    let words = offset >> 3;
    let fits = offset & 7 == 0 && (-LIMIT..LIMIT).contains(&words);
    fits.then_some(words.cast_unsigned() as u64 & ((1 << WORDS_BITS) - 1))
}

/// The offset in bytes.
#[inline(always)]
fn unpack_words(word: u64, shift: u32) -> isize {
    // Shifting to the top of a half word and back extends the sign. One bit less on the way back
    // multiplies by 8.
    let top = signed_half(word >> shift) << (i32::BITS - WORDS_BITS);
    (top >> (i32::BITS - WORDS_BITS - 3)) as isize
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
        fn packing_and_unpacking_returns_the_frame(frame in frame()) {
            prop_assert_eq!(Rule::of(frame).kind(), RuleKind::Frame(frame));
        }
    }

    #[test]
    fn a_frame_that_does_not_fit_a_word_needs_libgcc() {
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
}
