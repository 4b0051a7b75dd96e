//! The loop that walks from frame to frame.
//!
//! It uses the given rules and the words of the stack. Whatever the rules say, it loads only from
//! the thread's own stack, above its start. Each step leads higher, so it ends.

#![expect(unsafe_code, reason = "loads words of the stack")]

use super::{
    bounds::Bounds,
    registers::{Registers, without_signature},
    rules::{CfaBase, FrameRule, Rule, RuleKind},
};
use core::ptr;

/// No code lies below this address: a return address of 0 ends some stacks.
const LOWEST_CODE: usize = 4096;
const WORD: usize = size_of::<usize>();

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WalkEnd {
    /// At the thread's first function.
    Root,
    /// The visitor stopped it.
    Full,
    /// At a return address of 0: the root of a hand-made thread.
    Null,
    /// At a frame that only libgcc can walk.
    NeedsLibgcc,
    /// At a frame without unwind information.
    NoUnwindInfo,
    /// A rule led out of the stack: the tables are wrong, or a register that they use is.
    Broken,
}

/// What to do at a frame without unwind information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fallback {
    Stop,
    /// Takes one step by the frame pointer, if that leads to a return address with unwind
    /// information.
    FramePointer,
}

/// The words that may be loaded: those of the stack, from the start of the walk on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    low: usize,
    high: usize,
    /// The distance from `low` to the last word.
    span: usize,
}

impl Words {
    /// The part of the stack within `bounds` that is in use. `registers` belong to a function that
    /// returns only after the last load. `None` if the function is not on that stack.
    #[inline(always)]
    pub(super) fn of_stack(registers: &Registers, bounds: Bounds) -> Option<Self> {
        let low = registers.stack_pointer;
        let high = bounds.high;
        let span = high.checked_sub(low)?.checked_sub(WORD)?;
        (low >= bounds.low).then_some(Self { low, high, span })
    }

    #[inline(always)]
    fn load(self, address: usize) -> Option<usize> {
        // An address below `low` wraps around to a distance greater than the span.
        if address.wrapping_sub(self.low) > self.span || !address.is_multiple_of(WORD) {
            return None;
        }
        // SAFETY: the address is aligned. It is on the thread's own stack (`Bounds`), at or above
        // the stack pointer of a function that has not returned (`of_stack`): the stack is mapped
        // from there to its end. Volatile, since the words are other functions' locals, and the
        // compiler may assume anything about them.
        Some(unsafe { ptr::with_exposed_provenance::<usize>(address).read_volatile() })
    }
}

/// Walks from `from` towards the root.
///
/// Calls `visit` for each frame with the frame's end, which lies above all of its content, and with
/// its return address. A `visit` that returns false ends the walk.
#[inline(always)]
pub(super) fn walk(
    words: Words,
    from: Registers,
    rule_at: impl Fn(usize) -> Rule,
    fallback: Fallback,
    mut visit: impl FnMut(usize, usize) -> bool,
) -> WalkEnd {
    let mut address = from.instruction;
    let mut stack_pointer = from.stack_pointer;
    let mut frame_pointer = from.frame_pointer;
    // Only in the first frame the return address is in a register: every other frame has made a
    // call.
    let mut link = from.link;
    loop {
        let rule = rule_at(address);
        let caller = if let Some(frame) = rule.frame() {
            match by_rule(words, stack_pointer, frame_pointer, link, frame) {
                Some(caller) => caller,
                None => return WalkEnd::Broken,
            }
        } else {
            // By value: a reference would keep the registers in memory during the whole loop.
            let rule_at = &rule_at;
            let step = move || by_frame_pointer(words, stack_pointer, frame_pointer, rule_at);
            match without_frame(rule, fallback, step) {
                Ok(caller) => caller,
                Err(end) => return end,
            }
        };
        if caller.return_address < LOWEST_CODE {
            return WalkEnd::Null;
        }
        if !visit(caller.stack_pointer, caller.return_address) {
            return WalkEnd::Full;
        }
        stack_pointer = caller.stack_pointer;
        frame_pointer = caller.frame_pointer;
        link = None;
        // An address inside the call: the code after it may belong to another function.
        address = caller.return_address.wrapping_sub(1);
    }
}

/// Handles a rule that has no frame. Separate from the loop, which uses all registers.
#[cold]
#[inline(never)]
fn without_frame(
    rule: Rule,
    fallback: Fallback,
    step: impl FnOnce() -> Option<CallerFrame>,
) -> Result<CallerFrame, WalkEnd> {
    match rule.kind() {
        RuleKind::Frame(_) => Err(WalkEnd::Broken),
        RuleKind::Root => Err(WalkEnd::Root),
        RuleKind::NeedsLibgcc => Err(WalkEnd::NeedsLibgcc),
        RuleKind::NoUnwindInfo if fallback == Fallback::Stop => Err(WalkEnd::NoUnwindInfo),
        RuleKind::NoUnwindInfo => step().ok_or(WalkEnd::NoUnwindInfo),
    }
}

