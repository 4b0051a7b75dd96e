//! The modules loaded into this process, with their build ids, from `dl_iterate_phdr` alone.
//!
//! A raw profile needs them to be symbolized elsewhere. The loader calls back while it holds its
//! lock. A thread that was stopped inside an allocation may be waiting for that lock. So the
//! callback copies plain data into a buffer that was allocated before. It allocates nothing and
//! makes no system call. If the buffer is too small, it asks for a new walk with a larger one.
//! Names and hexadecimal are made afterwards.
//!
//! This is the only file of the folder that may hold `unsafe`. It must only read addresses that the
//! module's own headers declare loaded and readable.

#![expect(
    unsafe_code,
    reason = "the loader hands out C structures, and build ids are read from the loaded image"
)]

use super::mappings::{Module, TextSegment};
use crate::build_id;
use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;
use std::path::Path;
use std::{fs, ptr, slice};

/// `AT_SYSINFO_EHDR` of Linux' `auxvec.h`: the address of the vdso's ELF header. The libc crate has
/// it for Android only.
const VDSO_HEADER: libc::c_ulong = 33;

/// The loaded modules: the main executable first, then the others in the loader's order.
pub(super) fn loaded() -> Vec<Module> {
    // More than most programs have. Programs with more need a second walk.
    collect(64)
}

fn collect(mut room_for: usize) -> Vec<Module> {
    loop {
        let mut room = ModuleBuffer::for_modules(room_for);
        if room.fill() {
            return room.into_modules();
        }
        room_for = room_for.saturating_mul(2).max(1);
    }
}

/// One module as the callback stores it: ranges into the tables of [`ModuleBuffer`].
struct FoundModule {
    name: Range<usize>,
    build_id: Range<usize>,
    text: Range<usize>,
    is_vdso: bool,
}

/// The result of one walk. Its vectors never grow past their first capacity.
struct ModuleBuffer {
    found: Vec<FoundModule>,
    segments: Vec<TextSegment>,
    bytes: Vec<u8>,
    page_size: u64,
    vdso: u64,
}

impl ModuleBuffer {
    fn for_modules(count: usize) -> Self {
        Self {
            found: Vec::with_capacity(count),
            segments: Vec::with_capacity(count.saturating_mul(2)),
            bytes: Vec::with_capacity(count.saturating_mul(128)),
            page_size: page_size(),
            vdso: vdso_address(),
        }
    }

    /// Walks the modules. Returns `false` if the buffer was too small.
    fn fill(&mut self) -> bool {
        let room = ptr::from_mut(self).cast::<c_void>();
        // SAFETY: `visit` has the signature the loader wants, and `room` points to a `ModuleBuffer`
        // that is borrowed mutably until the walk is over.
        let stopped = unsafe { libc::dl_iterate_phdr(Some(visit), room) };
        stopped == 0
    }

    /// Stores one module; `None` if there is no room for it.
    fn note(
        &mut self,
        bias: u64,
        name: &[u8],
        headers: &[libc::Elf64_Phdr],
        notes: impl Fn(&libc::Elf64_Phdr) -> Option<&'static [u8]>,
    ) -> Option<()> {
        let first_segment = self.segments.len();
        let mut id: &[u8] = &[];
        let mut is_vdso = false;
        for header in headers {
            if header.p_type == libc::PT_LOAD {
                let Some(segment) = self.segment(bias, header) else {
                    continue;
                };
                is_vdso |= (segment.start..segment.limit).contains(&self.vdso);
                if header.p_flags & libc::PF_X != 0 {
                    push(&mut self.segments, segment)?;
                }
            } else if header.p_type == libc::PT_NOTE
                && id.is_empty()
                && let Some(found) = notes(header).and_then(|n| build_id::find(n, header.p_align))
            {
                id = found;
            }
        }
        let found = FoundModule {
            name: append(&mut self.bytes, name)?,
            build_id: append(&mut self.bytes, id)?,
            text: first_segment..self.segments.len(),
            is_vdso,
        };
        push(&mut self.found, found)
    }

    /// The pages of a loaded segment; `None` for a header with impossible numbers.
    fn segment(&self, bias: u64, header: &libc::Elf64_Phdr) -> Option<TextSegment> {
        // The bias is a difference modulo 2^64. It is negative for a prelinked module that moved
        // down.
        let start = bias.wrapping_add(header.p_vaddr);
        let end = start.checked_add(header.p_memsz)?;
        let before = start % self.page_size;
        Some(TextSegment {
            start: start - before,
            limit: end.checked_next_multiple_of(self.page_size)?,
            file_offset: header.p_offset.saturating_sub(before),
        })
    }

