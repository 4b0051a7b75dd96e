//! Reads the rule of one code address from the module's call frame information (`.eh_frame`).
//!
//! `gimli` parses it in fixed storage. That costs about a microsecond and 5 KiB of stack, once per
//! address, since `lookup` keeps the result. It reads only the module's bytes.

use super::{
    modules::UnwindModule,
    rules::{CfaBase, FrameRule, Rule},
};
use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameOffset, EndianSlice, LittleEndian, RegisterRule,
    UnwindContext, UnwindContextStorage, UnwindSection, UnwindTableRow,
};

#[cfg(not(target_arch = "aarch64"))]
mod register {
    pub(super) const STACK_POINTER: gimli::Register = gimli::X86_64::RSP;
    pub(super) const FRAME_POINTER: gimli::Register = gimli::X86_64::RBP;
    pub(super) const RETURN_ADDRESS: gimli::Register = gimli::X86_64::RA;
}

#[cfg(target_arch = "aarch64")]
mod register {
    pub(super) const STACK_POINTER: gimli::Register = gimli::AArch64::SP;
    pub(super) const FRAME_POINTER: gimli::Register = gimli::AArch64::X29;
    pub(super) const RETURN_ADDRESS: gimli::Register = gimli::AArch64::X30;
}

/// Storage for one row in work and one remembered row, without a heap. Of the 1.2 million functions
/// of a Debian system, all but 6 fit; libgcc walks the others. aarch64 saves x19 to x30 and d8 to
/// d15, and has the state of the return address's signature.
struct Storage;

const RULES: usize = if cfg!(target_arch = "aarch64") {
    24
} else {
    20
};

impl UnwindContextStorage<usize> for Storage {
    type Rules = [(gimli::Register, RegisterRule<usize>); RULES];
    type Stack = [UnwindTableRow<usize, Self>; 2];
}

/// The rule in force at `address`.
pub(super) fn rule(address: usize, module: &UnwindModule) -> Rule {
    match search(address, module) {
        FdeSearch::Function(function) => evaluate(address, module, function),
        FdeSearch::BeforeFirst => Rule::NO_UNWIND_INFO,
        FdeSearch::NoTable => Rule::NEEDS_LIBGCC,
    }
}

/// The result of a search in the module's table of functions.
enum FdeSearch {
    /// The last function that begins at or below the address: the offset of its record in the
    /// segment.
    Function(usize),
    /// All functions begin above the address.
    BeforeFirst,
    /// The table is missing, or has a form that libgcc would not search either.
    NoTable,
}

/// Searches for the address in `.eh_frame_hdr`: Linux Standard Base, section 10.6.2.
fn search(address: usize, module: &UnwindModule) -> FdeSearch {
    find(address, module).unwrap_or(FdeSearch::NoTable)
}

fn find(address: usize, module: &UnwindModule) -> Option<FdeSearch> {
    // Version 1. Then the place of .eh_frame and the number of functions, 4 bytes each. Then the
    // table, in pairs of 4-byte offsets from the header. GNU ld, gold, lld and mold write this
    // form, and libgcc searches it.
    const FORM: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
    let (form, rest) = module.segment.get(module.header..)?.split_first_chunk()?;
    let (_eh_frame, rest) = rest.split_first_chunk::<4>()?;
    let (count, rest) = rest.split_first_chunk()?;
    if *form != FORM {
        return None;
    }
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let (functions, _) = rest.get(..count.checked_mul(8)?)?.as_chunks::<8>();

    let relative = address.wrapping_sub(module.segment.as_ptr().addr());
    let from_header = relative.wrapping_sub(module.header).cast_signed();
    let behind = functions.partition_point(|[a, b, c, d, ..]| {
        i32::from_le_bytes([*a, *b, *c, *d]) as isize <= from_header
    });
    let Some(last) = behind.checked_sub(1) else {
        return Some(FdeSearch::BeforeFirst);
    };
    let [.., a, b, c, d] = functions.get(last)?;
    let record = i32::from_le_bytes([*a, *b, *c, *d]) as isize;
    Some(FdeSearch::Function(
        module.header.checked_add_signed(record)?,
    ))
}

