//! The part of a loaded module that unwinding reads: its read-only segment around `.eh_frame_hdr`, and
//! what tells one module from another that is loaded at its place later.
//!
//! Only the one segment is made a slice: between a module's segments there are holes and data that the
//! program writes.

#![expect(unsafe_code, reason = "reads the ELF headers of loaded modules")]

use super::loader::{self, Object};
use crate::record::sync::{AtomicU64, Ordering};
use core::{mem::size_of, ptr, slice};
use libc::{Elf64_Ehdr, Elf64_Phdr};

/// No file has more program headers than this; a garbled header does.
const MOST_HEADERS: usize = 64;

/// A module with unwind tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct Module {
    /// The bytes of the segment that holds the tables.
    pub(super) segment: &'static [u8],
    /// Where in it `.eh_frame_hdr` begins.
    pub(super) header: usize,
    object: Object,
}

/// Why there is no [`Module`] for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// The address is in no module, or in one without unwind tables.
    NoTables,
    /// There are tables, laid out in a way that is not known here.
    Odd,
}

impl Module {
    /// The module around a code address that is on the calling thread's stack, which keeps it loaded.
    pub(super) fn around(address: usize) -> Result<Self, Absent> {
        let object = loader::object_around(address).ok_or(Absent::NoTables)?;
        if object.header == 0 {
            return Err(Absent::NoTables);
        }
        Self::of(object).ok_or(Absent::Odd)
    }

    /// Some bytes taken for a module's segment.
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
        let headers = program_headers(object.start)?;
        // Segments are in ascending order, and the ELF header that was just read begins the file.
        let first = headers
            .iter()
            .find(|header| header.p_type == libc::PT_LOAD)?;
        if first.p_offset != 0 {
            return None;
        }
        // How far the module was moved from where it was linked to.
        let bias = object
            .start
            .wrapping_sub(usize::try_from(first.p_vaddr).ok()?);
        headers.iter().find_map(|header| {
            let readable = header.p_flags & libc::PF_R != 0 && header.p_flags & libc::PF_W == 0;
            if header.p_type != libc::PT_LOAD || !readable {
                return None;
            }
            let start = bias.wrapping_add(usize::try_from(header.p_vaddr).ok()?);
            let len = usize::try_from(header.p_filesz).ok()?;
            let end = start.checked_add(len)?;
            if start < object.start || end > object.end {
                return None;
            }
            let offset = object.header.checked_sub(start).filter(|o| *o < len)?;
            let bytes = ptr::with_exposed_provenance::<u8>(start);
            // SAFETY: a readable segment of a loaded module, inside of the range that the loader gives
            // for it. It is not writable, and stays for as long as the slice is used: the address that
            // it was found by is on this thread's stack, so the module's code is running.
            let segment = unsafe { slice::from_raw_parts(bytes, len) };
            Some(Self {
                segment,
                header: offset,
                object,
            })
        })
    }

    /// The same for the same module, and most likely another one for another. Not for certain: two
    /// builds of one plugin may have the same tables up to here.
    pub(super) fn identity(&self) -> u64 {
        // Where .eh_frame is, how many functions there are, and the first of them.
        const TELLING: usize = 48;
        let head = self.segment.get(self.header..).unwrap_or_default();
        let head = head.get(..TELLING.min(head.len())).unwrap_or_default();
        let (words, _) = head.as_chunks::<8>();
        let words = words.iter().map(|word| u64::from_le_bytes(*word));
        let Object { start, end, header } = self.object;
        let places = [start as u64, end as u64, header as u64];
        let mixed = places.into_iter().chain(words).fold(0u64, |mixed, word| {
            (mixed ^ word)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .rotate_left(23)
        });
        // 0 is an empty place.
        mixed | 1
    }
}

/// The program headers of the module whose first segment is at `start`; `None` if they are not in its
/// first page.
fn program_headers(start: usize) -> Option<&'static [Elf64_Phdr]> {
    const LEAST_PAGE: usize = 4096;
    if !start.is_multiple_of(LEAST_PAGE) {
        return None;
    }
    // SAFETY: the loader says that a segment is mapped from here on, and a mapping has at least a page.
    // Bytes that are not an ELF header are still a value of this type.
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
    // SAFETY: aligned, and inside of the first page, by the tests above.
    Some(unsafe { slice::from_raw_parts(headers, count) })
}

/// The modules met so far, by identity.
pub(super) struct Seen<const PLACES: usize> {
    identities: [AtomicU64; PLACES],
}

impl<const PLACES: usize> Seen<PLACES> {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self {
            identities: [const { AtomicU64::new(0) }; PLACES],
        }
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self {
            identities: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Whether `identity` is new here. If there is no place left all are forgotten, and it counts as new.
    // Relaxed: the identities are all there is, they publish nothing.
    pub(super) fn is_new(&self, identity: u64) -> bool {
        for place in &self.identities {
            let known = place.compare_exchange(0, identity, Ordering::Relaxed, Ordering::Relaxed);
            match known {
                Ok(_) => return true,
                Err(known) if known == identity => return false,
                Err(_) => {}
            }
        }
        for place in &self.identities {
            place.store(0, Ordering::Relaxed);
        }
        true
    }
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
            let module = Module::around(code).unwrap();
            // Version 1, a table of 4-byte offsets from the header: what every linker writes.
            let head = module.segment.get(module.header..module.header + 4);
            assert_eq!(head, Some(&[1, 0x1b, 0x03, 0x3b][..]));
            assert_eq!(
                module.identity(),
                Module::around(code + 1).unwrap().identity()
            );
        }
    }

    #[test]
    fn what_is_no_code_has_no_module() {
        let data = 0u8;
        assert!(matches!(
            Module::around((&raw const data).addr()),
            Err(Absent::NoTables)
        ));
    }

    #[test]
    fn bytes_that_are_no_elf_header_are_refused() {
        #[repr(align(4096))]
        struct Page([u8; 4096]);
        static PAGE: Page = Page([0x7f; 4096]);
        assert!(program_headers(PAGE.0.as_ptr().expose_provenance()).is_none());
    }

    #[test]
    fn a_module_is_new_once_until_there_are_too_many() {
        let seen = Seen::<3>::new();
        for identity in [1, 3, 5] {
            assert!(seen.is_new(identity));
            assert!(!seen.is_new(identity));
        }
        assert!(!seen.is_new(1));
        assert!(seen.is_new(7), "no place: all are forgotten");
        assert!(seen.is_new(1));
    }
}
