//! The parts of a loaded module that unwinding reads: its unwind tables and its build id.
//!
//! The tables lie in a read-only segment, around `.eh_frame_hdr`. The build id distinguishes the
//! module from another one that is loaded at its place later. Only read-only segments become
//! slices: between a module's segments there are holes, and data that the program writes.

#![expect(unsafe_code, reason = "reads the ELF headers of loaded modules")]

use super::{
    loader::{self, Object},
    rule_table::Owner,
};
use crate::build_id;
use core::{mem::size_of, ptr, slice};
use libc::{Elf64_Ehdr, Elf64_Phdr};

/// No file has more program headers than this, but a garbled header may claim more.
const MOST_HEADERS: usize = 64;

/// A module with unwind tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnwindModule {
    /// The bytes of the segment that holds the tables.
    pub(super) segment: &'static [u8],
    /// The offset of `.eh_frame_hdr` in it.
    pub(super) header: usize,
    object: Object,
}

/// Why there is no [`UnwindModule`] for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModuleError {
    /// The address is in no module, or in one without unwind tables.
    NoTables,
    /// There are tables, but their layout is unknown here.
    UnknownLayout,
}

impl UnwindModule {
    /// The module around a code address. The address is on the calling thread's stack, which keeps
    /// the module loaded.
    pub(super) fn around(address: usize) -> Result<Self, ModuleError> {
        let object = loader::object_around(address).ok_or(ModuleError::NoTables)?;
        if object.header == 0 {
            return Err(ModuleError::NoTables);
        }
        Self::of(object).ok_or(ModuleError::UnknownLayout)
    }

    /// A module whose segment consists of some bytes.
    #[cfg(test)]
    pub(super) fn of_bytes(segment: &'static [u8], header: usize) -> Self {
        let object = Object {
            start: segment.as_ptr().addr(),
            end: segment.as_ptr().addr() + segment.len(),
            header: segment.as_ptr().addr() + header,
        };
        Self {
            segment,
            header,
            object,
        }
    }

    fn of(object: Object) -> Option<Self> {
        let layout = SegmentLayout::of(object)?;
        let (segment, header) = layout.segment_around(object.header)?;
        Some(Self {
            segment,
            header,
            object,
        })
    }

    /// The owner of this module's rules. `None` if the module may be unloaded and has no build id,
    /// since the next module at its place could not be distinguished.
    pub(super) fn owner(&self) -> Option<Owner> {
        let Object { start, header, .. } = self.object;
        if loader::is_permanent(start) {
            return Some(Owner::PERMANENT);
        }
        let id = module_build_id(self.object)?;
        let (words, rest) = id.as_chunks::<8>();
        let words = words.iter().map(|word| u64::from_le_bytes(*word));
        let rest = rest
            .iter()
            .fold(1u64, |word, byte| word << 8 | u64::from(*byte));
        let places = [start as u64, header as u64, rest];
        Some(Owner::of(places.into_iter().chain(words)))
    }
}

/// The places of a module's segments in memory.
#[derive(Clone, Copy, Debug)]
struct SegmentLayout {
    headers: &'static [Elf64_Phdr],
    /// The distance from the linked to the loaded address.
    bias: usize,
    object: Object,
}

impl SegmentLayout {
    /// The layout of a module around a code address. The address is on the calling thread's stack,
    /// which keeps the module loaded.
    fn of(object: Object) -> Option<Self> {
        let headers = program_headers(object.start)?;
        // Segments are in ascending order, and the file begins with the ELF header that was just
        // read.
        let first = headers
            .iter()
            .find(|header| header.p_type == libc::PT_LOAD)?;
        if first.p_offset != 0 {
            return None;
        }
        let linked_to = usize::try_from(first.p_vaddr).ok()?;
        let bias = object.start.wrapping_sub(linked_to);
        Some(Self {
            headers,
            bias,
            object,
        })
    }

    /// The address of the bytes of `header`.
    fn address_of(&self, header: &Elf64_Phdr) -> Option<usize> {
        Some(
            self.bias
                .wrapping_add(usize::try_from(header.p_vaddr).ok()?),
        )
    }

