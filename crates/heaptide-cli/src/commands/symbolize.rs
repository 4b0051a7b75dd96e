//! `heaptide symbolize`: names for a raw profile, from files and servers.
//!
//! It reports the result for each mapping. `debug_files` decides which file is the right one, and
//! the library how a name is written.

use std::{
    collections::{BTreeSet, HashMap},
    env,
    path::{Path, PathBuf},
};

use heaptide_profile::{
    Mapping, MappingId, Profile, SymbolLine, Trim,
    internal::units::{Bytes, Count},
};

use crate::{
    args::{self, FramesToKeep},
    debug_info::debug_files::{DebugFiles, FoundDebugFile},
    failure::Failure,
    files::input,
    files::output,
    outcome::Outcome,
    tell,
};
use heaptide_profile::internal::printable;

/// The lines that were found, by mapping and address.
type Lines = HashMap<(usize, u64), Vec<SymbolLine>>;

pub(crate) fn run(arguments: &args::SymbolizeArgs) -> Result<Outcome, Failure> {
    let to_stdout = output::is_stdout(&arguments.output, "profile")?;
    let mut input = input::one(&arguments.profile)?;
    let parts = parts(&input.profile, arguments.force);
    let mut outcome = Outcome::default();
    if parts.is_empty() && !has_names(&input.profile) && !input.profile.locations.is_empty() {
        return Err(Failure::of(
            &input.name,
            "its addresses are in no program or library, as far as it says: only the process knew \
             their names",
        ));
    }
    if parts.is_empty() {
        outcome.remarks.push(format!(
            "{}: all of it is symbolized already, and is written as it is; --force does it anew",
            input.name
        ));
    } else {
        let lines = look_up(arguments, &input.profile, &parts, &mut outcome)?;
        let named = input
            .profile
            .symbolize(trim(arguments, &input.profile), |location| {
                let at = location.mapping.map(MappingId::index);
                let found = at.and_then(|at| lines.get(&(at, location.address)));
                found.cloned().unwrap_or_default()
            });
        if named == 0 && !has_names(&input.profile) {
            outcome.remarks.iter().for_each(|line| tell(line));
            return Err(Failure::of(
                &input.name,
                "nothing could be symbolized, and nothing was written",
            ));
        }
    }
    let mut bytes = Vec::new();
    let fail = |error| Failure::of(&input.name, error);
    input.profile.write(&mut bytes).map_err(fail)?;
    output::put(&arguments.output, &bytes)?;
    if to_stdout {
        outcome.text.clear();
    }
    Ok(outcome)
}

/// One mapping, and the addresses in it that are looked for.
struct Part<'a> {
    at: usize,
    mapping: &'a Mapping,
    addresses: BTreeSet<u64>,
}

/// The mappings with addresses that have no name.
fn parts(profile: &Profile, is_forced: bool) -> Vec<Part<'_>> {
    let mut parts: Vec<Part<'_>> = profile
        .mappings
        .iter()
        .enumerate()
        .map(|(at, mapping)| Part {
            at,
            mapping,
            addresses: BTreeSet::new(),
        })
        .collect();
    for location in &profile.locations {
        let part = location.mapping.and_then(|id| parts.get_mut(id.index()));
        if let Some(part) = part
            && (is_forced || location.lines.is_empty())
        {
            part.addresses.insert(location.address);
        }
    }
    // The kernel's code is in no file.
    let is_in_a_file = |mapping: &Mapping| !mapping.file.starts_with('[');
    let is_wanted = |mapping: &Mapping| is_forced || !mapping.has_functions;
    parts.retain(|part| {
        !part.addresses.is_empty() && is_in_a_file(part.mapping) && is_wanted(part.mapping)
    });
    parts
}

