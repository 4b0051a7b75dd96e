//! `heaptide info`: what a profile is of, what it contains and lacks, and what to do about it.
//!
//! It describes the file. The reports show what holds the memory.

use std::{
    collections::HashSet,
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use heaptide_profile::{
    Mapping, Process, Profile, SampleType,
    internal::units::{Bytes, Count, Instant, Nanos},
    report::total,
};

use crate::{args, failure::Failure, files::input, outcome::Outcome};
use heaptide_profile::internal::printable;

pub(crate) fn run(arguments: &args::InfoArgs) -> Result<Outcome, Failure> {
    let input = input::one(&arguments.profile)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
    let mut lines = vec![("Profile", name(arguments, &input.name))];
    lines.extend(about(&input.profile, now));
    let mut text = String::new();
    for (what, said) in lines {
        let what = if what.is_empty() {
            String::new()
        } else {
            format!("{what}:")
        };
        text.push_str(printable(&format!("{what:<10} {said}")).trim_end());
        text.push('\n');
    }
    let missing = missing(&input.profile);
    if !missing.is_empty() {
        text.push_str("\nMissing:\n");
        for line in missing {
            text.push_str(&format!("- {}\n", printable(&line)));
        }
    }
    Ok(Outcome::new(text, Vec::new()))
}

/// The name of the profile, and its size on the disk if it is a file.
fn name(arguments: &args::InfoArgs, name: &str) -> String {
    let file = fs::metadata(&arguments.profile).ok();
    match file.filter(fs::Metadata::is_file) {
        Some(file) => {
            let size = Bytes(i64::try_from(file.len()).unwrap_or(i64::MAX));
            format!("{name}, {size}")
        }
        None => name.to_owned(),
    }
}

fn about(profile: &Profile, now: i64) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let default = profile.sample_type("").ok().map(SampleType::index);
    for sample_type in profile.each_sample_type() {
        let (index, kind) = (sample_type.index(), sample_type.value_type());
        let total = total(sample_type);
        let total = match &*kind.unit {
            "bytes" => Bytes(total).to_string(),
            unit => format!("{} {unit}", Count(total)),
        };
        let note = if default == Some(index) {
            ", the default"
        } else {
            ""
        };
        let what = if index == 0 { "Types" } else { "" };
        lines.push((what, format!("{}: {total}{note}", kind.kind)));
    }
    lines.push(("Period", period(profile)));
    lines.push(("Taken", taken(profile, now)));
    lines.extend(process(profile).map(|process| ("Process", process)));
    lines.push((
        "Duration",
        match profile.duration_nanos {
            0 => "none stated: as of that time, since the start of the process".into(),
            nanos => format!(
                "{}: what was allocated, and what lived on, in that time",
                Nanos(nanos)
            ),
        },
    ));
    let stacks: HashSet<_> = profile
        .samples
        .iter()
        .map(|sample| &sample.locations)
        .collect();
    lines.push((
        "Samples",
        format!(
            "{}, of {}, {}, {}",
            count(profile.samples.len()),
            counted(stacks.len(), "stack", "stacks"),
            counted(profile.locations.len(), "address", "addresses"),
            counted(profile.functions.len(), "function", "functions")
        ),
    ));
    let mut unused = 0_usize;
    for (index, (mapping, names)) in profile.mappings.iter().zip(names(profile)).enumerate() {
        if index > 0 && names.all == 0 {
            unused += 1;
            continue;
        }
        let what = if index == 0 { "Mappings" } else { "" };
        lines.push((what, about_mapping(mapping, names)));
    }
    if unused > 0 {
        lines.push(("", format!("and {unused} without an address")));
    }
    let comments = profile.comments.iter();
    let comments = comments.filter(|comment| Process::from_comment(comment).is_none());
    for (index, comment) in comments.enumerate() {
        lines.push((
            if index == 0 { "Comments" } else { "" },
            comment.to_string(),
        ));
    }
    let hidden = match &*profile.drop_frames {
        "" => None,
        _ if profile.is_untrimmed() => {
            Some("the allocator's own frames, once they have names".into())
        }
        frames => Some(format!("frames that match {frames}")),
    };
    lines.extend(hidden.map(|hidden| ("Hidden", hidden)));
    if !profile.doc_url.is_empty() {
        lines.push(("Docs", profile.doc_url.to_string()));
    }
    lines
}

