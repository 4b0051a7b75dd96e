//! Stack capture: return addresses of the current stack, leaf first.
//!
//! Called outside of all locks, from a sample. Nothing in here allocates, takes the loader lock or
//! waits. `docs/unwinding.md` says what was weighed and measured.
//!
//! The fast way is `walker`, by the rules that `lookup` keeps (`rules`), which `cfi` reads out of
//! `modules`. What it cannot do goes to `libgcc`.

mod bounds;
mod cfi;
mod libgcc;
mod loader;
mod lookup;
mod modules;
mod registers;
mod rule_table;
mod rules;
mod stack;
mod walker;

#[cfg(all(
    any(test, heaptide_compare),
    not(loom),
    target_os = "linux",
    target_env = "gnu"
))]
mod comparison;
#[cfg(all(test, not(loom), target_os = "linux", target_env = "gnu"))]
mod libraries;
#[cfg(all(
    test,
    not(loom),
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64"
))]
mod odd_frames;
#[cfg(all(test, not(loom), target_os = "linux", target_env = "gnu"))]
mod real_stacks;
#[cfg(all(test, not(loom), target_os = "linux", target_env = "gnu"))]
mod tests;
#[cfg(all(test, not(loom), target_os = "linux", target_env = "gnu"))]
mod times;

#[cfg(heaptide_compare)]
pub use comparison::{Comparison, comparison};

use bounds::Bounds;
use registers::Registers;
pub(super) use stack::Stack;
use walker::{Fallback, WalkEnd, Words};

/// Most addresses kept of one stack: Go's and jemalloc's default. The leaf side is kept.
pub(super) const MOST_FRAMES: usize = 128;

/// With less room than this a walk could run into the guard page: all of a sample whose rules are new takes
/// 6.3 KiB, without the optimizer 18 to 19, and a signal handler on top of it some more.
const LEAST_ROOM: usize = 24 << 10;

/// Stands for something that is not code, as an address on a call stack.
///
/// Consumers match stacks by address, so a marker has a real one, of its own and the same for the whole
/// life of the process: that of a static byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// The sample came past the stack table's cap.
    TableFull,
    /// There was too little stack left to walk it.
    StackNearlyFull,
    /// The stack is deeper than what was kept; this is at its root.
    Truncated,
    /// The stack could not be walked at all.
    NoStack,
}

/// One byte more than there are markers, since a profile holds return addresses less 1.
static MARKERS: [u8; 5] = [0; 5];

impl Marker {
    pub(crate) const ALL: [Self; 4] = [
        Self::TableFull,
        Self::StackNearlyFull,
        Self::Truncated,
        Self::NoStack,
    ];

    /// As return addresses are: 1 behind the byte that stands for it.
    pub(crate) fn address(self) -> usize {
        (&raw const MARKERS).addr() + self as usize + 1
    }

    /// What a profile shows.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TableFull => "[stack table full]",
            Self::StackNearlyFull => "[stack nearly full]",
            Self::Truncated => "[truncated]",
            Self::NoStack => "[no stack]",
        }
    }
}

/// Captures the calling thread's stack. `frame` is an address inside of the stack frame of the function
/// whose caller is wanted first: frames at or below it are the profiler's own and are cut by address,
/// not by count or name.
#[inline(never)]
pub(super) fn capture(frame: usize) -> Stack {
    let mut stack = Stack::empty();
    let bounds = Bounds::around(frame);
    if bounds.is_some_and(|bounds| bounds.room_below(frame) < LEAST_ROOM) {
        stack.mark(Marker::StackNearlyFull);
        return stack;
    }
    // The registers are this function's, whose frame is in place until the stack is complete: the calls
    // below are no tail calls, since what they return is looked at.
    let walk = bounds
        .filter(|_| loader::is_ready())
        .zip(Registers::here())
        .and_then(|(bounds, registers)| Walk::new(bounds, registers, frame));
    let complete = match walk {
        Some(walk) => walk.run(&mut stack),
        // On a coroutine's or a signal handler's own stack; or the tables cannot be found.
        None => by_libgcc(frame, &mut stack),
    };
    if stack.addresses().is_empty() {
        stack.mark(Marker::NoStack);
    } else if !complete {
        stack.mark(Marker::Truncated);
    }
    #[cfg(heaptide_compare)]
    comparison::check(frame, &stack);
    stack
}

/// Fills the stack anew; true if the root was reached.
fn by_libgcc(frame: usize, stack: &mut Stack) -> bool {
    stack.clear();
    libgcc::walk(frame, &mut |address| stack.keep(address))
}

/// What all attempts at one stack share.
#[derive(Clone, Copy, Debug)]
struct Walk {
    words: Words,
    registers: Registers,
    frame: usize,
}

impl Walk {
    /// `registers` are those of a function that returns after the walk only, on the stack of `bounds`.
    #[inline(always)]
    fn new(bounds: Bounds, registers: Registers, frame: usize) -> Option<Self> {
        let words = Words::of_stack(&registers, bounds)?;
        Some(Self {
            words,
            registers,
            frame,
        })
    }

    /// Fills the stack; true if the root was reached.
    #[inline(always)]
    fn run(self, stack: &mut Stack) -> bool {
        match self.by_rules(Fallback::Stop, stack) {
            WalkEnd::Root | WalkEnd::Null => true,
            // Broken: a register holds something else than the tables say. libgcc would go by it too, and
            // load from wherever it points to.
            WalkEnd::Full | WalkEnd::Broken => false,
            end => self.fall_back(end, stack),
        }
    }

    /// Fills the stack anew, by rules.
    #[inline(always)]
    fn by_rules(self, fallback: Fallback, stack: &mut Stack) -> WalkEnd {
        stack.clear();
        // What ends at or below `frame` is ours.
        let visit = |end, address| end <= self.frame || stack.keep(address);
        walker::walk(self.words, self.registers, lookup::rule_at, fallback, visit)
    }

    /// What the fast walk could not do.
    #[cold]
    #[inline(never)]
    fn fall_back(self, end: WalkEnd, stack: &mut Stack) -> bool {
        let reached = stack.addresses().len();
        // At an address that is in none of its tables libgcc looks whether the bytes there are a signal
        // handler's return. What a garbled register led to need not be mapped at all.
        let nowhere = |address: &usize| !libgcc::can_look_at(*address);
        if end == WalkEnd::NeedsLibgcc || !stack.addresses().last().is_some_and(nowhere) {
            let complete = by_libgcc(self.frame, stack);
            if end != WalkEnd::NoUnwindInfo || stack.addresses().len() > reached {
                // It can do every frame that has tables, those registered at run time included.
                return complete;
            }
        }
        let end = self.by_rules(Fallback::FramePointer, stack);
        matches!(end, WalkEnd::Root | WalkEnd::Null)
    }
}