    fn into_modules(self) -> Vec<Module> {
        let text = |range: &Range<usize>| {
            let bytes = self.bytes.get(range.clone()).unwrap_or_default();
            String::from_utf8_lossy(bytes)
        };
        let module = |(at, found): (usize, &FoundModule)| {
            let id = self.bytes.get(found.build_id.clone()).unwrap_or_default();
            let segments = self.segments.get(found.text.clone()).unwrap_or_default();
            Module {
                // glibc names the main program with an empty text, musl with the first argument.
                // Both list it first.
                file: match at {
                    0 => executable().unwrap_or_else(|| text(&found.name).into()),
                    _ if found.is_vdso => "[vdso]".into(),
                    _ => text(&found.name).into(),
                },
                build_id: build_id::hex(id).into(),
                text: segments.to_vec(),
            }
        };
        self.found.iter().enumerate().map(module).collect()
    }
}

/// Appends without allocating; `None` if the vector is full.
fn push<T>(to: &mut Vec<T>, value: T) -> Option<()> {
    if to.len() == to.capacity() {
        return None;
    }
    to.push(value);
    Some(())
}

/// Appends without allocating, and returns the range; `None` if the vector is full.
fn append(to: &mut Vec<u8>, bytes: &[u8]) -> Option<Range<usize>> {
    let start = to.len();
    if bytes.len() > to.capacity() - start {
        return None;
    }
    to.extend_from_slice(bytes);
    Some(start..to.len())
}

/// The loader calls it for each module, under its lock. Any result but 0 ends the walk.
unsafe extern "C" fn visit(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    room: *mut c_void,
) -> c_int {
    // SAFETY: `ModuleBuffer::fill` passed a pointer to the `ModuleBuffer` it borrows mutably for
    // the whole walk.
    let room = unsafe { &mut *room.cast::<ModuleBuffer>() };
    // SAFETY: the loader passes a valid description that lives until this function returns.
    let info = unsafe { &*info };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: `dlpi_phdr` is not null and, says dl_iterate_phdr(3), points to `dlpi_phnum` headers
    // that stay loaded as long as the module, which the loader's lock holds.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let name = if info.dlpi_name.is_null() {
        c""
    } else {
        // SAFETY: a `dlpi_name` that is not null is a C string owned by the loader, says
        // dl_iterate_phdr(3).
        unsafe { CStr::from_ptr(info.dlpi_name) }
    };
    let notes = |header: &libc::Elf64_Phdr| {
        if !is_readable(headers, header) {
            return None;
        }
        let address = usize::try_from(info.dlpi_addr.wrapping_add(header.p_vaddr)).ok()?;
        let size = usize::try_from(header.p_memsz).ok()?;
        let first = ptr::with_exposed_provenance::<u8>(address);
        // SAFETY: `is_readable` found the range inside a segment that the module's headers declare
        // loaded and readable. The loader mapped it, and its lock keeps it mapped during the walk.
        // Notes are constant data. The slice does not live longer: `note` copies what it needs.
        Some(unsafe { slice::from_raw_parts(first, size) })
    };
    match room.note(info.dlpi_addr, name.to_bytes(), headers, notes) {
        Some(()) => 0,
        None => 1,
    }
}

/// Whether all of `part` lies in a loaded segment that is readable.
fn is_readable(headers: &[libc::Elf64_Phdr], part: &libc::Elf64_Phdr) -> bool {
    let Some(end) = part.p_vaddr.checked_add(part.p_memsz) else {
        return false;
    };
    headers.iter().any(|h| {
        h.p_type == libc::PT_LOAD
            && h.p_flags & libc::PF_R != 0
            && h.p_vaddr <= part.p_vaddr
            && h.p_vaddr.checked_add(h.p_filesz).is_some_and(|e| end <= e)
    })
}

fn page_size() -> u64 {
    // SAFETY: sysconf only reads its argument.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // POSIX says that it cannot fail for this name. The smallest page there is keeps the division
    // safe.
    u64::try_from(size).ok().filter(|&s| s > 0).unwrap_or(4096)
}

/// The address of the vdso. 0, which is in no module, if there is none.
fn vdso_address() -> u64 {
    // SAFETY: getauxval only reads its argument and the vector the kernel passed.
    unsafe { libc::getauxval(VDSO_HEADER) }
}

/// Path of the running executable, also if it was replaced or deleted since.
fn executable() -> Option<std::sync::Arc<str>> {
    let link = fs::read_link("/proc/self/exe").ok()?;
    let text = link.to_string_lossy();
    Some(without_deleted(&text, Path::exists).into())
}