/// Runs the function's program up to the address. `record` is the offset of the function's record
/// in the segment.
// Not inlined, so that its storage is on the stack only while it runs.
#[inline(never)]
fn evaluate(address: usize, module: &UnwindModule, record: usize) -> Rule {
    // The records refer to each other by distances, so the whole segment may serve as the section.
    let base = module.segment.as_ptr().addr() as u64;
    let bases = BaseAddresses::default().set_eh_frame(base);
    let section: EhFrame<EndianSlice<'_, LittleEndian>> =
        EhFrame::new(module.segment, LittleEndian);
    let function = section.fde_from_offset(&bases, EhFrameOffset(record), EhFrame::cie_from_offset);
    let Ok(function) = function else {
        return Rule::NEEDS_LIBGCC;
    };
    // The table gives the start of each function, not its end.
    if !function.contains(address as u64) {
        return Rule::NO_UNWIND_INFO;
    }
    // A signal interrupted the frame below; it made no call. So its address is not a return
    // address.
    if function.is_signal_trampoline() {
        return Rule::NEEDS_LIBGCC;
    }
    let mut context: UnwindContext<usize, Storage> = UnwindContext::new_in();
    match function.unwind_info_for_address(&section, &bases, &mut context, address as u64) {
        Ok(row) => rule_of(row).unwrap_or(Rule::NEEDS_LIBGCC),
        // The storage is too small, or the program is not understood. libgcc has to walk this
        // frame.
        Err(_) => Rule::NEEDS_LIBGCC,
    }
}

/// `None` if the row does not fit into a word.
fn rule_of(row: &UnwindTableRow<usize, Storage>) -> Option<Rule> {
    if row.register(register::RETURN_ADDRESS) == Some(RegisterRule::Undefined) {
        return Some(Rule::ROOT);
    }
    let CfaRule::RegisterAndOffset { register, offset } = *row.cfa() else {
        return None;
    };
    let base = match register {
        register::STACK_POINTER => CfaBase::StackPointer,
        register::FRAME_POINTER => CfaBase::FramePointer,
        _ => return None,
    };
    let frame = FrameRule {
        base,
        cfa: i32::try_from(offset).ok()?,
        frame_pointer: saved(row.register(register::FRAME_POINTER))?,
        return_address: saved(row.register(register::RETURN_ADDRESS))?,
    };
    // On x86-64 a call stores the return address there. A rule with another place is not a frame.
    if cfg!(target_arch = "x86_64") && frame.return_address != Some(-8) {
        return None;
    }
    Some(Rule::of(frame))
}