/// The registers of a frame's caller when the frame returns.
struct CallerFrame {
    /// Where the frame ends. It lies above the `stack_pointer` of the step before.
    stack_pointer: usize,
    frame_pointer: usize,
    return_address: usize,
}

/// `None` if the rule leads out of the stack.
#[inline(always)]
fn by_rule(
    words: Words,
    stack_pointer: usize,
    frame_pointer: usize,
    link: Option<usize>,
    frame: FrameRule,
) -> Option<CallerFrame> {
    let base = match frame.base {
        CfaBase::StackPointer => stack_pointer,
        CfaBase::FramePointer => frame_pointer,
    };
    let end = base.wrapping_add_signed(frame.cfa as isize);
    if end <= stack_pointer || end > words.high || !end.is_multiple_of(WORD) {
        return None;
    }
    let saved = |offset| words.load(end.wrapping_add_signed(offset));
    // Always loads a word, if only the return address. A branch here is unpredictable, and a wrong
    // prediction would cost more than the rest of the step.
    let candidate = saved(frame.frame_pointer.unwrap_or(-WORD.cast_signed()))?;
    let frame_pointer = if frame.frame_pointer.is_some() {
        candidate
    } else {
        frame_pointer
    };
    // On x86-64 a call stores it there, and `cfi` makes no other rule. As a constant it is a single
    // load.
    let return_address = if cfg!(target_arch = "x86_64") {
        Some(-WORD.cast_signed())
    } else {
        frame.return_address
    };
    let return_address = match return_address {
        Some(offset) => saved(offset)?,
        None => link?,
    };
    Some(CallerFrame {
        stack_pointer: end,
        frame_pointer,
        return_address: without_signature(return_address),
    })
}

