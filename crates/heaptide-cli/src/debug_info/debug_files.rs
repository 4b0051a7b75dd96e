//! Finds the file of a mapping by its build id.
//!
//! It looks at files that the user named, in folders, at the mapping's own path, and at servers.
//!
//! A file with another build id is never taken. Files that were looked at and refused are
//! remembered, so that a failure can list them.

use std::{
    fs,
    path::{Path, PathBuf},
    rc::Rc,
};

use heaptide_profile::Mapping;

use crate::{
    debug_info::dwarf::Debug, debug_info::image::Image, failure::Failure, files::download,
};

/// Where distributions put debug files, and where `backtrace` looks for them.
const SYSTEM: &str = "/usr/lib/debug";

/// The places to look in.
pub(crate) struct DebugFiles {
    binaries: Vec<Rc<Image>>,
    folders: Vec<PathBuf>,
    servers: Vec<String>,
}

/// The files that were found for a mapping.
pub(crate) struct FoundDebugFile {
    /// Translates addresses to those of the file.
    pub(crate) program: Rc<Image>,
    pub(crate) debug: Debug,
    /// The file that the names are from.
    pub(crate) names_from: PathBuf,
    /// Where debug information was looked for without success, and why; empty if there is some.
    pub(crate) refused: Vec<String>,
}

/// The state of the search for one mapping.
#[derive(Default)]
struct Finding {
    /// The file that was loaded, stripped or not.
    program: Option<Rc<Image>>,
    /// A file with debug information.
    lines: Option<Rc<Image>>,
    /// Files that were looked at, and why they do not fit.
    refused: Vec<String>,
}

impl DebugFiles {
    /// Reads the files that the user named.
    pub(crate) fn new(
        binaries: &[PathBuf],
        mut folders: Vec<PathBuf>,
        servers: Vec<String>,
    ) -> Result<Self, Failure> {
        let read = |path: &PathBuf| {
            let image = Image::open(path)?;
            let missing = || Failure::with(path, "there is no such file");
            image.map(Rc::new).ok_or_else(missing)
        };
        folders.push(SYSTEM.into());
        Ok(Self {
            binaries: binaries.iter().map(read).collect::<Result<_, _>>()?,
            folders,
            servers,
        })
    }

    /// The named files that belong to none of the mappings.
    pub(crate) fn unwanted(&self, mappings: &[Mapping]) -> impl Iterator<Item = &Image> {
        let is_wanted = |image: &Image| mappings.iter().any(|mapping| is_file_of(image, mapping));
        let images = self.binaries.iter().map(|image| &**image);
        images.filter(move |image| !is_wanted(image))
    }

    /// The files for a mapping. If there are none, the files that were rejected, and the reasons.
    pub(crate) fn find(&self, mapping: &Mapping) -> Result<FoundDebugFile, Vec<String>> {
        let mut finding = Finding::default();
        for image in &self.binaries {
            if is_file_of(image, mapping) {
                finding.offer(Rc::clone(image));
            }
        }
        // A text with other characters would become part of paths.
        let is_build_id =
            |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_build_id(&mapping.build_id) {
            for place in self.places(mapping) {
                finding.look_at(&place, |image| build_id_fits(image, mapping));
            }
            self.follow_link(&mut finding, mapping);
            for kind in ["debuginfo", "executable"] {
                self.ask_servers(&mut finding, mapping, kind);
            }
        }
        self.finish(finding, mapping)
    }

    /// The paths where a mapping's file, or its debug file, may be.
    fn places(&self, mapping: &Mapping) -> Vec<PathBuf> {
        let mut places = Vec::new();
        let id = &*mapping.build_id;
        let name = name_of(mapping);
        for folder in &self.folders {
            if let Some((first, rest)) = id.split_at_checked(2).filter(|(_, rest)| !rest.is_empty())
            {
                let file = format!("{first}/{rest}.debug");
                places.push(folder.join(".build-id").join(&file));
                places.push(folder.join(file));
            }
            if let Some(name) = name {
                places.push(folder.join(id).join(name));
                places.push(folder.join(name));
            }
            places.push(folder.join(mapping.file.trim_start_matches('/')));
        }
        places.push(PathBuf::from(&*mapping.file));
        places
    }

    /// Looks where a stripped file says that its debug information is, as `gdb` does.
    fn follow_link(&self, finding: &mut Finding, mapping: &Mapping) {
        let Some(program) = finding.program.clone() else {
            return;
        };
        let Some((link, check_sum)) = &program.debug_link else {
            return;
        };
        // A link is a bare name. One with a path could lead anywhere.
        let Some(name) = link.file_name() else {
            return;
        };
        let path = fs::canonicalize(&program.path).unwrap_or_else(|_| program.path.clone());
        let mut places = Vec::new();
        if let Some(parent) = path.parent() {
            places.extend([parent.join(name), parent.join(".debug").join(name)]);
            let below = parent.strip_prefix("/").unwrap_or(parent);
            places.extend(
                self.folders
                    .iter()
                    .map(|folder| folder.join(below).join(name)),
            );
        }
        places.extend(self.folders.iter().map(|folder| folder.join(name)));
        for place in places {
            finding.look_at(&place, |image| {
                if !image.build_id.is_empty() {
                    build_id_fits(image, mapping)?;
                }
                match image.check_sum() == *check_sum {
                    true => Ok(()),
                    false => Err("another check sum than .gnu_debuglink has".into()),
                }
            });
        }
    }

