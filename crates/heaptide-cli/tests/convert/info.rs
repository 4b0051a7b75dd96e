//! `heaptide info`: descriptions of profiles, and of what is missing in them.

use std::{fs, path::Path};

use heaptide_profile::testing::example;
use heaptide_profile::{Mapping, Profile};

use crate::{STACKS, folder, run_ok, save};

#[test]
fn info_describes_a_profile_and_what_is_missing() {
    let folder = folder();
    let mut raw = example::profile("main / 0x4a10 / lib.so!0x10 = 3 48 3 48", 0);
    raw.functions.clear();
    raw.locations
        .iter_mut()
        .for_each(|location| location.lines.clear());
    raw.mappings[1].build_id = "".into();
    raw.comments = vec!["one".into(), "two\x1b[2J".into()];
    raw.duration_nanos = 30_000_000_000;
    raw.time_nanos = 0;
    save(&folder.path().join("raw.pb.gz"), &raw);
    let size = fs::metadata(folder.path().join("raw.pb.gz"))
        .expect("the file")
        .len();
    let told = run_ok(folder.path(), "info raw.pb.gz");
    assert_eq!(
        told,
        format!(
            "\
Profile:   raw.pb.gz, {size} B
Types:     alloc_objects: 3 count
           alloc_space: 48 B
           inuse_objects: 3 count
           inuse_space: 48 B, the default
Period:    one sample for 512.00 KiB of space, on average
Taken:     at no stated time
Duration:  30.00s: what was allocated, and what lived on, in that time
Samples:   1, of 1 stack, 3 addresses, 0 functions
Mappings:  /usr/bin/server, build id {}, raw, 2 addresses
           /usr/bin/lib.so, no build id, raw, 1 address
Comments:  one
           two\\u{{1b}}[2J

Missing:
- the names of what is in /usr/bin/server: `heaptide symbolize` gives them, from the program or \
its debug file
- a build id of /usr/bin/lib.so, by which its debug information is known: link with -C \
link-arg=-Wl,--build-id
- the names of what is in /usr/bin/lib.so: `heaptide symbolize` gives them, from the program or \
its debug file
- the time it was taken: `leaks` cannot put it in order
- the label `bytes` on samples: there are no error bars without it
",
            raw.mappings[0].build_id
        )
    );
    let mut whole = example::profile(STACKS, 0);
    let start = whole.time_nanos / 1_000_000_000 - 90;
    let process = format!("#heaptide process: pid=7 start={start}.00");
    whole.comments = vec![process.as_str().into(), "# another's".into()];
    save(&folder.path().join("whole.pb.gz"), &whole);
    let told = run_ok(folder.path(), "info whole.pb.gz");
    assert!(
        told.contains("Taken:     2023-11-14 22:13:20 UTC, "),
        "{told}"
    );
    let since = " ago\nProcess:   7, started 2023-11-14 22:11:50 UTC, 1m 30s before it was taken\n";
    assert!(told.contains(since), "{told}");
    assert!(told.contains("\nComments:  # another's\n"), "{told}");
    whole.comments.push(process.replace("=7", "=8").into());
    save(&folder.path().join("whole.pb.gz"), &whole);
    let told = run_ok(folder.path(), "info whole.pb.gz");
    assert!(
        told.contains("\nProcess:   2 of them, added up\n"),
        "{told}"
    );
}

#[test]
fn info_says_what_a_profile_does_not_state() {
    let folder = folder();
    let path = folder.path();
    let mut some = example::profile("main / run = 3 48 3 48 bytes=16", 0);
    let whole = described(path, &some);
    for line in [
        "Duration:  none stated: as of that time, since the start of the process",
        "Samples:   1, of 1 stack, 2 addresses, 2 functions",
    ] {
        assert!(whole.lines().any(|told| told == line), "{line}: {whole}");
    }
    assert!(whole.contains(", 2 of 2 addresses have names\n"), "{whole}");
    assert!(!whole.contains("Hidden") && !whole.contains("Docs"));
    let unused = |name: &str| Mapping {
        file: name.into(),
        ..some.mappings[0].clone()
    };
    let unused = [unused("/a.so"), unused("/b.so")];
    some.mappings.extend(unused);
    some.mappings[0].file = "".into();
    some.locations.truncate(1);
    some.samples[0].locations.remove(0);
    some.period = 1;
    some.time_nanos = i64::MAX;
    some.drop_frames = "malloc|free".into();
    some.doc_url = "http://localhost/heap".into();
    let told = described(path, &some);
    for line in [
        "Period:    1 byte of space: every allocation is in it",
        "Taken:     2262-04-11 23:47:16 UTC, in the future by this clock",
        "           and 2 without an address",
        "Hidden:    frames that match malloc|free",
        "Docs:      http://localhost/heap",
    ] {
        assert!(told.lines().any(|told| told == line), "{line}: {told}");
    }
    assert!(told.contains("\nMappings:  (no path), build id "), "{told}");
    assert!(told.contains(", 1 address, which has a name\n"), "{told}");
    some.period = 0;
    some.samples.clear();
    some.locations.clear();
    let none = described(path, &some);
    for part in ["Period:    none stated\n", ", no address in it\n"] {
        assert!(none.contains(part), "{none}");
    }
}

fn described(folder: &Path, profile: &Profile) -> String {
    save(&folder.join("some.pb.gz"), profile);
    run_ok(folder, "info some.pb.gz")
}