/// Takes one step through a frame as compilers lay it out with a frame pointer: that register
/// points to the caller's frame pointer, and the return address lies above it. `None` if this is
/// not on the stack, or leads to code without unwind information.
fn by_frame_pointer(
    words: Words,
    stack_pointer: usize,
    frame_pointer: usize,
    rule_at: &impl Fn(usize) -> Rule,
) -> Option<CallerFrame> {
    if frame_pointer < stack_pointer {
        return None;
    }
    let return_address = without_signature(words.load(frame_pointer.checked_add(WORD)?)?);
    let known = rule_at(return_address.checked_sub(1)?).kind() != RuleKind::NoUnwindInfo;
    let caller = CallerFrame {
        stack_pointer: frame_pointer.checked_add(2 * WORD)?,
        frame_pointer: words.load(frame_pointer)?,
        return_address,
    };
    known.then_some(caller)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Walks over a stack of the given words, with the stack pointer at the lowest one. Returns the
    /// end of the walk and its frames: the end of each, in words from the lowest, and its return
    /// address.
    fn walk_over(
        words: &[usize],
        frame_pointer: usize,
        rule_at: impl Fn(usize) -> Rule,
        fallback: Fallback,
    ) -> (WalkEnd, Vec<(usize, usize)>) {
        let low = words.as_ptr().expose_provenance();
        let registers = Registers {
            instruction: 0x10_000,
            stack_pointer: low,
            frame_pointer: low.wrapping_add(frame_pointer * WORD),
            link: None,
        };
        let high = low + size_of_val(words);
        let bounds = Bounds {
            low: low - (1 << 20),
            high,
        };
        let mut found = Vec::new();
        let visit = |end: usize, address| {
            found.push(((end - low) / WORD, address));
            true
        };
        let end = walk(
            Words::of_stack(&registers, bounds).unwrap(),
            registers,
            rule_at,
            fallback,
            visit,
        );
        (end, found)
    }

    fn frame(base: CfaBase, words: i32, frame_pointer: Option<isize>) -> Rule {
        Rule::of(FrameRule {
            base,
            cfa: words * 8,
            frame_pointer: frame_pointer.map(|words| words * 8),
            return_address: Some(-8),
        })
    }

    #[test]
    fn frames_follow_each_other_to_the_root() {
        // Three words by stack pointer, with the frame pointer saved; then two from that; then the
        // root.
        let mut words = [7, 0, 0x20_000, 7, 7, 7, 0x30_000, 7];
        words[1] = words.as_ptr().addr() + 5 * WORD;
        let rule_at = |address| match address {
            0x10_000 => frame(CfaBase::StackPointer, 3, Some(-2)),
            0x1f_fff => frame(CfaBase::FramePointer, 2, None),
            0x2f_fff => Rule::ROOT,
            other => panic!("{other:x}"),
        };
        let (end, found) = walk_over(&words, 0, rule_at, Fallback::Stop);
        assert_eq!(end, WalkEnd::Root);
        assert_eq!(found, [(3, 0x20_000), (7, 0x30_000)]);
    }

    #[test]
    fn a_rule_that_leads_out_of_the_stack_ends_the_walk() {
        let words = [0x20_000usize; 8];
        for rule in [
            frame(CfaBase::StackPointer, 0, None),
            frame(CfaBase::StackPointer, -1, None),
            frame(CfaBase::StackPointer, 9, None),
            frame(CfaBase::FramePointer, 1, None),
            frame(CfaBase::StackPointer, 2, Some(-3)),
            frame(CfaBase::StackPointer, 2, Some(6)),
            Rule::of(FrameRule {
                base: CfaBase::StackPointer,
                cfa: 12,
                frame_pointer: None,
                return_address: Some(-8),
            }),
        ] {
            let (end, found) = walk_over(&words, 1 << 40, |_| rule, Fallback::Stop);
            assert_eq!((end, found), (WalkEnd::Broken, vec![]), "{rule:?}");
        }
    }

    #[test]
    fn a_walk_can_end_in_other_ways() {
        let words = [0, 0x20_000];
        let two = frame(CfaBase::StackPointer, 2, None);
        let one = frame(CfaBase::StackPointer, 1, None);
        assert_eq!(
            walk_over(&words, 0, |_| one, Fallback::Stop).0,
            WalkEnd::Null
        );
        assert_eq!(
            walk_over(&words, 0, |_| Rule::NEEDS_LIBGCC, Fallback::FramePointer).0,
            WalkEnd::NeedsLibgcc
        );
        assert_eq!(
            walk_over(&words, 0, |_| Rule::NO_UNWIND_INFO, Fallback::Stop).0,
            WalkEnd::NoUnwindInfo
        );
        // The second frame begins at the end of the stack.
        let (end, found) = walk_over(&words, 0, |_| two, Fallback::Stop);
        assert_eq!((end, found), (WalkEnd::Broken, vec![(2, 0x20_000)]));
    }

    #[test]
    fn a_step_by_frame_pointer_has_to_land_on_known_code() {
        let words = [7, 0, 0x20_000, 7];
        let known = |address| match address {
            0x1f_fff => Rule::ROOT,
            _ => Rule::NO_UNWIND_INFO,
        };
        let (end, found) = walk_over(&words, 1, known, Fallback::FramePointer);
        assert_eq!((end, found), (WalkEnd::Root, vec![(3, 0x20_000)]));
        for (frame_pointer, rule) in [
            (2, Rule::ROOT),
            (3, Rule::ROOT),
            (1 << 40, Rule::ROOT),
            (1, Rule::NO_UNWIND_INFO),
        ] {
            let rule_at = |address| match address {
                0x1f_fff => rule,
                _ => Rule::NO_UNWIND_INFO,
            };
            let (end, found) = walk_over(&words, frame_pointer, rule_at, Fallback::FramePointer);
            assert_eq!(
                (end, found),
                (WalkEnd::NoUnwindInfo, vec![]),
                "{frame_pointer}"
            );
        }
    }

    proptest! {
        /// With any stack and any rules the walk ends, only goes up, and stays on the stack.
        #[test]
        fn a_walk_is_safe_with_any_rules_on_any_stack(
            words in proptest::collection::vec((0usize..64, any::<bool>()), 1..64),
            rules in proptest::collection::vec((0usize..5, -4i32..12, -4isize..4), 16),
            frame_pointer in 0usize..64,
        ) {
            let mut stack = vec![0; words.len()];
            let low = stack.as_ptr().addr();
            for (slot, (value, is_address)) in stack.iter_mut().zip(words) {
                *slot = if is_address { low + value * WORD } else { LOWEST_CODE + value };
            }
            let rule_at = |address: usize| match rules[address % rules.len()] {
                (0, ..) => Rule::NO_UNWIND_INFO,
                (1 | 2, words, saved) => frame(CfaBase::StackPointer, words, Some(saved)),
                (_, words, saved) => frame(CfaBase::FramePointer, words, Some(saved)),
            };
            for fallback in [Fallback::Stop, Fallback::FramePointer] {
                let (_, found) = walk_over(&stack, frame_pointer, rule_at, fallback);
                prop_assert!(found.is_sorted_by(|(a, _), (b, _)| a < b));
                prop_assert!(found.iter().all(|(end, _)| (1..=stack.len()).contains(end)));
            }
        }
    }
}
