//! An executable, a library or a debug file: its build id, code, sections and symbols.
//!
//! Its bytes are untrusted: every size and every reference in them is checked. `dwarf` reads the
//! debug information, and `debug_files` decides which file is used.

use std::{
    io::Read,
    path::{Path, PathBuf},
    rc::Rc,
};

use heaptide_profile::Mapping;
use object::{
    Object, ObjectSection, ObjectSegment, ObjectSymbol, ObjectSymbolTable, SegmentFlags,
    SymbolFlags, SymbolSection, elf,
};

use crate::{failure::Failure, files::regular_file};

/// The largest file that is read. Debug information of a large browser has half of it.
pub(crate) const MAX_BYTES: u64 = 4 << 30;

/// The most bytes that zlib packs into one (<https://zlib.net/zlib_tech.html>). zstd can pack more
/// zeros, but debug information is not zeros.
const MOST_INFLATED: u64 = 1032;

/// The page sizes that loaders round to: that of x86-64, and those of 64-bit ARM.
const PAGES: [u64; 3] = [4 << 10, 16 << 10, 64 << 10];

/// A file with code, symbols or debug information.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) path: PathBuf,
    bytes: Vec<u8>,
    /// In hexadecimal; empty if it has none.
    pub(crate) build_id: String,
    /// Whether it has debug information of its own.
    pub(crate) has_lines: bool,
    /// The name and the check sum of the file that has its debug information.
    pub(crate) debug_link: Option<(PathBuf, u32)>,
    /// The file with debug information that it shares with others, and the build id of that file.
    pub(crate) shared: Option<(PathBuf, String)>,
    /// Whether it has the program's code. A debug file does not.
    pub(crate) has_code: bool,
    code: Vec<ImageSegment>,
}

/// A segment with code.
#[derive(Clone, Copy, Debug)]
struct ImageSegment {
    address: u64,
    memory_size: u64,
    offset: u64,
    file_size: u64,
}

/// A symbol with the layout of `backtrace`'s. Sorting is by address only. So if several symbols
/// have one address, the first one is the same as in a process that symbolizes itself.
struct Symbol {
    address: u64,
    size: u64,
    name: u32,
}

/// The functions and objects of a file by address.
pub(crate) struct Symbols {
    sorted: Vec<Symbol>,
    names: Vec<Vec<u8>>,
}