    /// The bytes of the read-only segment that holds `address`, and the offset of `address` in
    /// them.
    fn segment_around(&self, address: usize) -> Option<(&'static [u8], usize)> {
        self.headers.iter().find_map(|header| {
            let readable = header.p_flags & libc::PF_R != 0 && header.p_flags & libc::PF_W == 0;
            if header.p_type != libc::PT_LOAD || !readable {
                return None;
            }
            let start = self.address_of(header)?;
            let len = usize::try_from(header.p_filesz).ok()?;
            let end = start.checked_add(len)?;
            if start < self.object.start || end > self.object.end {
                return None;
            }
            let offset = address.checked_sub(start).filter(|o| *o < len)?;
            let bytes = ptr::with_exposed_provenance::<u8>(start);
            // SAFETY: a readable segment of a loaded module, inside the range that the loader gives
            // for it. It is not writable. It stays while the slice is used: the address by which it
            // was found is on this thread's stack, so the module's code is running.
            let segment = unsafe { slice::from_raw_parts(bytes, len) };
            Some((segment, offset))
        })
    }
}

/// The build id of a module: a hash of its content, which the linker stores as a note.
fn module_build_id(object: Object) -> Option<&'static [u8]> {
    let layout = SegmentLayout::of(object)?;
    let notes = layout
        .headers
        .iter()
        .filter(|header| header.p_type == libc::PT_NOTE);
    notes
        .filter_map(|header| {
            let (segment, offset) = layout.segment_around(layout.address_of(header)?)?;
            let len = usize::try_from(header.p_filesz).ok()?;
            let bytes = segment.get(offset..)?.get(..len)?;
            build_id::find(bytes, header.p_align)
        })
        .next()
}

/// The program headers of the module whose first segment is at `start`. `None` if they are not in
/// its first page.
fn program_headers(start: usize) -> Option<&'static [Elf64_Phdr]> {
    const LEAST_PAGE: usize = 4096;
    if !start.is_multiple_of(LEAST_PAGE) {
        return None;
    }
    // SAFETY: the loader says that a segment is mapped from here on, and a mapping has at least one
    // page. Bytes that are not an ELF header are still a value of this type.
    let file = unsafe { &*ptr::with_exposed_provenance::<Elf64_Ehdr>(start) };
    let count = usize::from(file.e_phnum);
    let offset = usize::try_from(file.e_phoff).ok()?;
    let usable = file.e_ident.starts_with(b"\x7fELF")
        && usize::from(file.e_phentsize) == size_of::<Elf64_Phdr>()
        && count <= MOST_HEADERS
        && offset.is_multiple_of(align_of::<Elf64_Phdr>())
        && offset <= LEAST_PAGE - MOST_HEADERS * size_of::<Elf64_Phdr>();
    if !usable {
        return None;
    }
    let headers = ptr::with_exposed_provenance::<Elf64_Phdr>(start + offset);
    // SAFETY: aligned, and inside the first page, by the tests above.
    Some(unsafe { slice::from_raw_parts(headers, count) })
}

#[cfg(all(test, not(loom), target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn code_leads_to_its_module() {
        for code in [
            code_leads_to_its_module as fn() as usize,
            libc::getpid as *const () as usize,
        ] {
            let module = UnwindModule::around(code).unwrap();
            // Version 1, and a table of 4-byte offsets from the header: the form that every linker
            // writes.
            let head = module.segment.get(module.header..module.header + 4);
            assert_eq!(head, Some(&[1, 0x1b, 0x03, 0x3b][..]));
            // The test program and the C library.
            assert_eq!(module.owner(), Some(Owner::PERMANENT));
        }
    }

    #[test]
    fn data_has_no_module() {
        let data = 0u8;
        assert!(matches!(
            UnwindModule::around((&raw const data).addr()),
            Err(ModuleError::NoTables)
        ));
    }

    #[test]
    fn bytes_that_are_not_an_elf_header_are_rejected() {
        #[repr(align(4096))]
        struct Page([u8; 4096]);
        static PAGE: Page = Page([0x7f; 4096]);
        assert!(program_headers(PAGE.0.as_ptr().expose_provenance()).is_none());
    }

    /// The loader might unload the unwinder's library, as far as we know. Its build id, which
    /// Debian's linker writes, distinguishes it from others.
    #[test]
    fn a_module_that_may_be_unloaded_is_identified_by_its_build_id() {
        let code = std::hint::black_box(backtrace_code());
        let module = UnwindModule::around(code).unwrap();
        let owner = module.owner().unwrap();
        assert_ne!(owner, Owner::PERMANENT);
        let again = UnwindModule::around(code + 1).unwrap();
        assert_eq!(again.owner(), Some(owner));
        assert!(module_build_id(module.object).unwrap().len() >= 8);
    }

    fn backtrace_code() -> usize {
        // SAFETY: the name is a C string.
        let code = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_Unwind_Backtrace".as_ptr()) };
        assert!(!code.is_null());
        code.addr()
    }
}
