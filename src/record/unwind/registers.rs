//! The registers at the start of a walk, for each machine.
//!
//! Unwind tables hold for every instruction, so a walk can start at any place of any function.

#![expect(unsafe_code, reason = "reads registers")]

use core::arch::asm;

/// The registers of one frame that rules refer to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registers {
    /// The address of the instruction at which the others were read.
    pub(super) instruction: usize,
    pub(super) stack_pointer: usize,
    pub(super) frame_pointer: usize,
    /// The return address, on machines that keep it in a register until it is saved.
    pub(super) link: Option<usize>,
}

impl Registers {
    /// Reads the registers of the function that this is inlined into. Its frame has to outlive the
    /// walk. `None` on a machine whose rules are unknown here.
    #[inline(always)]
    pub(super) fn here() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return Some(Self::x86_64());
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        return Some(Self::aarch64());
        #[cfg(not(any(
            target_arch = "x86_64",
            all(target_arch = "aarch64", target_endian = "little")
        )))]
        return None;
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn x86_64() -> Self {
        let (instruction, stack_pointer, frame_pointer);
        // SAFETY: reads three registers, and changes neither memory nor flags.
        unsafe {
            asm!(
                "lea {instruction}, [rip]",
                "mov {stack_pointer}, rsp",
                "mov {frame_pointer}, rbp",
                instruction = out(reg) instruction,
                stack_pointer = out(reg) stack_pointer,
                frame_pointer = out(reg) frame_pointer,
                options(nomem, nostack, preserves_flags)
            );
        }
        Self {
            instruction,
            stack_pointer,
            frame_pointer,
            link: None,
        }
    }

    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    #[inline(always)]
    fn aarch64() -> Self {
        let (instruction, stack_pointer, frame_pointer, link): (usize, usize, usize, usize);
        // SAFETY: reads four registers, and changes neither memory nor flags.
        unsafe {
            asm!(
                "adr {instruction}, .",
                "mov {stack_pointer}, sp",
                "mov {frame_pointer}, x29",
                "mov {link}, x30",
                instruction = out(reg) instruction,
                stack_pointer = out(reg) stack_pointer,
                frame_pointer = out(reg) frame_pointer,
                link = out(reg) link,
                options(nomem, nostack, preserves_flags)
            );
        }
        Self {
            instruction,
            stack_pointer,
            frame_pointer,
            link: Some(link),
        }
    }
}

/// Removes the signature of aarch64's pointer authentication from the upper bits of a saved return
/// address. Always, and not only if this crate is built with it, since the walked code may be.
#[inline(always)]
pub(super) fn without_signature(address: usize) -> usize {
    #[cfg(target_arch = "aarch64")]
    {
        let stripped;
        // SAFETY: `xpaclri`, which is a no-op on machines without pointer authentication. It
        // changes only x30, which is declared.
        unsafe {
            asm!(
                "hint #7",
                inout("x30") address => stripped,
                options(nomem, nostack, preserves_flags)
            );
        }
        stripped
    }
    #[cfg(not(target_arch = "aarch64"))]
    address
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[inline(never)]
    fn ask() -> (usize, Registers) {
        let local = 0u8;
        let local = std::hint::black_box(&raw const local).addr();
        (local, Registers::here().unwrap())
    }

    #[test]
    fn the_registers_are_those_of_the_calling_function() {
        let (local, registers) = ask();
        let low = registers.stack_pointer;
        // x86-64 lets a function that calls no other one use 128 bytes below it.
        assert!((low - 128..low + 4096).contains(&local));
        let code = ask as fn() -> (usize, Registers) as usize;
        assert!((code..code + 4096).contains(&registers.instruction));
        assert_eq!(without_signature(code), code);
    }
}