/// The process of the profile, or how many processes it is a sum of; `None` if it does not say.
fn process(profile: &Profile) -> Option<String> {
    if let Some(process) = profile.process() {
        let start = i64::try_from(process.start.as_nanos()).unwrap_or(i64::MAX);
        let lived = match profile.time_nanos.saturating_sub(start) {
            lived if profile.time_nanos != 0 && lived > 0 => {
                format!(", {} before it was taken", Nanos(lived))
            }
            _ => String::new(),
        };
        return Some(format!(
            "{}, started {}{lived}",
            process.pid,
            Instant(start)
        ));
    }
    let comments = profile.comments.iter();
    let several = comments.filter_map(|comment| Process::from_comment(comment));
    let several: HashSet<Process> = several.collect();
    (!several.is_empty()).then(|| format!("{} of them, added up", several.len()))
}

fn period(profile: &Profile) -> String {
    let unit = profile
        .period_type
        .as_ref()
        .map(|kind| (&*kind.kind, &*kind.unit));
    match (profile.period, unit) {
        (0, _) => "none stated".into(),
        (1, Some((kind, "bytes"))) => format!("1 byte of {kind}: every allocation is in it"),
        (period, Some((kind, "bytes"))) => {
            format!("one sample for {} of {kind}, on average", Bytes(period))
        }
        (period, Some((kind, unit))) => format!("{period} {unit} of {kind}"),
        (period, None) => period.to_string(),
    }
}

fn taken(profile: &Profile, now: i64) -> String {
    match profile.time_nanos {
        0 => "at no stated time".into(),
        time if time > now => format!("{}, in the future by this clock", Instant(time)),
        time => format!("{}, {} ago", Instant(time), Nanos(now - time)),
    }
}

/// The number of a mapping's addresses, and how many of them have a name.
#[derive(Clone, Copy, Default)]
struct Names {
    named: usize,
    all: usize,
}

/// These numbers for each mapping.
fn names(profile: &Profile) -> Vec<Names> {
    let mut names = vec![Names::default(); profile.mappings.len()];
    for location in &profile.locations {
        let mapping = location.mapping.and_then(|id| names.get_mut(id.index()));
        if let Some(of_mapping) = mapping {
            of_mapping.named += usize::from(!location.lines.is_empty());
            of_mapping.all += 1;
        }
    }
    names
}

fn count(length: usize) -> Count {
    Count(i64::try_from(length).unwrap_or(i64::MAX))
}

fn counted(length: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(length), if length == 1 { one } else { many })
}

fn about_mapping(mapping: &Mapping, names: Names) -> String {
    let id = match &*mapping.build_id {
        "" => "no build id".into(),
        id => format!("build id {id}"),
    };
    let names = match names {
        Names { all: 0, .. } => "no address in it".into(),
        Names { named: 0, all } => format!("raw, {}", counted(all, "address", "addresses")),
        Names { named: 1, all: 1 } => "1 address, which has a name".into(),
        Names { named, all } => format!("{named} of {all} addresses have names"),
    };
    let file = if mapping.file.is_empty() {
        "(no path)"
    } else {
        &mapping.file
    };
    format!("{file}, {id}, {names}")
}

fn missing(profile: &Profile) -> Vec<String> {
    let mut missing = Vec::new();
    for (mapping, Names { named, all }) in profile.mappings.iter().zip(names(profile)) {
        // The kernel's code has neither.
        if all == 0 || mapping.file.starts_with('[') {
            continue;
        }
        let file = &mapping.file;
        if mapping.build_id.is_empty() && named < all {
            missing.push(format!(
                "a build id of {file}, by which its debug information is known: link with -C \
                 link-arg=-Wl,--build-id"
            ));
        }
        if named == 0 {
            missing.push(format!(
                "the names of what is in {file}: `heaptide symbolize` gives them, from the program \
                 or its debug file"
            ));
        }
    }
    if profile.mappings.is_empty() && profile.functions.is_empty() && !profile.locations.is_empty()
    {
        missing.push("mappings and names: its addresses mean nothing without the process".into());
    }
    if profile.time_nanos == 0 {
        missing.push("the time it was taken: `leaks` cannot put it in order".into());
    }
    let has_bytes = |sample: &heaptide_profile::Sample| {
        sample.labels.iter().any(|label| &*label.key == "bytes")
    };
    if !profile.samples.is_empty() && profile.period != 1 && !profile.samples.iter().all(has_bytes)
    {
        missing.push("the label `bytes` on samples: there are no error bars without it".into());
    }
    missing
}
