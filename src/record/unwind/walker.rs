//! The loop from frame to frame.
//!
//! It goes by the rules it is given and by the words of the stack. Whatever the rules say, it loads only
//! from the thread's own stack above where it began, and each step takes it higher, so it ends.

#![expect(unsafe_code, reason = "loads words of the stack")]

use super::{
    bounds::Bounds,
    registers::{Registers, without_signature},
    rules::{Base, Frame, Rule, Step},
};
use core::ptr;

/// No code lies below this address: a return address of 0 ends some stacks.
const LOWEST_CODE: usize = 4096;
const WORD: usize = size_of::<usize>();

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At the thread's first function.
    Root,
    /// The visitor wanted no more.
    Full,
    /// At a return address of 0: the root of a hand-made thread, or a stale rule's mistake.
    Null,
    /// At a frame that only libgcc can do.
    Foreign,
    /// At a frame without unwind information.
    Unknown,
    /// A rule led out of the stack: it is stale, or the tables are wrong.
    Broken,
}

/// What to do at a frame without unwind information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Untabled {
    Stop,
    /// One step by the frame pointer, if that leads to a return address with unwind information.
    Step,
}

/// Words that may be loaded: those of the stack, from where the walk began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    low: usize,
    high: usize,
}

impl Words {
    /// All that is in use of the stack within `bounds`, seen from a function on it that returns only
    /// after they were used; `registers` are its.
    #[inline(always)]
    pub(super) fn of_stack(registers: &Registers, bounds: Bounds) -> Self {
        Self {
            low: registers.stack_pointer.max(bounds.low),
            high: bounds.high,
        }
    }

    #[inline(always)]
    fn load(self, address: usize) -> Option<usize> {
        let inside = address >= self.low
            && address.is_multiple_of(WORD)
            && address < self.high
            && self.high - address >= WORD;
        if !inside {
            return None;
        }
        // SAFETY: aligned, and on the thread's own stack (`Bounds`), at or above the stack pointer of a
        // function that has not returned (`of_stack`): the stack is mapped from there to its end.
        // Volatile: these are other functions' locals, of which the compiler may think what it likes.
        Some(unsafe { ptr::with_exposed_provenance::<usize>(address).read_volatile() })
    }
}

/// Walks from `from` towards the root. `visit` is called for each frame with its end, which lies above all
/// that it holds, and with the return address found in it; false ends the walk.
#[inline(always)]
pub(super) fn walk(
    words: Words,
    from: Registers,
    rule_at: impl Fn(usize) -> Rule,
    untabled: Untabled,
    mut visit: impl FnMut(usize, usize) -> bool,
) -> End {
    let mut address = from.instruction;
    let mut stack_pointer = from.stack_pointer;
    let mut frame_pointer = from.frame_pointer;
    // In a register in the first frame only: every other one has made a call.
    let mut link = from.link;
    loop {
        let caller = match rule_at(address).step() {
            Step::Frame(frame) => by_rule(words, stack_pointer, frame_pointer, link, frame),
            Step::Root => return End::Root,
            Step::Foreign => return End::Foreign,
            Step::Unknown if untabled == Untabled::Stop => return End::Unknown,
            Step::Unknown => {
                let caller = by_frame_pointer(words, stack_pointer, frame_pointer);
                let known = |caller: &Caller| {
                    let address = caller.return_address.checked_sub(1);
                    address.is_some_and(|address| rule_at(address).step() != Step::Unknown)
                };
                match caller.filter(known) {
                    Some(caller) => Some(caller),
                    None => return End::Unknown,
                }
            }
        };
        let Some(caller) = caller else {
            return End::Broken;
        };
        if caller.return_address < LOWEST_CODE {
            return End::Null;
        }
        if !visit(caller.stack_pointer, caller.return_address) {
            return End::Full;
        }
        stack_pointer = caller.stack_pointer;
        frame_pointer = caller.frame_pointer;
        link = None;
        // Inside of the call: what follows it may belong to another function.
        address = caller.return_address - 1;
    }
}

/// The registers of a frame's caller, as they are when the frame returns.
struct Caller {
    /// Where the frame ends: above the caller's `stack_pointer` of the step before.
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
    frame: Frame,
) -> Option<Caller> {
    let base = match frame.base {
        Base::StackPointer => stack_pointer,
        Base::FramePointer => frame_pointer,
    };
    let end = base.wrapping_add_signed(frame.cfa as isize);
    if end <= stack_pointer || end > words.high || !end.is_multiple_of(WORD) {
        return None;
    }
    let saved = |offset| words.load(end.wrapping_add_signed(offset));
    let frame_pointer = match frame.frame_pointer {
        Some(offset) => saved(offset)?,
        None => frame_pointer,
    };
    let return_address = match frame.return_address {
        Some(offset) => saved(offset)?,
        None => link?,
    };
    Some(Caller {
        stack_pointer: end,
        frame_pointer,
        return_address: without_signature(return_address),
    })
}

/// As compilers lay frames out that have a frame pointer: it points to the caller's, above which there is
/// the return address. `None` if that is not on the stack.
fn by_frame_pointer(words: Words, stack_pointer: usize, frame_pointer: usize) -> Option<Caller> {
    if frame_pointer < stack_pointer {
        return None;
    }
    let return_address = words.load(frame_pointer.checked_add(WORD)?)?;
    Some(Caller {
        stack_pointer: frame_pointer.checked_add(2 * WORD)?,
        frame_pointer: words.load(frame_pointer)?,
        return_address: without_signature(return_address),
    })
}