/// The kernel appends ` (deleted)` to the path of a file that is gone. A file may have that name
/// too.
fn without_deleted(path: &str, exists: impl Fn(&Path) -> bool) -> &str {
    match path.strip_suffix(" (deleted)") {
        Some(stripped) if !exists(Path::new(path)) => stripped,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::read::elf::ElfFile64;
    use object::{Endianness, Object};
    use std::collections::BTreeSet;
    use std::process::Command;

    #[test]
    fn main_is_first_and_holds_this_function() {
        let modules = loaded();
        let main = &modules[0];
        let exe = std::env::current_exe().unwrap();
        assert_eq!(Path::new(&*main.file), exe);
        let here = main_is_first_and_holds_this_function as *const () as u64;
        let holding = |m: &Module| m.text.iter().any(|s| s.start <= here && here < s.limit);
        assert!(holding(main), "{here:#x} is not in {main:x?}");
        assert_eq!(modules.iter().filter(|m| holding(m)).count(), 1);
    }

    #[test]
    fn executable_segments_are_those_of_proc_maps() {
        let from_loader: BTreeSet<(u64, u64, u64)> = loaded()
            .iter()
            .flat_map(|m| m.text.iter().map(|s| (s.start, s.limit, s.file_offset)))
            .collect();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let from_kernel: BTreeSet<(u64, u64, u64)> = maps
            .lines()
            .filter_map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let path = fields.get(5)?;
                if !fields[1].contains('x') || *path == "[vsyscall]" {
                    return None;
                }
                let (start, limit) = fields[0].split_once('-')?;
                let number = |hex| u64::from_str_radix(hex, 16).unwrap();
                Some((number(start), number(limit), number(fields[2])))
            })
            .collect();
        assert!(from_kernel.len() > 2, "{maps}");
        assert_eq!(from_loader, from_kernel, "{maps}");
    }

    #[test]
    fn the_vdso_is_named_as_the_kernel_names_it() {
        let modules = loaded();
        let vdso: Vec<&Module> = modules.iter().filter(|m| &*m.file == "[vdso]").collect();
        assert_eq!(vdso.len(), 1, "{modules:x?}");
        assert!(!vdso[0].build_id.is_empty());
        assert!(modules.iter().all(|m| !m.file.is_empty()), "{modules:x?}");
    }

    #[test]
    fn too_little_room_gives_the_same_answer() {
        assert_eq!(collect(0), collect(1000));
    }

    #[test]
    fn build_ids_are_those_of_the_files() {
        let mut compared = 0;
        for module in loaded().iter().filter(|m| &*m.file != "[vdso]") {
            let file = fs::read(&*module.file).unwrap();
            let elf = ElfFile64::<Endianness>::parse(&*file).unwrap();
            let id = elf.build_id().unwrap().unwrap_or_default();
            assert_eq!(&*module.build_id, build_id::hex(id), "{}", module.file);
            compared += usize::from(!id.is_empty());
        }
        assert!(
            compared > 1,
            "only {compared} of the modules have a build id"
        );
    }

    #[test]
    #[ignore = "needs readelf (binutils)"]
    fn readelf_agrees_on_the_build_id() {
        let exe = std::env::current_exe().unwrap();
        let output = Command::new("readelf").arg("-n").arg(exe).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text
            .lines()
            .find_map(|l| l.trim().strip_prefix("Build ID: "));
        assert_eq!(Some(&*loaded()[0].build_id), line, "{text}");
    }

    #[test]
    fn deleted_is_trimmed_unless_the_file_is_called_so() {
        let trim = |path, exists| without_deleted(path, move |_| exists).to_owned();
        assert_eq!(trim("/bin/a (deleted)", false), "/bin/a");
        assert_eq!(trim("/bin/a (deleted)", true), "/bin/a (deleted)");
        assert_eq!(trim("/bin/a", false), "/bin/a");
    }

    #[test]
    fn headers_that_cannot_be_are_not_read() {
        let header = |p_type, p_flags, p_vaddr, p_memsz| libc::Elf64_Phdr {
            p_type,
            p_flags,
            p_offset: 0,
            p_vaddr,
            p_paddr: 0,
            p_filesz: p_memsz,
            p_memsz,
            p_align: 4,
        };
        let readable = header(libc::PT_LOAD, libc::PF_R, 0x1000, 0x1000);
        let hidden = header(libc::PT_LOAD, 0, 0x4000, 0x1000);
        let headers = [readable, hidden];
        let note = |address, size| is_readable(&headers, &header(libc::PT_NOTE, 4, address, size));
        assert!(note(0x1000, 0x1000));
        assert!(!note(0x1ff0, 0x11), "runs over the end");
        assert!(!note(0xff0, 0x20), "starts before");
        assert!(!note(0x4000, 0x10), "not readable");
        assert!(!note(0x1000, u64::MAX), "overflows");

        let room = ModuleBuffer::for_modules(1);
        let wild = header(libc::PT_LOAD, libc::PF_X, u64::MAX - 10, 100);
        assert_eq!(room.segment(0, &wild), None);
    }
}
