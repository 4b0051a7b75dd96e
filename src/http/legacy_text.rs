//! The text form that `?debug=1` asks for, as Go and gperftools write it.
//!
//! People read it, and the Perl tools `google-pprof` and `jeprof`, which read nothing else.
//!
//! ```text
//! heap profile: <inuse objects>: <inuse bytes> [<alloc objects>: <alloc bytes>] @ heap_v2/<period>
//! <inuse objects>: <inuse bytes> [<alloc objects>: <alloc bytes>] @ 0x<return address> ...
//! #   0x<return address>   <function>   <file>:<line>
//! ```
//!
//! Tabs separate the parts of a comment. The profile has to be [sampled](Profile::sampled), since
//! readers estimate themselves. The header is `heap_v2` and not Go's `heap`: for `heap` both Perl
//! tools divide by the objects of a row, and fail on a row that has none in use.

use heaptide_profile::{Location, Profile, Sample, internal::printable};

/// The profile as text: the rows with the most live bytes first; then `trailer`, whose lines begin
/// with `#`; then the addresses at which the program's files are loaded.
pub(super) fn legacy_text(profile: &Profile, trailer: &str) -> String {
    let rows = profile.samples.iter();
    let rows = rows.map(|sample| (values(sample), sample));
    let mut rows: Vec<([i64; 4], &Sample)> = rows.filter(|(row, _)| *row != [0; 4]).collect();
    rows.sort_by(|(a, x), (b, y)| {
        let key = |[_, alloc_bytes, inuse_objects, inuse_bytes]: [i64; 4]| {
            [inuse_bytes, alloc_bytes, inuse_objects]
        };
        let addresses = |sample| locations(profile, sample).map(return_address);
        let order = key(*b).cmp(&key(*a));
        order.then_with(|| addresses(x).cmp(addresses(y)))
    });
    let mut total = rows.iter().fold([0; 4], |sum: [i64; 4], (row, _)| {
        std::array::from_fn(|at| sum[at].saturating_add(row[at]))
    });
    // As in Go: a reader takes only two columns if the two pairs are equal.
    if total[1] == total[3] {
        total[1] = total[1].saturating_add(1);
    }
    let total = counts(&total);
    let mut text = format!("heap profile: {total} @ heap_v2/{}\n", profile.period);
    for (row, sample) in &rows {
        text += &format!("{} @", counts(row));
        for location in locations(profile, sample) {
            text += &format!(" {:#x}", return_address(location));
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
        // A line of /proc/self/maps; readers ignore device and inode.
        let (start, limit, offset) = (mapping.start, mapping.limit, mapping.file_offset);
        text += &format!(
            "{start:x}-{limit:x} r-xp {offset:08x} 00:00 0 {}\n",
            mapping.file
        );
    }
    text
}

/// The sample's values in the order of Go's sample types: allocated objects and bytes, then live
/// ones.
fn values(sample: &Sample) -> [i64; 4] {
    std::array::from_fn(|at| sample.values.get(at).copied().unwrap_or(0))
}

fn counts([alloc_objects, alloc_bytes, inuse_objects, inuse_bytes]: &[i64; 4]) -> String {
    format!("{inuse_objects}: {inuse_bytes} [{alloc_objects}: {alloc_bytes}]")
}

fn locations<'a>(profile: &'a Profile, sample: &'a Sample) -> impl Iterator<Item = &'a Location> {
    let ids = sample.locations.iter();
    ids.filter_map(|id| profile.locations.get(id.index()))
}

/// Readers subtract 1 from it again.
fn return_address(location: &Location) -> u64 {
    location.address.saturating_add(1)
}

fn describe(text: &mut String, profile: &Profile, location: &Location) {
    let address = return_address(location);
    if location.lines.is_empty() {
        *text += &format!("#\t{address:#x}\n");
    }
    for line in &location.lines {
        let function = profile.functions.get(line.function.index());
        let name = function.and_then(|f| f.shown_name());
        let name = name.map_or_else(|| "?".into(), |name| printable(name));
        *text += &format!("#\t{address:#x}\t{name}");
        if let Some(function) = function.filter(|function| !function.file.is_empty()) {
            *text += &format!("\t{}:{}", printable(&function.file), line.line);
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heaptide_profile::testing::example::profile;

    #[test]
    fn rows_are_sorted_by_live_bytes() {
        let profile = profile(
            "main / dead = 7 700 0 0
            main / small = 1 64 1 64
            main / big // inner = 3 3000 2 2000",
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
    fn equal_pairs_are_made_unequal_and_rows_of_zeros_are_left_out() {
        let text = legacy_text(&profile("main = 1 8 1 8\n main / none = 0 0 0 0", 0), "");
        assert!(text.starts_with("heap profile: 1: 8 [1: 9] @ heap_v2/524288\n1: 8 [1: 8] @ "));
        assert_eq!(text.matches("] @").count(), 2);
    }

    #[test]
    fn a_name_cannot_forge_a_row() {
        let mut hostile = profile("main = 1 8 1 8", 0);
        hostile.functions[0].name = "x\n1: 1 [1: 1] @ 0x1".into();
        assert!(legacy_text(&hostile, "").contains("\tx\\n1: 1"));
    }
}
