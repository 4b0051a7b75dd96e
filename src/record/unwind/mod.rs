//! Stack capture: return addresses of the current stack, leaf first.
//!
//! Called outside of all locks, from a sample. Nothing in here allocates, takes the loader lock or
//! waits.

mod bounds;
mod libgcc;

/// Most addresses kept of one stack: Go's and jemalloc's default. The leaf side is kept.
pub(super) const MOST_FRAMES: usize = 128;

/// With less room than this a walk could run into the guard page: libgcc needs about 3 KiB, a signal
/// handler on top of it some more.
const LEAST_ROOM: usize = 16 << 10;

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

/// A captured stack.
#[derive(Debug)]
pub(super) struct Stack {
    addresses: [usize; MOST_FRAMES + 1],
    len: usize,
}

impl Stack {
    /// The return addresses, leaf first.
    pub(super) fn addresses(&self) -> &[usize] {
        self.addresses.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, address: usize) -> bool {
        match self.addresses.get_mut(self.len) {
            Some(slot) => {
                *slot = address;
                self.len += 1;
                true
            }
            None => false,
        }
    }

    fn mark(&mut self, marker: Marker) {
        // The array has room for one address more than a walk may fill.
        let _has_room = self.push(marker.address());
    }
}

/// Captures the calling thread's stack. `frame` is an address inside of the stack frame of the function
/// whose caller is wanted first: frames at or below it are the profiler's own and are cut by address,
/// not by count or name.
#[inline(never)]
pub(super) fn capture(frame: usize) -> Stack {
    let mut stack = Stack {
        addresses: [0; MOST_FRAMES + 1],
        len: 0,
    };
    if bounds::room_below(frame).is_some_and(|room| room < LEAST_ROOM) {
        stack.mark(Marker::StackNearlyFull);
        return stack;
    }
    let complete = libgcc::walk(frame, &mut |address| {
        stack.len < MOST_FRAMES && stack.push(address)
    });
    if stack.len == 0 {
        stack.mark(Marker::NoStack);
    } else if !complete {
        stack.mark(Marker::Truncated);
    }
    stack
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn leaf() -> Stack {
        let here = 0u8;
        capture((&raw const here).addr())
    }

    #[inline(never)]
    fn nested(depth: usize) -> Stack {
        if depth == 0 {
            return leaf();
        }
        let stack = nested(depth - 1);
        std::hint::black_box(&stack);
        stack
    }

    fn names(stack: &Stack) -> Vec<String> {
        let mut names = Vec::new();
        for address in stack.addresses() {
            backtrace::resolve(*address as *mut _, |symbol| {
                names.push(format!("{:#}", symbol.name().unwrap()));
            });
        }
        names
    }

    #[test]
    fn the_first_address_is_the_caller_of_the_given_frame() {
        let stack = nested(2);
        let names = names(&stack);
        assert!(names[0].ends_with("tests::nested"), "{names:#?}");
        assert!(!names.iter().any(|name| name.contains("capture")));
        assert_eq!(names.iter().filter(|n| n.ends_with("::nested")).count(), 3);
    }

    #[test]
    fn a_deep_stack_keeps_its_leaf_and_says_that_it_was_cut() {
        let stack = nested(300);
        assert_eq!(stack.addresses().len(), MOST_FRAMES + 1);
        assert_eq!(stack.addresses().last(), Some(&Marker::Truncated.address()));
        assert!(names(&stack)[0].ends_with("tests::nested"));
    }

    #[test]
    fn near_the_end_of_the_stack_nothing_is_walked() {
        fn descend() -> Stack {
            let here = [0u8; 512];
            std::hint::black_box(&here);
            let frame = here.as_ptr().addr();
            if bounds::room_below(frame).unwrap() < LEAST_ROOM {
                return capture(frame);
            }
            let stack = descend();
            std::hint::black_box(&here);
            stack
        }
        let thread = std::thread::Builder::new().stack_size(256 << 10);
        let stack = thread.spawn(descend).unwrap().join().unwrap();
        assert_eq!(stack.addresses(), [Marker::StackNearlyFull.address()]);
    }

    #[test]
    fn markers_have_addresses_of_their_own() {
        let mut addresses = Marker::ALL.map(Marker::address).to_vec();
        addresses.dedup();
        assert_eq!(addresses.len(), Marker::ALL.len());
        let bytes = (&raw const MARKERS).addr()..(&raw const MARKERS).addr() + MARKERS.len();
        assert!(
            addresses
                .iter()
                .all(|a| bytes.contains(&(a - 1)) && bytes.contains(a))
        );
    }
}
