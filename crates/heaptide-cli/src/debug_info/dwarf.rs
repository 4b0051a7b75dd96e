//! Functions, inlined calls, files and lines of addresses, from debug information.
//!
//! It uses the same libraries and versions as `backtrace` in a process, and makes the same calls.
//! So the results are the same too. `debug_files` decides which files belong together.

use std::{
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
};

use addr2line::{Context, LookupContinuation, LookupResult, SplitDwarfLoad};
use gimli::{DwarfPackage, EndianRcSlice, RunTimeEndian};
use heaptide_profile::SymbolLine;

use crate::debug_info::image::{Image, Symbols};

type Slice = EndianRcSlice<RunTimeEndian>;

/// The debug information of one program or library.
pub(crate) struct Debug {
    context: Option<Context<Slice>>,
    package: Option<DwarfPackage<Slice>>,
    symbols: Symbols,
    /// Folders that may hold its split parts, besides the compiler's own folder.
    folders: Vec<PathBuf>,
}

impl Debug {
    /// The debug information of a file, with the part that it shares with others and its package of
    /// split parts. `symbols` are used where there is no debug information.
    pub(crate) fn new(
        image: &Image,
        shared: Option<&Image>,
        package: Option<&Image>,
        symbols: Symbols,
        folders: Vec<PathBuf>,
    ) -> Self {
        let load = |image: &Image| -> Result<gimli::Dwarf<Slice>, gimli::Error> {
            gimli::Dwarf::load(|id| Ok(slice(image, Some(id.name()))))
        };
        let context = load(image).and_then(|mut dwarf| {
            if let Some(shared) = shared {
                dwarf.set_sup(load(shared)?);
            }
            Context::from_dwarf(dwarf)
        });
        let package = package.and_then(|package| {
            let load = |id: gimli::SectionId| Ok(slice(package, id.dwo_name()));
            let opened: Result<_, gimli::Error> = DwarfPackage::load(load, slice(package, None));
            opened.ok()
        });
        Self {
            context: context.ok(),
            package,
            symbols,
            folders,
        }
    }

    /// The lines at an address of the file, innermost inlined call first.
    pub(crate) fn look_up(&self, address: u64) -> Vec<SymbolLine> {
        let mut lines = self.frames(address).unwrap_or_default();
        if lines.is_empty()
            && let Some(symbol) = self.symbols.at(address)
        {
            lines.push(SymbolLine {
                symbol: symbol.to_vec(),
                ..SymbolLine::default()
            });
        }
        lines
    }

    fn frames(&self, address: u64) -> Option<Vec<SymbolLine>> {
        let mut lookup = self.context.as_ref()?.find_frames(address);
        let found = loop {
            match lookup {
                LookupResult::Output(found) => break found,
                LookupResult::Load { load, continuation } => {
                    lookup = continuation.resume(self.split_part(&load));
                }
            }
        };
        let mut frames = found.ok()?;
        let mut lines = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let name = match &frame.function {
                Some(function) => gimli::Reader::to_slice(&function.name).ok(),
                None => self.symbols.at(address).map(Into::into),
            };
            let place = frame.location.as_ref();
            lines.push(SymbolLine {
                symbol: name.map(|name| name.into_owned()).unwrap_or_default(),
                file: place
                    .and_then(|place| place.file)
                    .unwrap_or_default()
                    .to_owned(),
                line: place.and_then(|place| place.line).unwrap_or(0),
            });
        }
        Some(lines)
    }

    /// A part that was split off, from the package or from a file of its own.
    #[expect(
        clippy::arc_with_non_send_sync,
        reason = "what addr2line takes; nothing here has a second thread"
    )]
    fn split_part(&self, wanted: &SplitDwarfLoad<Slice>) -> Option<Arc<gimli::Dwarf<Slice>>> {
        if let Some(package) = &self.package
            && let Ok(Some(unit)) = package.find_cu(wanted.dwo_id, &wanted.parent)
        {
            return Some(Arc::new(unit));
        }
        let path = text(wanted.path.as_ref()?)?;
        let folder = wanted.comp_dir.as_ref().and_then(text).unwrap_or_default();
        let mut places = vec![Path::new(&folder).join(&path)];
        let name = Path::new(&path).file_name()?;
        places.extend(self.folders.iter().map(|folder| folder.join(name)));
        places.iter().find_map(|place| {
            let image = Image::open(place).ok()??;
            let load = |id: gimli::SectionId| Ok(slice(&image, id.dwo_name()));
            let dwarf: Result<gimli::Dwarf<Slice>, gimli::Error> = gimli::Dwarf::load(load);
            let mut dwarf = dwarf.ok()?;
            let header = dwarf.units().next().ok()??;
            let unit = dwarf.unit(header).ok()?;
            if unit.dwo_id != Some(wanted.dwo_id) {
                return None;
            }
            dwarf.make_dwo(&wanted.parent);
            Some(Arc::new(dwarf))
        })
    }
}

/// A section; empty if it is missing.
fn slice(image: &Image, section: Option<&str>) -> Slice {
    let endian = if image.is_little_endian() {
        RunTimeEndian::Little
    } else {
        RunTimeEndian::Big
    };
    let bytes = section.map_or_else(|| Rc::from([]), |name| image.section(name));
    EndianRcSlice::new(bytes, endian)
}

fn text(bytes: &Slice) -> Option<String> {
    let bytes = gimli::Reader::to_slice(bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
