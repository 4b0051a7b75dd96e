//! The text form that `?debug=1` asks for, as Go and gperftools write it: for people, and for the Perl tools
//! `google-pprof` and `jeprof`, which read nothing else.
//!
//! ```text
//! heap profile: <inuse objects>: <inuse bytes> [<alloc objects>: <alloc bytes>] @ heap_v2/<period>
//! <inuse objects>: <inuse bytes> [<alloc objects>: <alloc bytes>] @ 0x<return address> ...
//! #   0x<return address>   <function>   <file>:<line>
//! ```
//!
//! with tabs between the parts of a comment. It takes a profile of what was [sampled](Profile::sampled), since
//! readers estimate themselves. The header is `heap_v2` and not Go's `heap`: by the latter both Perl tools
//! divide by the objects of a row, and die of one that has none in use.

use std::fmt::Write as _;

use crate::Profile;
use crate::printable::printable;
use crate::profile::{Location, LocationId, Sample};

/// The profile as text: what is live first, the most bytes first; then `trailer`, whose lines begin with `#`;
/// then where the program's files are loaded.
pub(super) fn legacy_text(profile: &Profile, trailer: &str) -> String {
    let mut rows: Vec<(Row, &Sample)> = profile
        .samples
        .iter()
        .map(|sample| (Row::of(sample), sample))
        .filter(|(row, _)| *row != Row::default())
        .collect();
    rows.sort_by(|(a, x), (b, y)| {
        let key = |row: &Row| [row.inuse_bytes, row.alloc_bytes, row.inuse_objects];
        key(b)
            .cmp(&key(a))
            .then_with(|| addresses(profile, x).cmp(addresses(profile, y)))
    });
    let mut total = rows
        .iter()
        .fold(Row::default(), |sum, (row, _)| sum.plus(row));
    // As Go: a reader takes only two columns where the two pairs are equal.
    if total.alloc_bytes == total.inuse_bytes {
        total.alloc_bytes = total.alloc_bytes.saturating_add(1);
    }
    let mut text = format!(
        "heap profile: {} @ heap_v2/{}\n",
        total.text(),
        profile.period
    );
    for (row, sample) in &rows {
        text += &format!("{} @", row.text());
        for address in addresses(profile, sample) {
            append(&mut text, format_args!(" {address:#x}"));
        }
        text.push('\n');
        for location in locations(profile, sample) {
            describe(&mut text, profile, location);
        }
        text.push('\n');
    }
    text += trailer;
    text += "\nMAPPED_LIBRARIES:\n";
    for mapping in &profile.mappings {
        // A line of /proc/self/maps; of device and inode readers take no notice.
        append(
            &mut text,
            format_args!(
                "{:x}-{:x} r-xp {:08x} 00:00 0 {}\n",
                mapping.start, mapping.limit, mapping.file_offset, mapping.file
            ),
        );
    }
    text
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Row {
    inuse_objects: i64,
    inuse_bytes: i64,
    alloc_objects: i64,
    alloc_bytes: i64,
}

impl Row {
    fn of(sample: &Sample) -> Self {
        let value = |at| sample.values.get(at).copied().unwrap_or(0);
        Self {
            inuse_objects: value(2),
            inuse_bytes: value(3),
            alloc_objects: value(0),
            alloc_bytes: value(1),
        }
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            inuse_objects: self.inuse_objects.saturating_add(other.inuse_objects),
            inuse_bytes: self.inuse_bytes.saturating_add(other.inuse_bytes),
            alloc_objects: self.alloc_objects.saturating_add(other.alloc_objects),
            alloc_bytes: self.alloc_bytes.saturating_add(other.alloc_bytes),
        }
    }

    fn text(&self) -> String {
        format!(
            "{}: {} [{}: {}]",
            self.inuse_objects, self.inuse_bytes, self.alloc_objects, self.alloc_bytes
        )
    }
}

fn locations<'a>(profile: &'a Profile, sample: &'a Sample) -> impl Iterator<Item = &'a Location> {
    let ids = sample.locations.iter().copied();
    ids.filter_map(|id: LocationId| profile.locations.get(id.index()))
}

/// Return addresses, from which readers subtract 1 again.
fn addresses<'a>(profile: &'a Profile, sample: &'a Sample) -> impl Iterator<Item = u64> {
    locations(profile, sample).map(|location| location.address.saturating_add(1))
}

fn describe(text: &mut String, profile: &Profile, location: &Location) {
    let address = location.address.saturating_add(1);
    if location.lines.is_empty() {
        append(text, format_args!("#\t{address:#x}\n"));
    }
    for line in &location.lines {
        let function = profile.functions.get(line.function.index());
        let name = function.and_then(|f| f.shown_name());
        let name = name.map_or_else(|| "?".into(), |name| printable(name));
        append(text, format_args!("#\t{address:#x}\t{name}"));
        if let Some(function) = function.filter(|function| !function.file.is_empty()) {
            let file = printable(&function.file);
            append(text, format_args!("\t{file}:{}", line.line));
        }
        text.push('\n');
    }
}

/// Writing to a string cannot fail.
fn append(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(arguments);
    debug_assert_eq!(written, Ok(()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::example::profile;

    #[test]
    fn the_most_live_is_first_and_what_is_dead_is_last() {
        let profile = profile(
            "main / dead = 7 700 0 0\n main / small = 1 64 1 64\n main / big // inner = 3 3000 2 2000",
            0,
        );
        let text = legacy_text(&profile, "# MaxRSS = 1\n");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "heap profile: 3: 2064 [11: 3764] @ heap_v2/524288"
        );
        let rows: Vec<&&str> = lines.iter().filter(|l| l.contains("] @ 0x")).collect();
        assert_eq!(rows.len(), 3, "{text}");
        assert!(rows[0].starts_with("2: 2000 [3: 3000] @ 0x"), "{text}");
        assert!(rows[1].starts_with("1: 64 [1: 64] @ 0x"), "{text}");
        assert!(rows[2].starts_with("0: 0 [7: 700] @ 0x"), "{text}");
        let leaf = profile.samples[2].locations[0].index();
        let address = profile.locations[leaf].address + 1;
        let row = format!("@ {address:#x} ");
        assert!(rows[0].contains(&row), "{row} in {text}");
        assert!(
            lines[2].starts_with(&format!("#\t{address:#x}\tinner\t/src/")),
            "{text}"
        );
        assert!(
            lines[3].starts_with(&format!("#\t{address:#x}\tbig\t/src/")),
            "{text}"
        );
        let (before, after) = text
            .split_once("\n# MaxRSS = 1\n\nMAPPED_LIBRARIES:\n")
            .unwrap();
        assert!(
            before.contains("] @ ") && after.contains(" r-xp 00"),
            "{text}"
        );
        assert!(after.ends_with("server\n"), "{after}");
    }

    #[test]
    fn equal_pairs_are_told_apart_and_rows_of_nothing_left_out() {
        let text = legacy_text(&profile("main = 1 8 1 8\n main / none = 0 0 0 0", 0), "");
        assert!(text.starts_with("heap profile: 1: 8 [1: 9] @ heap_v2/524288\n1: 8 [1: 8] @ "));
        assert_eq!(text.matches("] @").count(), 2);
    }

    #[test]
    fn a_name_cannot_write_rows() {
        let mut hostile = profile("main = 1 8 1 8", 0);
        hostile.functions[0].name = "x\n1: 1 [1: 1] @ 0x1".into();
        assert!(legacy_text(&hostile, "").contains("\tx\\n1: 1"));
    }
}