fn look_up(
    arguments: &args::SymbolizeArgs,
    profile: &Profile,
    parts: &[Part<'_>],
    outcome: &mut Outcome,
) -> Result<Lines, Failure> {
    let files = DebugFiles::new(&arguments.binaries, folders(arguments), servers(arguments))?;
    for image in files.unwanted(&profile.mappings) {
        let path = image.path.display();
        outcome.remarks.push(printable(&format!(
            "{path} is not used: it has {}, and no mapping of the profile has that",
            said_id(&image.build_id)
        )));
    }
    let mut lines = Lines::new();
    for part in parts {
        match files.find(part.mapping) {
            Ok(found) => part.look_up(profile, &found, &mut lines, outcome),
            Err(refused) => outcome.remarks.extend(part.missing(profile, &refused)),
        }
    }
    Ok(lines)
}

impl Part<'_> {
    fn look_up(
        &self,
        profile: &Profile,
        found: &FoundDebugFile,
        lines: &mut Lines,
        outcome: &mut Outcome,
    ) {
        let mut named = 0;
        let mut has_lines = false;
        for &address in &self.addresses {
            let own = found.program.own_address(self.mapping, address);
            let at_address = own.map(|own| found.debug.look_up(own)).unwrap_or_default();
            named += usize::from(!at_address.is_empty());
            has_lines |= at_address.iter().any(|found| found.line > 0);
            lines.insert((self.at, address), at_address);
        }
        let (file, all) = (&self.mapping.file, self.addresses.len());
        let from = found.names_from.display();
        if named == 0 {
            let id = said_id(&self.mapping.build_id);
            outcome.remarks.push(printable(&format!(
                "{file} with {id} is stripped, as {from} has it: {} in it; its debug file is \
                 missing: {}",
                self.weight(profile),
                self.way_out("give it with --binary,")
            )));
        } else {
            // Damaged sections give no names either.
            let how = if has_lines {
                ""
            } else {
                " by its symbol table"
            };
            let addresses = if all == 1 { "address" } else { "addresses" };
            let line = format!("{file}: {named} of {all} {addresses}{how}, from {from}");
            outcome.text.push_str(&printable(&line));
            outcome.text.push('\n');
        }
        outcome.remarks.extend(looked_at(&found.refused));
    }

    /// Which file is missing, and how much of the profile needs it.
    fn missing(&self, profile: &Profile, refused: &[String]) -> Vec<String> {
        let Mapping { file, build_id, .. } = self.mapping;
        let way_out = self.way_out("give it with --binary, its debug file");
        let mut told = vec![format!(
            "{file} with {} is missing: {} in it; {way_out}",
            said_id(build_id),
            self.weight(profile)
        )];
        told.extend(looked_at(refused));
        told.iter().map(|line| printable(line)).collect()
    }

    /// Where a file would be found.
    fn way_out(&self, start: &str) -> String {
        match self.mapping.build_id.split_at_checked(2) {
            Some((first, rest)) => {
                format!(
                    "{start} as .build-id/{first}/{rest}.debug in a --debug-dir, or a --debuginfod"
                )
            }
            None => {
                "the profile has no build id of it, so only --binary with a file of that name is \
                     believed (link with -C link-arg=-Wl,--build-id)"
                    .into()
            }
        }
    }

    /// How many samples have frames in the mapping, and the sum of their values.
    fn weight(&self, profile: &Profile) -> String {
        let id = MappingId::new(self.at);
        let is_in = |at: usize| {
            let location = profile.locations.get(at);
            location.is_some_and(|l| l.mapping == id && self.addresses.contains(&l.address))
        };
        let mut samples = profile.samples.iter();
        let held: Vec<_> = samples
            .by_ref()
            .filter(|sample| sample.locations.iter().any(|id| is_in(id.index())))
            .collect();
        let count = i64::try_from(held.len()).unwrap_or(i64::MAX);
        let all = profile.samples.len();
        let samples = if all == 1 { "sample" } else { "samples" };
        let have = if count == 1 {
            "has frames"
        } else {
            "have frames"
        };
        let count = format!("{} of {all} {samples}", Count(count));
        let Ok(sample_type) = profile.sample_type("") else {
            return format!("{count} {have}");
        };
        let values = held.iter().map(|sample| sample_type.value_of(sample));
        let sum = values.fold(0_i64, i64::saturating_add);
        let kind = Some(sample_type.value_type());
        match kind.map(|kind| (&*kind.kind, &*kind.unit)) {
            Some((kind, "bytes")) => format!("{count}, {} of {kind}, {have}", Bytes(sum)),
            Some((kind, unit)) => format!("{count}, {sum} {unit} of {kind}, {have}"),
            None => format!("{count} {have}"),
        }
    }
}

fn looked_at(refused: &[String]) -> impl Iterator<Item = String> {
    let line = |reason: &String| printable(&format!("  looked at: {reason}"));
    refused.iter().map(line)
}

fn said_id(id: &str) -> String {
    match id {
        "" => "no build id".into(),
        id => format!("build id {id}"),
    }
}

fn has_names(profile: &Profile) -> bool {
    let mut locations = profile.locations.iter();
    locations.any(|location| !location.lines.is_empty())
}

/// A raw profile of heaptide states that it has to be trimmed. One whose names are replaced was
/// trimmed before.
fn trim(arguments: &args::SymbolizeArgs, profile: &Profile) -> Trim {
    match arguments.trim {
        Some(FramesToKeep::Containers) => Trim::Containers,
        Some(FramesToKeep::Allocator) => Trim::Allocator,
        Some(FramesToKeep::Nothing) => Trim::Nothing,
        None if profile.is_untrimmed() || arguments.force => Trim::Containers,
        None => Trim::Nothing,
    }
}

/// The folders that the user named, then those that `pprof` would look in.
fn folders(arguments: &args::SymbolizeArgs) -> Vec<PathBuf> {
    let mut folders = arguments.debug_dirs.clone();
    match env::var_os("PPROF_BINARY_PATH").filter(|paths| !paths.is_empty()) {
        Some(paths) => folders.extend(env::split_paths(&paths)),
        None => folders.extend(env::home_dir().map(|home| home.join("pprof/binaries"))),
    }
    folders.retain(|folder| folder != Path::new(""));
    folders
}

/// The servers that the user named, or those that all tools of `elfutils` ask.
fn servers(arguments: &args::SymbolizeArgs) -> Vec<String> {
    if !arguments.debuginfod.is_empty() {
        return arguments.debuginfod.clone();
    }
    let known = env::var("DEBUGINFOD_URLS").unwrap_or_default();
    known.split_whitespace().map(str::to_owned).collect()
}