impl Image {
    /// Reads a file; `None` if it does not exist.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, Failure> {
        let fail = |error| Failure::with(path, error);
        let Some(mut file) = regular_file::open(path).map_err(fail)? else {
            return Ok(None);
        };
        if file.limit() > MAX_BYTES {
            return Err(Failure::with(path, "larger than 4 GiB"));
        }
        // A profile may name any file, also a large one. Only a file that begins as ELF is read
        // whole.
        let mut bytes = Vec::new();
        let mut begin = file.by_ref().take(elf::ELFMAG.len() as u64);
        begin.read_to_end(&mut bytes).map_err(fail)?;
        if bytes == elf::ELFMAG {
            file.read_to_end(&mut bytes).map_err(fail)?;
        }
        Self::new(path.to_owned(), bytes).map(Some)
    }

    pub(crate) fn new(path: PathBuf, bytes: Vec<u8>) -> Result<Self, Failure> {
        let fail = |error: object::Error| {
            Failure::with(&path, format!("not an ELF file that can be read: {error}"))
        };
        let file = object::File::parse(&*bytes).map_err(fail)?;
        let text = file.section_by_name(".text");
        let code = file.segments().filter(|segment| match segment.flags() {
            SegmentFlags::Elf { p_flags, .. } => p_flags.contains(elf::PF_X),
            _ => false,
        });
        let code: Vec<ImageSegment> = code
            .map(|segment| {
                let (offset, file_size) = segment.file_range();
                ImageSegment {
                    address: segment.address(),
                    memory_size: segment.size(),
                    offset,
                    file_size,
                }
            })
            .collect();
        let is_there = |name| file.section_by_name(name).is_some();
        let link = file.gnu_debuglink().map_err(fail)?;
        let shared = file.gnu_debugaltlink().map_err(fail)?;
        let build_id = file.build_id().map_err(fail)?.unwrap_or_default();
        Ok(Self {
            build_id: hex(build_id),
            has_lines: is_there(".debug_info") || is_there(".debug_line"),
            debug_link: link.map(|(name, sum)| (as_path(name), sum)),
            shared: shared.map(|(name, id)| (as_path(name), hex(id))),
            // A debug file keeps the headers of the code, without the code.
            has_code: text.is_none_or(|text| text.file_range().is_some()),
            code,
            path,
            bytes,
        })
    }

    /// The check sum that a `.gnu_debuglink` has for the file it names.
    pub(crate) fn check_sum(&self) -> u32 {
        crc32fast::hash(&self.bytes)
    }

    /// A section's bytes, inflated; empty if it is missing or damaged.
    pub(crate) fn section(&self, name: &str) -> Rc<[u8]> {
        let file = object::File::parse(&*self.bytes).ok();
        let section = file.as_ref().and_then(|file| file.section_by_name(name));
        let data = section.and_then(|section| section.compressed_data().ok());
        let data = data.filter(|data| is_possible(data.data.len(), data.uncompressed_size));
        let data = data.and_then(|data| data.decompress().ok());
        data.map_or_else(|| Rc::from([]), |data| Rc::from(&*data))
    }

    pub(crate) fn is_little_endian(&self) -> bool {
        object::File::parse(&*self.bytes).is_ok_and(|file| file.is_little_endian())
    }

    /// An address of the running program as an address of the file; `None` if it is not in the
    /// file's code.
    pub(crate) fn own_address(&self, mapping: &Mapping, address: u64) -> Option<u64> {
        if mapping.start == 0 && matches!(mapping.limit, 0 | u64::MAX) {
            // jemalloc's Rust profiles have addresses of the file already.
            return Some(address);
        }
        let from_start = address.checked_sub(mapping.start)?;
        if self.has_code {
            let offset = from_start.checked_add(mapping.file_offset)?;
            let holds = |segment: &&ImageSegment| {
                let behind = offset.checked_sub(segment.offset);
                behind.is_some_and(|behind| behind < segment.file_size)
            };
            if let Some(segment) = self.code.iter().find(holds) {
                return (offset - segment.offset).checked_add(segment.address);
            }
            return None;
        }
        // A debug file has offsets of its own, so the segment is recognized by its size in pages.
        let size = mapping.limit.checked_sub(mapping.start)?;
        let is_mapped = |segment: &&ImageSegment| {
            let pages = PAGES.iter();
            let mut sizes = pages.filter_map(|&page| segment.pages(page));
            sizes.any(|(start, limit)| limit - start == size)
        };
        let segment = match self.code.as_slice() {
            [only] => only,
            several => several.iter().find(is_mapped)?,
        };
        let (start, _) = segment.pages(4 << 10)?;
        start.checked_add(from_start)
    }

    /// The symbol table, or the dynamic one if there is no other.
    pub(crate) fn symbols(&self) -> Symbols {
        let mut found = Symbols {
            sorted: Vec::new(),
            names: Vec::new(),
        };
        let Ok(file) = object::File::parse(&*self.bytes) else {
            return found;
        };
        let table = file.symbol_table();
        if table.is_some_and(|table| table.symbols().next().is_some()) {
            found.take(file.symbols());
        } else {
            found.take(file.dynamic_symbols());
        }
        found.sorted.sort_unstable_by_key(|symbol| symbol.address);
        found
    }
}

impl ImageSegment {
    /// The pages that it covers.
    fn pages(&self, page: u64) -> Option<(u64, u64)> {
        let end = self.address.checked_add(self.memory_size)?;
        Some((
            self.address - self.address % page,
            end.checked_next_multiple_of(page)?,
        ))
    }
}

impl Symbols {
    fn take(&mut self, symbols: object::read::SymbolIterator<'_, '_>) {
        for symbol in symbols {
            // Objects count too, as in `backtrace`: a function may be among data.
            let is_typed = match symbol.flags() {
                SymbolFlags::Elf { st_info, .. } => {
                    matches!(st_info.st_type(), elf::STT_FUNC | elf::STT_OBJECT)
                }
                _ => false,
            };
            let is_here = symbol.section() != SymbolSection::Undefined;
            let name = u32::try_from(self.names.len());
            if let (true, true, Ok(name)) = (is_typed, is_here, name) {
                self.names
                    .push(symbol.name_bytes().unwrap_or_default().to_vec());
                self.sorted.push(Symbol {
                    address: symbol.address(),
                    size: symbol.size(),
                    name,
                });
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// The symbol at an address. The byte behind a function counts too, as in `backtrace`.
    pub(crate) fn at(&self, address: u64) -> Option<&[u8]> {
        let at = match self
            .sorted
            .binary_search_by_key(&address, |symbol| symbol.address)
        {
            Ok(at) => at,
            Err(at) => at.checked_sub(1)?,
        };
        let symbol = self.sorted.get(at)?;
        let name = self.names.get(symbol.name as usize)?;
        (address - symbol.address <= symbol.size).then_some(name)
    }
}

/// Whether `packed` bytes can inflate to that many. The room for them is allocated and filled with
/// zeros before the first byte is read. So a file of a few bytes could claim a terabyte.
fn is_possible(packed: usize, inflated: u64) -> bool {
    inflated <= (packed as u64).saturating_mul(MOST_INFLATED)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn as_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::is_possible;

    #[test]
    fn impossible_sizes_of_packed_sections_are_rejected() {
        assert!(is_possible(0, 0) && is_possible(10, 10_320) && is_possible(usize::MAX, u64::MAX));
        assert!(!is_possible(0, 1) && !is_possible(10, 10_321) && !is_possible(1 << 20, 1 << 40));
    }
}