    fn ask_servers(&self, finding: &mut Finding, mapping: &Mapping, kind: &str) {
        let is_wanted = |finding: &Finding| match kind {
            "debuginfo" => finding.lines.is_none(),
            _ => finding.lines.is_none() && finding.program.is_none(),
        };
        let id = &*mapping.build_id;
        for server in &self.servers {
            if !is_wanted(finding) {
                return;
            }
            if download::url(Path::new(server)).is_none() {
                let folder = Path::new(server);
                for folder in [folder.join(id), folder.join("buildid").join(id)] {
                    finding.look_at(&folder.join(kind), |image| build_id_fits(image, mapping));
                }
                continue;
            }
            let url = format!("{}/buildid/{id}/{kind}", server.trim_end_matches('/'));
            let image = download::debug_file(&url).and_then(|bytes| {
                bytes
                    .map(|bytes| Image::new(url.clone().into(), bytes))
                    .transpose()
            });
            match image {
                Ok(None) => {}
                Ok(Some(image)) => match build_id_fits(&image, mapping) {
                    Ok(()) => finding.offer(Rc::new(image)),
                    Err(reason) => finding.refused.push(format!("{url} has {reason}")),
                },
                Err(failure) => finding.refused.push(failure.to_string()),
            }
        }
    }

    fn finish(&self, finding: Finding, mapping: &Mapping) -> Result<FoundDebugFile, Vec<String>> {
        let Some(source) = finding.lines.as_ref().or(finding.program.as_ref()) else {
            return Err(finding.refused);
        };
        let program = finding.program.as_ref().unwrap_or(source);
        let mut symbols = source.symbols();
        if symbols.is_empty() {
            symbols = program.symbols();
        }
        let shared = self.shared(source);
        let package = self.package(&[&program.path, &source.path, Path::new(&*mapping.file)]);
        let mut folders = self.folders.clone();
        folders.extend(program.path.parent().map(Path::to_owned));
        Ok(FoundDebugFile {
            debug: Debug::new(source, shared.as_ref(), package.as_ref(), symbols, folders),
            program: Rc::clone(program),
            names_from: source.path.clone(),
            refused: match finding.lines {
                Some(_) => Vec::new(),
                None => finding.refused,
            },
        })
    }

    /// The file that shares its debug information with this one (`dwz` makes them).
    fn shared(&self, image: &Image) -> Option<Image> {
        let (path, id) = image.shared.as_ref()?;
        let mut places = vec![image.path.parent()?.join(path)];
        if let Some((first, rest)) = id.split_at_checked(2) {
            let file = format!(".build-id/{first}/{rest}.debug");
            places.extend(self.folders.iter().map(|folder| folder.join(&file)));
        }
        let open = |place: &PathBuf| Image::open(place).ok().flatten();
        let mut images = places.iter().filter_map(open);
        images.find(|shared| shared.build_id == *id)
    }

    /// The package of split debug information of a program, at one of these paths. Its parts have
    /// ids of their own, so a stale package does no harm.
    fn package(&self, paths: &[&Path]) -> Option<Image> {
        let mut places = Vec::new();
        for path in paths {
            let name = path.file_name()?.to_string_lossy();
            let bare = path.file_stem()?.to_string_lossy();
            for name in [format!("{name}.dwp"), format!("{bare}.dwp")] {
                places.push(path.with_file_name(&name));
                places.extend(self.folders.iter().map(|folder| folder.join(&name)));
            }
        }
        places
            .iter()
            .find_map(|place| Image::open(place).ok().flatten())
    }
}

impl Finding {
    fn offer(&mut self, image: Rc<Image>) {
        if image.has_lines && self.lines.is_none() {
            self.lines = Some(Rc::clone(&image));
        }
        if image.has_code && self.program.is_none() {
            self.program = Some(image);
        }
    }

    /// Looks at a file, if debug information is still missing and the file exists.
    fn look_at(&mut self, path: &Path, fits: impl FnOnce(&Image) -> Result<(), String>) {
        if self.lines.is_some() {
            return;
        }
        match Image::open(path) {
            Ok(None) => {}
            Ok(Some(image)) => match fits(&image) {
                Ok(()) => self.offer(Rc::new(image)),
                Err(reason) => {
                    let line = format!("{} has {reason}", path.display());
                    self.refused.push(line);
                }
            },
            Err(failure) => self.refused.push(failure.to_string()),
        }
    }
}

/// Whether a file that the user named belongs to a mapping: by build id, or by name if the profile
/// has none.
fn is_file_of(image: &Image, mapping: &Mapping) -> bool {
    if mapping.build_id.is_empty() {
        let name = image.path.file_name().and_then(|name| name.to_str());
        return name.is_some() && name == name_of(mapping);
    }
    image.build_id == *mapping.build_id
}

fn build_id_fits(image: &Image, mapping: &Mapping) -> Result<(), String> {
    if image.build_id == *mapping.build_id {
        return Ok(());
    }
    Err(match image.build_id.as_str() {
        "" => "no build id".into(),
        other => format!("build id {other}"),
    })
}

fn name_of(mapping: &Mapping) -> Option<&str> {
    Path::new(&*mapping.file).file_name()?.to_str()
}
