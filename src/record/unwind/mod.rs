//! Stack capture: the return addresses of the current stack, leaf first.
//!
//! A sample calls it, outside all locks. Nothing in here allocates, takes the loader lock or waits.
//! `docs/unwinding.md` describes the alternatives and the measurements.
//!
//! The fast way is `walker`. It follows rules (`rules`) that `lookup` keeps, and that `cfi` reads
//! from `modules`. `libgcc` walks the stacks that `walker` cannot.

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

/// The maximum number of addresses kept of one stack: Go's and jemalloc's default. The leaf side is
/// kept.
pub(super) const MOST_FRAMES: usize = 128;

/// With less room a walk could run into the guard page. A sample whose rules are all new takes 6.3
/// KiB, or 18 to 19 without the optimizer. A signal handler on top takes more.
const LEAST_ROOM: usize = 24 << 10;

/// Stands for something other than code on a call stack.
///
/// Consumers match stacks by address. So each marker has a real address of its own, that of a
/// static byte, which stays the same while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// The sample came above the stack table's cap.
    TableFull,
    /// There was too little stack left to walk it.
    StackNearlyFull,
    /// The stack is deeper than the kept part. This is at its root.
    Truncated,
    /// The stack could not be walked.
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

    /// Like a return address: 1 after the byte that stands for the marker.
    pub(crate) fn address(self) -> usize {
        (&raw const MARKERS).addr() + self as usize + 1
    }

    /// The name in a profile.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TableFull => "[stack table full]",
            Self::StackNearlyFull => "[stack nearly full]",
            Self::Truncated => "[truncated]",
            Self::NoStack => "[no stack]",
        }
    }
}

/// Captures the calling thread's stack.
///
/// `frame` is an address inside the stack frame of a function. The caller of that function is the
/// first address kept. Frames at or below `frame` are the profiler's own. They are cut by address,
/// not by count or name.
#[inline(never)]
pub(super) fn capture(frame: usize) -> Stack {
    let mut stack = Stack::empty();
    let bounds = Bounds::around(frame);
    if bounds.is_some_and(|bounds| bounds.room_below(frame) < LEAST_ROOM) {
        stack.mark(Marker::StackNearlyFull);
        return stack;
    }
    // These are the registers of this function. Its frame stays until the stack is complete: the
    // calls below are not tail calls, since their results are used.
    let walk = bounds
        .filter(|_| loader::is_ready())
        .zip(Registers::here())
        .and_then(|(bounds, registers)| Walk::new(bounds, registers, frame));
    let complete = match walk {
        Some(walk) => walk.run(&mut stack),
        // The thread runs on the stack of a coroutine or of a signal handler, or the tables cannot
        // be found.
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

/// Fills the stack again, by libgcc. True if it reached the root.
fn by_libgcc(frame: usize, stack: &mut Stack) -> bool {
    stack.clear();
    libgcc::walk(frame, &mut |address| stack.keep(address))
}

/// The common input of all attempts at one stack.
#[derive(Clone, Copy, Debug)]
struct Walk {
    words: Words,
    registers: Registers,
    frame: usize,
}

impl Walk {
    /// `registers` belong to a function that runs on the stack of `bounds`, and returns only after
    /// the walk.
    #[inline(always)]
    fn new(bounds: Bounds, registers: Registers, frame: usize) -> Option<Self> {
        let words = Words::of_stack(&registers, bounds)?;
        Some(Self {
            words,
            registers,
            frame,
        })
    }

    /// Fills the stack. True if it reached the root.
    #[inline(always)]
    fn run(self, stack: &mut Stack) -> bool {
        match self.by_rules(Fallback::Stop, stack) {
            WalkEnd::Root | WalkEnd::Null => true,
            // Broken: a register does not hold what the tables say. libgcc would use it too, and
            // load from an arbitrary address.
            WalkEnd::Full | WalkEnd::Broken => false,
            end => self.fall_back(end, stack),
        }
    }

    /// Fills the stack again, by rules.
    #[inline(always)]
    fn by_rules(self, fallback: Fallback, stack: &mut Stack) -> WalkEnd {
        stack.clear();
        // Frames that end at or below `frame` are ours.
        let visit = |end, address| end <= self.frame || stack.keep(address);
        walker::walk(self.words, self.registers, lookup::rule_at, fallback, visit)
    }

    /// Fills the stack by the slower ways, after the fast walk ended at `end`. True if it reached
    /// the root.
    #[cold]
    #[inline(never)]
    fn fall_back(self, end: WalkEnd, stack: &mut Stack) -> bool {
        let reached = stack.addresses().len();
        // At an address that is in no table, libgcc reads the bytes there, to see whether they are
        // the return of a signal handler. A wrong register may have led to an address that is not
        // mapped.
        let nowhere = |address: &usize| !libgcc::is_readable(*address);
        if end == WalkEnd::NeedsLibgcc || !stack.addresses().last().is_some_and(nowhere) {
            let complete = by_libgcc(self.frame, stack);
            if end != WalkEnd::NoUnwindInfo || stack.addresses().len() > reached {
                // libgcc can walk every frame that has tables, also tables that were registered at
                // run time.
                return complete;
            }
        }
        let end = self.by_rules(Fallback::FramePointer, stack);
        matches!(end, WalkEnd::Root | WalkEnd::Null)
    }
}