/// Where a register is saved, in bytes from the CFA. `Some(None)` if the register still has its
/// value.
#[expect(
    clippy::option_option,
    reason = "the outer option says whether the rule is known, the inner one is the rule"
)]
fn saved(rule: Option<RegisterRule<usize>>) -> Option<Option<isize>> {
    match rule {
        None | Some(RegisterRule::SameValue | RegisterRule::Undefined) => Some(None),
        Some(RegisterRule::Offset(offset)) => Some(Some(isize::try_from(offset).ok()?)),
        Some(_) => None,
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::record::unwind::rules::RuleKind;
    use proptest::prelude::*;

    fn frame(rule: Rule) -> FrameRule {
        match rule.kind() {
            RuleKind::Frame(frame) => frame,
            other => panic!("{other:?}"),
        }
    }

    /// The first and the next instructions of a function of the C library.
    #[test]
    fn before_its_prologue_a_frame_is_the_return_address_alone() {
        let code = libc::qsort as *const () as usize;
        let module = UnwindModule::around(code).unwrap();
        let entry = frame(rule(code, &module));
        let alone = FrameRule {
            base: CfaBase::StackPointer,
            cfa: 8,
            frame_pointer: None,
            return_address: Some(-8),
        };
        assert_eq!(entry, alone);
        let inside = (code..code + 64).map(|address| rule(address, &module));
        assert!(inside.clone().any(|rule| rule != Rule::of(alone)));
    }

    #[test]
    fn an_address_without_tables_has_no_unwind_info() {
        let module = UnwindModule::around(libc::qsort as *const () as usize).unwrap();
        let start = module.segment.as_ptr().addr();
        assert_eq!(rule(usize::MAX, &module), Rule::NO_UNWIND_INFO);
        assert_eq!(
            rule(start, &module),
            Rule::NO_UNWIND_INFO,
            "no code in there"
        );
        let nothing = UnwindModule::of_bytes(&[], 0);
        assert_eq!(rule(0, &nothing), Rule::NEEDS_LIBGCC);
    }

    /// The record of one function and the record that functions share, as an assembler makes them.
    /// `program` is the function's own.
    fn module_of(program: &[u8]) -> (usize, UnwindModule) {
        const FUNCTION: i32 = -64;
        let mut bytes = vec![1, 0x1b, 0x03, 0x3b, 0, 0, 0, 0, 1, 0, 0, 0];
        bytes.extend(FUNCTION.to_le_bytes());
        let shared = 20i32;
        let shared_record = [
            20, 0, 0, 0, 0, 0, 0, 0, 1, b'z', b'R', 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1,
            0, 0,
        ];
        let record = shared + i32::try_from(shared_record.len()).unwrap();
        bytes.extend(record.to_le_bytes());
        bytes.extend(shared_record);
        let len = 4 + 4 + 4 + 1 + u32::try_from(program.len()).unwrap();
        bytes.extend(len.to_le_bytes());
        bytes.extend((record + 4 - shared).to_le_bytes());
        bytes.extend((FUNCTION - (record + 8)).to_le_bytes());
        bytes.extend(32u32.to_le_bytes());
        bytes.push(0);
        bytes.extend(program);
        let bytes = bytes.leak();
        (bytes.as_ptr().addr() - 64, UnwindModule::of_bytes(bytes, 0))
    }

    #[test]
    fn a_functions_program_is_followed_up_to_the_address() {
        // advance 1; CFA = rsp + 16; rbp at CFA - 16; advance 3; CFA = rbp + 16.
        let (code, module) = module_of(&[0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6]);
        let at = |offset: usize| rule(code + offset, &module);
        assert_eq!(frame(at(0)).cfa, 8);
        assert_eq!(frame(at(0)).frame_pointer, None);
        assert_eq!(frame(at(1)).cfa, 16);
        assert_eq!(frame(at(1)).frame_pointer, Some(-16));
        assert_eq!(frame(at(3)).base, CfaBase::StackPointer);
        assert_eq!(frame(at(4)).base, CfaBase::FramePointer);
        assert_eq!(frame(at(31)).base, CfaBase::FramePointer);
        assert_eq!(at(32), Rule::NO_UNWIND_INFO, "after its end");
        assert_eq!(rule(code - 1, &module), Rule::NO_UNWIND_INFO);
    }

    #[test]
    fn a_row_that_does_not_fit_a_word_needs_libgcc() {
        let programs: [&[u8]; 6] = [
            // CFA = rbx + 8; an expression (rsp + 8); rbp in r12; the return address at CFA - 16.
            &[0x0c, 3, 8],
            &[0x0f, 2, 0x77, 8],
            &[0x09, 6, 12],
            &[0x90, 2],
            // Three remembered states, one more than the storage holds; an unknown code.
            &[0x0a, 0x0a, 0x0a],
            &[0x3f],
        ];
        for program in programs {
            let (code, module) = module_of(program);
            assert_eq!(rule(code + 8, &module), Rule::NEEDS_LIBGCC, "{program:x?}");
        }
        // More registers than the storage holds.
        let many: Vec<u8> = (17..40).flat_map(|register| [0x80 | register, 2]).collect();
        let (code, module) = module_of(&many);
        assert_eq!(rule(code + 8, &module), Rule::NEEDS_LIBGCC);
        // The return address is undefined: the function has no caller.
        let (code, module) = module_of(&[0x07, 16]);
        assert_eq!(rule(code + 8, &module), Rule::ROOT);
    }

    proptest! {
        /// Wrong tables give at worst a wrong rule.
        #[test]
        fn garbled_tables_do_not_crash(
            garbled in proptest::collection::vec(
                (any::<proptest::sample::Index>(), any::<u8>()), 1..6,
            ),
            offset in 0usize..40,
        ) {
            let (code, module) = module_of(&[0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6]);
            let mut bytes = module.segment.to_vec();
            for (index, byte) in garbled {
                *index.get_mut(&mut bytes) = byte;
            }
            let moved = bytes.as_ptr().addr().wrapping_sub(module.segment.as_ptr().addr());
            let module = UnwindModule::of_bytes(bytes.leak(), 0);
            // Any rule is right: only a crash would be wrong.
            let _ = rule(code.wrapping_add(moved).wrapping_add(offset), &module).kind();
        }
    }
}
